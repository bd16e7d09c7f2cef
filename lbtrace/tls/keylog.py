"""Key logs → the secrets of TLS connections, by client random (RFC 9850: SSLKEYLOGFILE).

A line is `LABEL client-random secret`, in hexadecimal. What a logger puts in front of it (a syslog
prefix) or around it is passed over; blank lines and comments are no lines. A line that should hold
a secret and does not is counted, never shown.

Invariant: a secret leaves this room in no text: `Secrets` has no printable form of what it holds.
`key_log` is for those who asked for secrets by name (`--with-secrets`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from lbtrace.errors import InputError, unread
from lbtrace.model.trace import Diagnostic
from lbtrace.tables.packets import TLS_SECRETS

_LINE: Final = re.compile(
    rb"([A-Z][A-Z0-9_]{2,39})[ \t]+([0-9A-Fa-f]{64}|[0-9A-Fa-f]{16})[ \t]+([0-9A-Fa-f]{64,})(?!\w)"
)
_USED: Final = (
    b"CLIENT_RANDOM",
    b"CLIENT_EARLY_TRAFFIC_SECRET",
    b"CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    b"SERVER_HANDSHAKE_TRAFFIC_SECRET",
    b"CLIENT_TRAFFIC_SECRET_0",
    b"SERVER_TRAFFIC_SECRET_0",
)
_LABELS: Final = {
    *_USED,
    b"CLIENT_TRAFFIC_SECRET_N",
    b"SERVER_TRAFFIC_SECRET_N",
    b"EXPORTER_SECRET",
    b"EARLY_EXPORTER_SECRET",
    b"EARLY_EXPORTER_MASTER_SECRET",
    b"ECH_SECRET",
    b"ECH_CONFIG",
    b"PMS_CLIENT_RANDOM",
    b"RSA",
}
_ASKED: Final = re.compile(rb"^[ \t]*[^\s#]", re.MULTILINE)  # a line that should hold a secret
_AT_ONCE: Final = 1 << 24  # bytes of a file


class Secrets:
    """Label and client random → secret. `lines`: how many were read; `malformed`: how many lines
    hold none.
    """

    __slots__ = ("_known", "lines", "malformed")

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, bytes], bytes] = {}
        self.lines = 0
        self.malformed = 0

    def __bool__(self) -> bool:
        return bool(self._known)

    def __repr__(self) -> str:
        return f"<Secrets: {self.lines} lines>"

    def add(self, text: bytes) -> None:
        """The lines of a key log, or of a part of one that ends with a line."""
        found = {
            (label, random.lower()): secret
            for label, random, secret in _LINE.findall(text)
            if label in _LABELS and len(secret) % 2 == 0
        }
        self._known |= found
        # a line that is given twice is one secret
        lines = text.count(b"\n") + (text[-1:] not in (b"", b"\n"))
        whole = len(found) + text.count(b"\n#") + text.startswith(b"#")
        if whole != lines:
            self._count(text)
        else:
            self.lines += len(found)

    def _count(self, text: bytes) -> None:
        """The lines that hold a secret, and those that should."""
        good = sum(
            label in _LABELS and len(secret) % 2 == 0 for label, _, secret in _LINE.findall(text)
        )
        self.lines += good
        self.malformed += max(len(_ASKED.findall(text)) - good, 0)

    def joined(self, blocks: Iterable[tuple[int, bytes]]) -> Secrets:
        """These, and those of Decryption Secrets Blocks (type, data) of a capture."""
        logs = [data for kind, data in blocks if kind == TLS_SECRETS]
        if not logs:
            return self
        both = Secrets()
        both._known = dict(self._known)
        for data in logs:
            both.add(data)
        return both

    def knows(self, random: str) -> bool:
        """Whether there is any secret for this client random (64 hex digits)."""
        return any((label, random.encode()) in self._known for label in _USED)

    def key_log(self, randoms: Collection[str]) -> bytes:
        """A key log with the secrets of the connections that have one of these client randoms."""
        wanted = {random.encode() for random in randoms}
        lines = [
            b" ".join((label, random, s))
            for (label, random), s in self._known.items()
            if random in wanted
        ]
        return b"".join(line + b"\n" for line in sorted(lines))

    def randoms(self, label: str) -> list[str]:
        """The client randoms that have a secret of this label."""
        wanted = label.encode()
        return [random.decode() for known, random in self._known if known == wanted]

    def get(self, label: str, random: str) -> bytes | None:
        """The secret of this label."""
        found = self._known.get((label.encode(), random.encode()))
        return None if found is None else bytes.fromhex(found.decode())


class KeyLogs:
    """The key logs that were named: their secrets, and what is to be said of them, once."""

    __slots__ = ("_diagnostics", "secrets")

    def __init__(self, secrets: Secrets, diagnostics: tuple[Diagnostic, ...] = ()) -> None:
        self.secrets = secrets
        self._diagnostics = diagnostics

    def said(self) -> tuple[Diagnostic, ...]:
        """How many lines hold no secret; nothing when that was asked before."""
        diagnostics, self._diagnostics = self._diagnostics, ()
        return diagnostics


def read(paths: Sequence[str]) -> KeyLogs:
    """Key log files → their secrets. InputError when a file cannot be read, or holds not a single
    secret.
    """
    secrets = Secrets()
    diagnostics: list[Diagnostic] = []
    for path in paths:
        before, lines = secrets.malformed, secrets.lines
        _read(path, secrets)
        if secrets.lines == lines:
            raise InputError(
                "keylog-empty",
                f"{path}: no line of it is a TLS secret.",
                "A key log has lines like `CLIENT_RANDOM 64-hex-digits 96-hex-digits`: see "
                "docs/tls.md.",
            )
        if secrets.malformed > before:
            text = f"{path}: lines of the key log that hold no secret were passed over."
            diagnostics.append(Diagnostic("keylog-malformed", text, secrets.malformed - before))
    return KeyLogs(secrets, tuple(diagnostics))


def _read(path: str, secrets: Secrets) -> None:
    """Add the lines of a file, unless it begins as no key log."""
    try:
        with open(path, "rb") as file:
            rest, before = b"", secrets.lines
            while part := file.read(_AT_ONCE):
                text, line_end, rest = (rest + part).rpartition(b"\n")
                if not line_end and len(rest) > _AT_ONCE:
                    rest = b""  # one line of 16 MB: no key log
                secrets.add(text)
                if secrets.lines == before and len(part) == _AT_ONCE:
                    return  # 16 MB without a secret are no key log, and may never end
            secrets.add(rest)
    except OSError as error:
        raise InputError(
            "keylog-unreadable", f"{path}: {unread(error)[0]}", "Check --keylog."
        ) from error
    except ValueError as error:  # a name with a NUL
        raise InputError("keylog-unreadable", f"{path!r}: {error}.", "Check --keylog.") from error
