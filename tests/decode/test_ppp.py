"""PPP, Cisco HDLC, PPPoE and L2TP: the request behind each of them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.decode.packets import (
    FOUR,
    FRAME,
    MACS,
    SIX,
    Case,
    network,
    reason,
    request_in,
    udp,
    v4,
)

# (link type, packet)
LINKS: list[tuple[int, bytes]] = [
    (9, b"\xff\x03\0\x21" + FOUR),
    (9, b"\xff\x03\x21" + FOUR),
    (9, b"\x21" + FOUR),
    (9, b"\0\x57" + SIX),
    (9, b"\xff\x03\x02\x81\0\0\x11\x40" + FOUR),
    (9, b"\xff\x03\x02\x83\0\0\x11\x40" + FOUR),
    (9, b"\xff\x03\0\x31\0\1" + FRAME),
    (50, b"\x0f\0\x86\xdd" + SIX),
    (50, b"\x8f\0\x08\0" + FOUR),
    (51, b"\x11\0\0\1\0\0\0\x57" + SIX),
    (104, b"\x0f\0\x08\0" + FOUR),
    (205, b"\1\x0f\0\x08\0" + FOUR),
    (204, b"\1\xff\x03\0\x21" + FOUR),
    (166, b"\0\x03\0\x21" + FOUR),
    (166, b"\1\x21" + FOUR),
]


def pppoe(inside: bytes, length: int) -> bytes:
    return MACS + b"\x88\x64\x11\0\0\x09" + struct.pack(">H", length) + inside


# (packet on Ethernet, how it is counted, network)
CASES: list[Case] = [
    (pppoe(b"\0\x21" + FOUR + bytes(4), len(FOUR) + 2), "pppoe", "pppoe 9"),
    (pppoe(b"\0\x57" + SIX, len(SIX) + 2), "pppoe", "pppoe 9"),
    (pppoe(b"\x21" + FOUR, len(FOUR) + 1), "pppoe", "pppoe 9"),
    (udp(1701, b"\0\2\0\1\0\2\xff\x03\0\x21" + FOUR), "l2tp", "l2tp"),
    (
        udp(1701, b"\x4a\2\0\x20\0\1\0\2\0\0\0\0\0\2\xee\xee\0\x21" + FOUR),
        "l2tp",
        "l2tp",
    ),  # length, sequence, offset
    (udp(1701, b"\0\3\0\0\0\0\0\5" + FRAME), "l2tp", "l2tp"),
    (v4(115, b"\0\0\0\5" + FRAME), "l2tp", "l2tp"),
    (v4(115, b"\0\0\0\5" + bytes(4) + FRAME), "l2tp", "l2tp"),
    (v4(115, b"\0\0\0\5" + bytes(8) + MACS + b"\x86\xdd" + SIX), "l2tp", "l2tp"),
    (v4(115, b"\0\0\0\5" + bytes(12) + FRAME), "l2tp", "l2tp"),
    (v4(115, b"\0\0\0\5" + bytes(4) + b"\xff\x03\0\x21" + FOUR), "l2tp", "l2tp"),
    (v4(115, b"\0\0\0\5" + MACS + b"\x81\0\0\7\x08\0" + FOUR), "l2tp", "l2tp / vlan 7"),
]


@pytest.mark.parametrize(("link", "packet"), LINKS)
def test_link_types(tmp_path: Path, link: int, packet: bytes) -> None:
    assert request_in(tmp_path, packet, link).counts.decoded == 1


@pytest.mark.parametrize(("packet", "name", "where"), CASES)
def test_tunnels(tmp_path: Path, packet: bytes, name: str, where: str) -> None:
    table = request_in(tmp_path, packet)
    assert name in dict(table.counts.peeled)
    assert network(table) == where


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (b"\xff\x03\xc0\x21" + bytes(40), "ppp-control"),
        (b"\xff\x03\x80\x00" + bytes(40), "ppp-control"),
        (b"\xff\x03\x7e\x01" + bytes(40), "ppp protocol 0x7e01"),
        (b"\xff\x03\0\x2d" + bytes(40), "ppp (compressed TCP)"),
        (b"\xff\x03\0\x53" + bytes(40), "ppp (encrypted)"),
        (b"\x0f\0\x80\x35" + bytes(40), "hdlc-control"),
        (b"\x0f\0\x20\x00" + bytes(40), "hdlc-control"),
        (b"\x0f\0\xfe\xfe" + bytes(40), "osi"),
        (b"\xff", "truncated-headers"),
    ],
)
def test_what_is_not_read_is_counted(tmp_path: Path, packet: bytes, why: str) -> None:
    assert reason(tmp_path, packet, 9) == why


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (MACS + b"\x88\x64\x11\x09\0\0\0\0" + bytes(40), "pppoe-discovery"),
        (udp(1701, b"\x80\2" + bytes(40)), "l2tp-control"),
        (udp(1701, b"\0\1" + bytes(40)), "udp"),
        (v4(115, bytes(60)), "l2tp-control"),
        (v4(115, b"\0\0\0\5" + bytes(60)), "l2tp"),
        (v4(115, b"\0\0\0\5" + bytes(33)), "l2tp"),  # too short for a frame with an IP header
    ],
)
def test_tunnels_that_carry_no_packet_are_counted(tmp_path: Path, packet: bytes, why: str) -> None:
    assert reason(tmp_path, packet) == why


def test_the_session_says_where_the_packet_ends(tmp_path: Path) -> None:
    table = request_in(tmp_path, pppoe(b"\0\x21" + FOUR + b"padding", len(FOUR) + 2))
    assert table.counts.truncated == 0
