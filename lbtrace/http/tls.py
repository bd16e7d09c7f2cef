"""The first bytes of a TLS client → ClientHello (RFC 8446 §4.1.2 and §5.1, RFC 6066 §3, RFC 7301,
GREASE of RFC 8701 left as it is).

The hello may be spread over several records and segments. A cut one gives what is there; a field
that is cut off is left out, never guessed.
"""

from __future__ import annotations

from typing import Final

from lbtrace.http.cursor import Cursor
from lbtrace.model.http import ClientHello

_MAX_HELLO: Final = 1 << 16
_SERVER_NAME, _ALPN, _VERSIONS = 0, 16, 43


class _Bytes:
    """Reads from the front; what is not there reads as nothing and sets `short`."""

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
        """What a length of `size` bytes announces."""
        return _Bytes(self.take(self.number(size)))

    def whole(self) -> bool:
        """Nothing read so far was cut off."""
        return not self.short

    def left(self) -> bool:
        """There is more."""
        return self.at < len(self.data)


def looks_like(data: bytes) -> bool:
    """True when `data` begins with a TLS record that can begin a connection or continue one."""
    return len(data) >= 3 and data[0] in (0x14, 0x15, 0x16, 0x17) and data[1] == 3 and data[2] <= 4


def client_hello(cursor: Cursor) -> ClientHello | None:
    """The ClientHello at the cursor (which stays), None when there is none."""
    message = _handshake(cursor)
    if len(message) < 38 or message[0] != 1:
        return None
    body = _Bytes(message[4:])
    version = body.number(2)
    random = body.take(32).hex()
    session = body.block(1)
    body.block(2)  # cipher suites
    body.block(1)  # compression methods
    extensions = body.block(2)
    server_name: str | None = None
    alpn: tuple[str, ...] = ()
    versions: tuple[int, ...] = (version,)
    while extensions.left():
        kind = extensions.number(2)
        extension = extensions.block(2)
        if not extensions.whole():
            break
        if kind == _SERVER_NAME:
            names = extension.block(2)
            if names.number(1) == 0:
                server_name = names.block(2).data.decode("latin-1") or None
        elif kind == _ALPN:
            protocols = extension.block(2)
            found: list[str] = []
            while protocols.left():
                found.append(protocols.block(1).data.decode("latin-1"))
            alpn = tuple(found)
        elif kind == _VERSIONS:
            listed = extension.block(1)
            found_versions: list[int] = []
            while listed.left():
                found_versions.append(listed.number(2))
            versions = tuple(found_versions) or versions
    frame: int = cursor.pieces.frame[cursor.row_at(cursor.offset)]
    return ClientHello(random, session.data.hex(), server_name, alpn, versions, frame)


def _handshake(cursor: Cursor) -> bytes:
    """The first handshake message, put together from its records; as much of it as is there."""
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
