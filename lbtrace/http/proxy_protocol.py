"""PROXY protocol headers in front of a connection's payload → ProxyHeader
(haproxy.org/download/3.0/doc/proxy-protocol.txt §2).

Version 1 is one line of text, at most 107 bytes; version 2 a 16-byte binary head, addresses and
TLVs. Proxies stack them, so there may be several; each is read whole or not at all: a cut one is
left where it is. Facts that TLVs state in known encodings are read out beside the raw TLVs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Final

from lbtrace.http.cursor import Cursor
from lbtrace.model.http import ProxyHeader

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_STACKED: Final = 8  # headers in front of one connection; more are payload
_COMMANDS: Final = {0: "LOCAL", 1: "PROXY"}
_ADDRESSES: Final = {
    0x1: (12, 4),
    0x2: (36, 16),
    0x3: (216, 0),
}  # family → (bytes, bytes of one address)
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
    """The PROXY headers at the cursor, which moves behind them; and whether one of them was
    malformed.
    """
    headers: list[ProxyHeader] = []
    malformed = False
    while len(headers) < _STACKED:
        head = cursor.peek(16)
        if head.startswith(SIGNATURE):
            whole = _whole_v2(cursor, head)
            header = (
                _v2(whole, cursor.pieces.frame[cursor.row_at(cursor.offset)]) if whole else None
            )
        elif head.startswith(b"PROXY "):
            line = cursor.peek(107)
            end = line.find(b"\r\n")
            whole = line[: end + 2] if end >= 0 else b""
            header = (
                _v1(whole, cursor.pieces.frame[cursor.row_at(cursor.offset)]) if whole else None
            )
        else:
            break
        if header is None:
            malformed = True
            if not whole:
                break
        else:
            headers.append(header)
            malformed |= header.crc_ok is False
        cursor.pos += len(whole)
        if header is None:
            break
    return tuple(headers), malformed


def _v1(line: bytes, frame: int) -> ProxyHeader | None:
    """§2.1: `PROXY TCP4 source destination port port`, or `PROXY UNKNOWN …`."""
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


def _whole_v2(cursor: Cursor, head: bytes) -> bytes:
    if len(head) < 16:
        return b""
    size = 16 + int.from_bytes(head[14:16], "big")
    whole = cursor.peek(size)
    return whole if len(whole) == size else b""


def _v2(whole: bytes, frame: int) -> ProxyHeader | None:
    """§2.2: signature, version and command, family and transport, length, addresses, TLVs."""
    command = _COMMANDS.get(whole[12] & 0xF)
    if whole[12] >> 4 != 2 or command is None:
        return None
    size, address = _ADDRESSES.get(whole[13] >> 4, (0, 0))
    if 16 + size > len(whole):
        return None
    source = destination = None
    if command == "PROXY" and address:
        at = 16 + 2 * address
        source = _end(
            str(ipaddress.ip_address(whole[16 : 16 + address])),
            str(int.from_bytes(whole[at : at + 2], "big")),
        )
        destination = _end(
            str(ipaddress.ip_address(whole[16 + address : at])),
            str(int.from_bytes(whole[at + 2 : at + 4], "big")),
        )
    elif command == "PROXY" and size:
        source, destination = (
            _text(part.rstrip(b"\0")) for part in (whole[16:124], whole[124:232])
        )
    places, whole_tlvs = _tlvs(whole, 16 + size, len(whole))
    if not whole_tlvs:
        return None
    tlvs: list[tuple[int, str]] = []
    facts: list[tuple[str, str]] = []
    crc_ok: bool | None = None
    for kind, begin, end in places:
        value = whole[begin:end]
        tlvs.append((kind, value.hex()))
        if kind == _CRC32C:
            zeroed = whole[:begin] + bytes(end - begin) + whole[end:]
            crc_ok = len(value) == 4 and crc32c(zeroed) == int.from_bytes(value, "big")
        elif kind in _FACTS:
            name, decode = _FACTS[kind]
            facts.append((name, decode(value)))
    return ProxyHeader(
        2, command, source, destination, tuple(tlvs), len(whole), frame, crc_ok, tuple(facts)
    )


def _tlvs(whole: bytes, at: int, stop: int) -> tuple[list[tuple[int, int, int]], bool]:
    """(type, begin, end) of each TLV, those inside an SSL TLV (§2.2.5: client flags, verify,
    sub-TLVs) after it; and whether they fit.
    """
    places: list[tuple[int, int, int]] = []
    while at < stop:
        begin = at + 3
        end = begin + int.from_bytes(whole[at + 1 : begin], "big")
        if end > stop:
            return places, False
        kind = whole[at]
        places.append((kind, begin, end))
        if kind == _SSL and end - begin >= 5:
            inner, fits = _tlvs_flat(whole, begin + 5, end)
            places += inner
            if not fits:
                return places, False
        at = end
    return places, True


def _tlvs_flat(whole: bytes, at: int, stop: int) -> tuple[list[tuple[int, int, int]], bool]:
    places: list[tuple[int, int, int]] = []
    while at < stop:
        begin = at + 3
        end = begin + int.from_bytes(whole[at + 1 : begin], "big")
        if end > stop:
            return places, False
        places.append((whole[at], begin, end))
        at = end
    return places, True


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
