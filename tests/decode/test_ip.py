"""IPv4 and IPv6 headers, and the link types that have IP at once."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.decode.packets import (
    BODY,
    FOUR,
    FRAME,
    MACS,
    SIX,
    reason,
    request_in,
    table_of,
    v4,
    v6,
)

TCP_REQUEST = FOUR[20:]

# (link type, packet)
LINKS: list[tuple[int, bytes]] = [
    (12, SIX),
    (14, FOUR),
    (101, FOUR),
    (101, SIX),
    (228, FOUR),
    (229, SIX),
    (0, b"\2\0\0\0" + FOUR),
    (0, b"\0\0\0\2" + FOUR),
    (0, b"\x0a\0\0\0" + SIX),
    (0, b"\x17\0\0\0" + SIX),
    (0, b"\x18\0\0\0" + SIX),
    (0, b"\x1c\0\0\0" + SIX),
    (0, b"\0\0\0\x1e" + SIX),
    (108, b"\0\0\0\2" + FOUR),
]


@pytest.mark.parametrize(("link", "packet"), LINKS)
def test_link_types_of_ip(tmp_path: Path, link: int, packet: bytes) -> None:
    assert request_in(tmp_path, packet, link).counts.decoded == 1


@pytest.mark.parametrize(
    ("link", "packet", "why"),
    [
        (101, b"\x50" + FOUR[1:], "not-ip"),
        (0, b"\x07\0\0\0" + FOUR, "address family 7"),
        (0, b"\0\0\xff\xff" + FOUR, "address family 65535"),
        (0, b"\2\0\0\0" + b"\x50" + FOUR[1:], "not-ip"),
    ],
)
def test_links_without_ip_are_counted(tmp_path: Path, link: int, packet: bytes, why: str) -> None:
    assert reason(tmp_path, packet, link) == why


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (MACS + b"\x08\0\x35" + FOUR[1:], "malformed-ip"),  # version 3 behind IPv4's EtherType
        (MACS + b"\x08\0\x44" + FOUR[1:], "malformed-ip"),  # a header of 16 bytes
        (MACS + b"\x08\0\x45\0\0\x13" + FOUR[4:], "malformed-ip"),  # a packet of 19 bytes
        (MACS + b"\x86\xdd\x45" + SIX[1:], "malformed-ip"),
        (v4(132, bytes(40)), "sctp"),
        (v4(50, bytes(40)), "esp (encrypted)"),
        (v4(0, bytes(40)), "ipv6-hop-by-hop"),  # no extension header in IPv4
        (v4(43, bytes(40)), "ip protocol 43"),
        (v4(200, bytes(40)), "ip protocol 200"),
        (v4(6, bytes(40)), "malformed-tcp"),
        (v6(59, bytes(40)), "no-next-header"),
        (v6(60, b"\x3a\0" + bytes(46)), "icmpv6"),
        (FRAME[:33], "truncated-headers"),
        (FRAME[:34], "truncated-headers"),
    ],
)
def test_what_is_no_tcp_is_counted(tmp_path: Path, packet: bytes, why: str) -> None:
    assert reason(tmp_path, packet) == why


@pytest.mark.parametrize("kind", [0, 43, 60, 135, 139, 140])
@pytest.mark.parametrize("words", [0, 1, 3])
def test_extension_headers_are_walked_over(tmp_path: Path, kind: int, words: int) -> None:
    header = bytes([6, words]) + bytes(6 + 8 * words)
    assert request_in(tmp_path, v6(kind, header + TCP_REQUEST)).counts.decoded == 1


def test_a_chain_of_extension_headers_is_walked_over(tmp_path: Path) -> None:
    chain = b"\x2b\0" + bytes(6) + b"\x3c\1" + bytes(14) + b"\x06\0" + bytes(6)
    assert request_in(tmp_path, v6(0, chain + TCP_REQUEST)).counts.decoded == 1


def test_an_atomic_fragment_is_a_whole_packet(tmp_path: Path) -> None:
    """RFC 6946. Bits 1 and 2 of the offset field are reserved."""
    for bits in (0, 6):
        header = struct.pack(">BBHI", 6, 0, bits, 7)
        table = request_in(tmp_path, v6(44, header + TCP_REQUEST))
        assert dict(table.counts.peeled) == {}


@pytest.mark.parametrize("words", [5, 6, 15])
def test_options_of_ipv4_are_walked_over(tmp_path: Path, words: int) -> None:
    options = bytes([1]) * (words * 4 - 20)
    header = bytes([0x40 | words]) + b"\0" + struct.pack(">H", words * 4 + len(TCP_REQUEST))
    packet = MACS + b"\x08\0" + header + FOUR[4:20] + options + TCP_REQUEST
    assert request_in(tmp_path, packet).ttl.tolist() == [64]


def test_a_length_of_0_is_what_offload_leaves(tmp_path: Path) -> None:
    for packet in (
        MACS + b"\x08\0" + FOUR[:2] + b"\0\0" + FOUR[4:],
        MACS + b"\x86\xdd" + SIX[:4] + b"\0\0" + SIX[6:],
    ):
        table = request_in(tmp_path, packet)
        assert table.wire_length.tolist() == [len(BODY)]


def test_what_ip_says_is_longer_than_the_frame_is_truncated(tmp_path: Path) -> None:
    packet = MACS + b"\x08\0" + FOUR[:2] + struct.pack(">H", len(FOUR) + 5) + FOUR[4:]
    table = table_of(tmp_path, [packet])
    assert (table.length.tolist(), table.wire_length.tolist()) == ([len(BODY)], [len(BODY) + 5])
    assert table.counts.truncated == 1
