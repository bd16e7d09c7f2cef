"""The first bytes of a TLS client → ClientHello (RFC 8446 §4.1.2 and §5.1, RFC 6066 §3, RFC 7301;
GREASE of RFC 8701 is kept as it is); what an end says before it encrypts → its alerts (§6).

The hello may be spread over several records and segments. Of one that is cut, the fields that are
there are read; a field that is cut off is left out, never guessed.
"""

from __future__ import annotations

from typing import Final

from lbtrace.http.cursor import Cursor
from lbtrace.model.http import ClientHello
from lbtrace.model.tls_alerts import FATAL, WARNING, TlsAlert

_MAX_HELLO: Final = 1 << 16
_RECORD_HEAD: Final = 5  # type, version, length (§5.1)
_ALERT, _APPLICATION_DATA = 0x15, 0x17
_ALERT_SIZE: Final = 2  # level and description; an encrypted alert is longer
_LOOKED_AT: Final = 64  # records; a handshake has fewer
_SERVER_NAME, _ALPN, _VERSIONS = 0, 16, 43


class _Bytes:
    """Bytes read from the front. Reading behind the end gives fewer bytes, and `short` says so."""

    __slots__ = ("at", "data", "short")

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.short = data, 0, False

    def take(self, size: int) -> bytes:
        part = self.data[self.at : self.at + size]
        self.at += size
        self.short |= len(part) < size
        return part

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def block(self, size: int) -> _Bytes:
        """The bytes whose length stands in front of them, in `size` bytes."""
        return _Bytes(self.take(self.number(size)))

    def whole(self) -> bool:
        """Nothing that was read is cut off."""
        return not self.short

    def left(self) -> bool:
        """There are more bytes."""
        return self.at < len(self.data)


def looks_like(data: bytes) -> bool:
    """True when `data` begins with a TLS record that can begin a connection or continue one."""
    return len(data) >= 3 and data[0] in (0x14, 0x15, 0x16, 0x17) and data[1] == 3 and data[2] <= 4


def client_hello(cursor: Cursor) -> ClientHello | None:
    """The ClientHello at the cursor, which stays where it is; None when there is none."""
    message = _handshake(cursor)
    if len(message) < 38 or message[0] != 1:
        return None
    body = _Bytes(message[4:])
    version = body.number(2)
    random = body.take(32).hex()
    session = body.block(1)
    body.block(2)  # cipher suites
    body.block(1)  # compression methods
    extensions = _extensions(body.block(2))
    frame: int = cursor.pieces.frame[cursor.row_at(cursor.offset)]
    return ClientHello(
        random,
        session.data.hex(),
        _server_name(extensions.get(_SERVER_NAME)),
        _protocols(extensions.get(_ALPN)),
        _versions(extensions.get(_VERSIONS)) or (version,),
        frame,
    )


def alerts(cursor: Cursor, from_client: bool) -> tuple[TlsAlert, ...]:
    """The alerts in the clear among the records from the cursor on, which moves, up to the first
    that hold application data, or that are not in the capture.
    """
    found: list[TlsAlert] = []
    for _ in range(_LOOKED_AT):
        head = cursor.peek(_RECORD_HEAD)
        if len(head) < _RECORD_HEAD or not looks_like(head) or head[0] == _APPLICATION_DATA:
            break
        size = int.from_bytes(head[3:], "big")
        said = cursor.peek(_RECORD_HEAD + _ALERT_SIZE)[_RECORD_HEAD:]
        if head[0] == _ALERT and size == len(said) == _ALERT_SIZE and said[0] in (WARNING, FATAL):
            row = cursor.row_at(cursor.offset)
            at = cursor.pieces.frame[row], cursor.pieces.time_ns[row]
            found.append(TlsAlert(from_client, said[0], said[1], *at))
        cursor.take(_RECORD_HEAD + size, None)
    return tuple(found)


def _extensions(block: _Bytes) -> dict[int, _Bytes]:
    """The extensions that are whole, by type (RFC 8446 §4.2)."""
    found: dict[int, _Bytes] = {}
    while block.left():
        kind, extension = block.number(2), block.block(2)
        if not block.whole():
            break
        found[kind] = extension
    return found


def _server_name(extension: _Bytes | None) -> str | None:
    """RFC 6066 §3: the first name, when it is a host name (type 0)."""
    if extension is None:
        return None
    names = extension.block(2)
    host = names.number(1) == 0
    return names.block(2).data.decode("latin-1") or None if host else None


def _protocols(extension: _Bytes | None) -> tuple[str, ...]:
    """RFC 7301 §3.1: the names of protocols, in the client's order."""
    if extension is None:
        return ()
    names, found = extension.block(2), list[str]()
    while names.left():
        found.append(names.block(1).data.decode("latin-1"))
    return tuple(found)


def _versions(extension: _Bytes | None) -> tuple[int, ...]:
    """RFC 8446 §4.2.1: the versions that the client offers."""
    if extension is None:
        return ()
    listed, found = extension.block(1), list[int]()
    while listed.left():
        found.append(listed.number(2))
    return tuple(found)


def _handshake(cursor: Cursor) -> bytes:
    """The first handshake message, put together from its records, as far as it is there."""
    data = cursor.peek(_MAX_HELLO)
    message = b""
    at = 0
    while at + 5 <= len(data) and data[at] == 0x16 and data[at + 1] == 3:
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        message += data[at + 5 : at + 5 + size]
        at += 5 + size
        if len(message) >= 4 and len(message) >= 4 + int.from_bytes(message[1:4], "big"):
            return message[: 4 + int.from_bytes(message[1:4], "big")]
    return message
