"""The blocks of a pcapng file (draft-ietf-opsawg-pcapng; section numbers below are the draft's).

Little-endian, times in nanoseconds. dpkt has some of these blocks, but its packet block states the
captured length as the length on the wire, and it has neither names nor secrets. Invariant: every
block is a whole number of 32-bit words, and states its length at both ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from struct import Struct

_ENDS = Struct("<II")
_SECTION = Struct("<IHHq")
_INTERFACE = Struct("<HHI")
_PACKET = Struct("<IIIII")
_OPTION = Struct("<HH")
_MAGIC, _MAJOR, _MINOR, _LENGTH_UNKNOWN = 0x1A2B3C4D, 1, 0, -1
COMMENT, PROGRAM, NAME, DESCRIPTION, RESOLUTION = 1, 4, 2, 3, 9
NANOSECONDS = b"\x09"
TLS_KEYS = 0x544C534B
MOST_OPTION_BYTES = 0xFFFF
MOST_TICKS = (1 << 64) - 1


def section(program: str) -> bytes:
    """Section Header Block (§4.1): `program` wrote what follows."""
    body = _SECTION.pack(_MAGIC, _MAJOR, _MINOR, _LENGTH_UNKNOWN)
    return _block(0x0A0D0D0A, body + _options([(PROGRAM, program.encode())]))


def interface(link: int, name: str, description: str) -> bytes:
    """Interface Description Block (§4.2), with times in nanoseconds."""
    options = (
        (NAME, name.encode()),
        (DESCRIPTION, description.encode()),
        (RESOLUTION, NANOSECONDS),
    )
    return _block(1, _INTERFACE.pack(link, 0, 0) + _options(options))


def names(of_addresses: Iterable[tuple[str, str]]) -> bytes:
    """Name Resolution Block (§4.5): (address, name) each; nothing for none."""
    records = b""
    for address, name in of_addresses:
        packed = ip_address(address).packed
        records += _option(1 if len(packed) == 4 else 2, packed + name.encode() + b"\0")
    return _block(4, records + _OPTION.pack(0, 0)) if records else b""


def secrets(key_log: bytes) -> bytes:
    """Decryption Secrets Block (§4.7) with TLS keys; nothing for none."""
    return _block(10, _ENDS.pack(TLS_KEYS, len(key_log)) + _padded(key_log)) if key_log else b""


def packet(number: int, time_ns: int, data: bytes, wire: int, comments: Sequence[str]) -> bytes:
    """Enhanced Packet Block (§4.3), of the interface of that number."""
    ticks = min(max(time_ns, 0), MOST_TICKS)
    head = _PACKET.pack(number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), wire)
    options = _options([(COMMENT, text.encode()) for text in comments]) if comments else b""
    return _block(6, head + _padded(data) + options)


def _options(options: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(_option(code, value) for code, value in options) + _OPTION.pack(0, 0)


def _option(code: int, value: bytes) -> bytes:
    value = value[:MOST_OPTION_BYTES]
    return _OPTION.pack(code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = 12 + len(body)
    return _ENDS.pack(kind, length) + body + length.to_bytes(4, "little")
