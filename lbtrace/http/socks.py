"""The first bytes of a connection to a SOCKS relay → where the relayed bytes begin (RFC 1928, and
RFC 1929 for passwords; SOCKS 4 and 4a as in openssh.com/txt/socks4.protocol, socks4a.protocol).

Only a CONNECT that the relay granted is passed over, and only as a whole: otherwise the cursors
stay. Where nothing that the relay sent is in the capture, the client's half is enough.
"""

from __future__ import annotations

from typing import Final

from lbtrace.http.cursor import Cursor

_CONNECT: Final = 1
_GRANTED_4: Final = 0x5A
_NO_AUTHENTICATION, _PASSWORD = 0, 2
_ADDRESS_BYTES: Final = {1: 4, 4: 16}  # by address type; 3 is a name with its length in front
_LONGEST: Final = 1024  # bytes of a negotiation in one direction


class _NotSocksError(Exception):
    """The bytes are not there, or are something else."""


class _Half:
    """What one end sent, read from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        part = self.data[self.at : self.at + size]
        if len(part) < size:
            raise _NotSocksError
        self.at += size
        return part

    def expect(self, *values: int) -> None:
        if tuple(self.take(len(values))) != values:
            raise _NotSocksError

    def until_zero(self) -> None:
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise _NotSocksError
        self.at = end + 1

    def address(self) -> None:
        kind = self.take(1)[0]
        size = self.take(1)[0] if kind == 3 else _ADDRESS_BYTES.get(kind)
        if size is None:
            raise _NotSocksError
        self.take(size + 2)  # and a port


def skip(client: Cursor, server: Cursor) -> bool:
    """Move both cursors behind a SOCKS negotiation; False, and no move, when there is none."""
    read = _VERSIONS.get(client.data[client.pos : client.pos + 1])
    if read is None or not client.pieces.known_start[client.stream]:
        return False
    asked, answered = _Half(client.peek(_LONGEST)), _Half(server.peek(_LONGEST))
    try:
        read(asked, answered if answered.data or not server.ended() else None)
    except _NotSocksError:
        return False
    client.take(asked.at, None)
    server.take(answered.at, None)
    return True


def _version_4(asked: _Half, answered: _Half | None) -> None:
    asked.expect(4, _CONNECT)
    asked.take(2)  # port
    address = asked.take(4)
    asked.until_zero()  # user
    if address[:3] == bytes(3) and address[3]:
        asked.until_zero()  # 4a: a name in place of an address
    if answered is not None:
        answered.expect(0, _GRANTED_4)
        answered.take(6)


def _version_5(asked: _Half, answered: _Half | None) -> None:
    asked.expect(5)
    asked.take(asked.take(1)[0])  # methods
    method = _NO_AUTHENTICATION
    if answered is not None:
        answered.expect(5)
        method = answered.take(1)[0]
    if method == _PASSWORD and answered is not None:
        asked.expect(1)
        asked.take(asked.take(1)[0])  # user
        asked.take(asked.take(1)[0])  # password
        answered.expect(1, 0)
    elif method != _NO_AUTHENTICATION:
        raise _NotSocksError
    asked.expect(5, _CONNECT, 0)
    asked.address()
    if answered is not None:
        answered.expect(5, 0, 0)
        answered.address()


_VERSIONS: Final = {b"\x04": _version_4, b"\x05": _version_5}
