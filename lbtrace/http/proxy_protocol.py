"""PROXY protocol headers in front of the payload of a connection → ProxyHeader
(haproxy.org/download/3.0/doc/proxy-protocol.txt §2).

Version 1 is one line of text, at most 107 bytes. Version 2 is a binary head of 16 bytes, addresses
and TLVs. Proxies stack them, so there may be several. Each is read whole or not at all: one that is
cut stays where it is. What TLVs state in known encodings is kept as text beside the raw TLVs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Final

from lbtrace.http.cursor import Cursor
from lbtrace.model.http import ProxyHeader

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_HEAD: Final = 16  # bytes of the head of version 2
_LONGEST_LINE: Final = 107  # bytes of version 1
_STACKED: Final = 8  # headers in front of one connection; more are payload
_COMMANDS: Final = {0: "LOCAL", 1: "PROXY"}
# bytes of both addresses, by family: IPv4, IPv6, Unix; each but the last with two ports behind it
_ADDRESSES: Final = {0x1: 12, 0x2: 36, 0x3: 216}
_UNIX: Final = 0x3
_CRC32C: Final = 0x03
_SSL: Final = 0x20


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _aws(value: bytes) -> str:
    """Network Load Balancer: sub-type 1 is the id of the VPC endpoint the connection came
    through.
    """
    return _text(value[1:]) if value[:1] == b"\x01" else value.hex()


def _azure(value: bytes) -> str:
    """Private Link: sub-type 1 is the LINKID, 32 bits little-endian."""
    return (
        str(int.from_bytes(value[1:5], "little"))
        if value[:1] == b"\x01" and len(value) >= 5
        else value.hex()
    )


_FACTS: Final[dict[int, tuple[str, Callable[[bytes], str]]]] = {
    0x01: ("alpn", _text),
    0x02: ("authority", _text),
    0x05: ("unique-id", bytes.hex),
    0x21: ("ssl-version", _text),
    0x22: ("ssl-common-name", _text),
    0x23: ("ssl-cipher", _text),
    0x24: ("ssl-signature-algorithm", _text),
    0x25: ("ssl-key-algorithm", _text),
    0x30: ("network-namespace", _text),
    0xEA: ("aws-vpc-endpoint", _aws),
    0xEE: ("azure-link-id", _azure),
}


def read(cursor: Cursor) -> tuple[tuple[ProxyHeader, ...], bool]:
    """The PROXY headers at the cursor, which moves behind them; and whether one of them is
    malformed.
    """
    headers: list[ProxyHeader] = []
    malformed = False
    while len(headers) < _STACKED and (whole := _whole(cursor.peek)) is not None:
        frame = cursor.pieces.frame[cursor.row_at(cursor.offset)]
        cursor.pos += len(whole)
        header = _header(whole, frame)
        if header is None:
            return tuple(headers), True
        headers.append(header)
        malformed |= header.crc_ok is False
    return tuple(headers), malformed


def header_of(data: bytes) -> ProxyHeader | None:
    """The header that these bytes begin with; None when there is none, or it is not whole."""
    whole = _whole(lambda size: data[:size])
    return _header(whole, 0) if whole else None


def _header(whole: bytes, frame: int) -> ProxyHeader | None:
    return _v2(whole, frame) if whole.startswith(SIGNATURE) else _v1(whole, frame)


def begins(data: bytes) -> bool:
    """Whether a header begins with these bytes."""
    return data.startswith((SIGNATURE, b"PROXY "))


def raw_headers(cursor: Cursor) -> list[bytes]:
    """The bytes of each header at the cursor, which moves behind them."""
    found: list[bytes] = []
    while len(found) < _STACKED and (whole := _whole(cursor.peek)):
        cursor.pos += len(whole)
        found.append(whole)
    return found


def with_addresses(
    whole: bytes, packed: Callable[[bytes], bytes], text: Callable[[str], str]
) -> bytes:
    """The bytes of a header with other addresses, as long as before, and with the checksum that
    fits them if it had one that did. `packed` gives the packed address in place of another, `text`
    a text with other addresses.
    """
    if not whole.startswith(SIGNATURE):
        return text(whole.decode("latin-1")).encode("latin-1")
    family, size = whole[13] >> 4, _ADDRESSES.get(whole[13] >> 4, 0)
    if family not in _ADDRESSES or family == _UNIX or _HEAD + size > len(whole):
        return whole
    half = (size - 4) // 2
    source, target = (whole[_HEAD + k * half : _HEAD + (k + 1) * half] for k in (0, 1))
    new = whole[:_HEAD] + packed(source) + packed(target) + whole[_HEAD + 2 * half :]
    if _crc_fits(whole, places := _tlvs(whole, _HEAD + size, len(whole))[0]):
        begin, end = _crc_place(places)
        zeroed = new[:begin] + bytes(4) + new[end:]
        new = new[:begin] + crc32c(zeroed).to_bytes(4) + new[end:]
    return new


def _whole(peek: Callable[[int], bytes]) -> bytes | None:
    """The bytes of the header that begins here: none of them when it is cut; None when none begins
    here.
    """
    head = peek(_HEAD)
    if head.startswith(SIGNATURE):
        size = _HEAD + int.from_bytes(head[14:16], "big") if len(head) == _HEAD else _HEAD
        whole = peek(size)
        return whole if len(whole) == size else b""
    if head.startswith(b"PROXY "):
        line = peek(_LONGEST_LINE)
        return line[: line.find(b"\r\n") + 2] if b"\r\n" in line else b""
    return None


def _v1(line: bytes, frame: int) -> ProxyHeader | None:
    """§2.1: `PROXY TCP4 source destination port port`, or `PROXY UNKNOWN …`; None when
    malformed.
    """
    if not line:
        return None
    words = line[:-2].decode("latin-1").split(" ")
    if words[1] == "UNKNOWN":
        return ProxyHeader(1, "PROXY", None, None, (), len(line), frame)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        return None
    source, destination = _end(words[2], words[4]), _end(words[3], words[5])
    if source is None or destination is None or (words[1] == "TCP6") != (source[0] == "["):
        return None
    return ProxyHeader(1, "PROXY", source, destination, (), len(line), frame)


def _end(address: str, port: str) -> str | None:
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        return None
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return None
    return f"[{ip}]:{int(port)}" if ip.version == 6 else f"{ip}:{int(port)}"


def _v2(whole: bytes, frame: int) -> ProxyHeader | None:
    """§2.2: signature, version and command, family and transport, length, addresses, TLVs; None
    when malformed.
    """
    command = _COMMANDS.get(whole[12] & 0xF)
    family = whole[13] >> 4
    size = _ADDRESSES.get(family, 0)
    if whole[12] >> 4 != 2 or command is None or _HEAD + size > len(whole):
        return None
    places, fit = _tlvs(whole, _HEAD + size, len(whole))
    if not fit:
        return None
    source, destination = _ends(whole, family) if command == "PROXY" else (None, None)
    values = [(kind, whole[begin:end]) for kind, begin, end in places]
    return ProxyHeader(
        2,
        command,
        source,
        destination,
        tuple((kind, value.hex()) for kind, value in values),
        len(whole),
        frame,
        _crc_fits(whole, places),
        tuple((_FACTS[k][0], _FACTS[k][1](value)) for k, value in values if k in _FACTS),
    )


def _ends(whole: bytes, family: int) -> tuple[str | None, str | None]:
    """Source and destination of a header of version 2."""
    if family == _UNIX:
        return _text(whole[16:124].rstrip(b"\0")), _text(whole[124:232].rstrip(b"\0"))
    if family not in _ADDRESSES:
        return None, None
    size = (_ADDRESSES[family] - 4) // 2
    ports = _HEAD + 2 * size
    source, destination = (
        _end(
            str(ipaddress.ip_address(whole[_HEAD + k * size : _HEAD + (k + 1) * size])),
            str(int.from_bytes(whole[ports + 2 * k : ports + 2 * k + 2], "big")),
        )
        for k in (0, 1)
    )
    return source, destination


def _crc_place(places: Sequence[tuple[int, int, int]]) -> tuple[int, int]:
    """Where the checksum stands among TLVs, empty without: a header has one, and of several the
    last counts.
    """
    found = [(begin, end) for kind, begin, end in places if kind == _CRC32C]
    return found[-1] if found else (0, 0)


def _crc_fits(whole: bytes, places: Sequence[tuple[int, int, int]]) -> bool | None:
    """Whether the checksum is that of the header with zeros in its place; None without."""
    begin, end = _crc_place(places)
    if not begin:
        return None
    zeroed = whole[:begin] + bytes(end - begin) + whole[end:]
    return end - begin == 4 and crc32c(zeroed) == int.from_bytes(whole[begin:end], "big")


def _tlvs(
    whole: bytes, at: int, stop: int, inside: bool = False
) -> tuple[list[tuple[int, int, int]], bool]:
    """(type, begin, end) of each TLV, the sub-TLVs of an SSL TLV behind it (§2.2.5: client flags,
    verify, sub-TLVs); and whether all of them fit.
    """
    places: list[tuple[int, int, int]] = []
    fits = True
    while at < stop and fits:
        begin = at + 3
        end = begin + int.from_bytes(whole[at + 1 : begin], "big")
        if end > stop:
            return places, False
        places.append((whole[at], begin, end))
        if whole[at] == _SSL and end - begin >= 5 and not inside:
            inner, fits = _tlvs(whole, begin + 5, end, inside=True)
            places += inner
        at = end
    return places, fits


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_TABLE: Final = _crc_table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), RFC 9260 appendix A."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF
