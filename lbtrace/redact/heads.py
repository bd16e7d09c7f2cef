"""Heads, values and lines → the same with their credentials masked, as long as before; and, where
that is asked for, with other addresses.

Invariant: every text keeps its length, its line ends and what divides its fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from lbtrace.http_fields import AUTHORITY, HOST
from lbtrace.redact.address_masks import AddressMask
from lbtrace.redact.same_length import SameLengthMask
from lbtrace.redact.search import CredentialSearch

_BLANKS: Final = (b" ", b"\t")
_CACHED: Final = 1 << 15
_HOST: Final = HOST.encode()


class HeadMask:
    """Masks the texts of heads of one run. `said` are hosts that stand in the clear."""

    def __init__(self, credentials: SameLengthMask, addresses: AddressMask | None) -> None:
        self.credentials = credentials
        self.addresses = addresses
        self.said: set[bytes] = set()
        self._search: CredentialSearch | None = None
        self.field_line = lru_cache(maxsize=_CACHED)(self._field_line)
        self.start_line = lru_cache(maxsize=_CACHED)(self._start_line)

    def learned(self, search: CredentialSearch) -> None:
        """From now on, mask these credentials wherever they stand."""
        self._search = search
        self.field_line.cache_clear()
        self.start_line.cache_clear()

    def found(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The credentials that stand in some bytes."""
        return iter(()) if self._search is None else self._search.found(data)

    def head(self, data: bytes) -> bytes:
        """The bytes of a head, whole or cut, from its start line on."""
        first, *lines = _lines(data) or [b""]
        return self.start_line(first) + self.fields(lines)

    def fields(self, lines: list[bytes]) -> bytes:
        """Field lines with their line ends; one that begins with a blank goes on with the one
        before (RFC 9112 §5.2).
        """
        parts: list[bytes] = []
        at = 0
        while at < len(lines):
            end = at + 1
            while end < len(lines) and lines[end][:1] in _BLANKS:
                end += 1
            parts.append(self.field_line(b"".join(lines[at:end])))
            at = end
        return b"".join(parts)

    def lines(self, data: bytes) -> bytes:
        """Bytes that are field lines."""
        return self.fields(_lines(data))

    def value(self, name: str, value: bytes) -> bytes:
        """The value of a field of HTTP/2."""
        if name == AUTHORITY:
            self.said.add(value)
        return self._others(self.credentials.value(name, value.decode("latin-1")))

    def unknown(self, value: bytes) -> bytes:
        """A value of a field whose name is not known."""
        return self.credentials.hide(value.decode("latin-1")).encode("latin-1")

    def text(self, data: bytes) -> bytes:
        """Any other text that may hold a URL."""
        return self._others(self.credentials.url(data.decode("latin-1")))

    def _field_line(self, raw: bytes) -> bytes:
        content = raw.rstrip(b"\r\n")
        name, _, value = content.partition(b":")
        if name.lower() == _HOST:
            self.said.add(value.strip())
        masked = self.credentials.line(content.decode("latin-1"))
        return self._others(masked) + raw[len(content) :]

    def _start_line(self, raw: bytes) -> bytes:
        content = raw.rstrip(b"\r\n")
        text = content.decode("latin-1")
        if text.startswith("HTTP/"):
            masked = self.credentials.url(text)
        else:
            method, blank, rest = text.partition(" ")
            target, gap, version = rest.rpartition(" ")
            if not version.startswith("HTTP/"):
                target, gap, version = rest, "", ""
            masked = f"{method}{blank}{self.credentials.target(target)}{gap}{version}"
        return self._others(masked) + raw[len(content) :]

    def _others(self, text: str) -> bytes:
        """Text whose own credentials are masked → without those of other heads, and without
        addresses.
        """
        if self.addresses is not None:
            text = self.addresses.text(text)
        data = text.encode("latin-1")
        for at, secret in self.found(data):
            mask = self.unknown(secret)
            data = data[:at] + mask + data[at + len(secret) :]
        return data


def _lines(data: bytes) -> list[bytes]:
    """Bytes → lines with their ends; only LF ends one."""
    lines = data.split(b"\n")
    return [*(line + b"\n" for line in lines[:-1]), *([lines[-1]] if lines[-1] else [])]
