"""Tunnels in UDP, found by port: the request inside, and what only looks like one."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.decode.packets import (
    FOUR,
    FRAME,
    MACS,
    SIX,
    WLAN,
    Case,
    network,
    reason,
    request_in,
    udp,
    v4,
)

TCP_REQUEST = FOUR[20:]
VXLAN = b"\x08\0\0\0\0\0\x07\0"
SWAPPED_WLAN = b"\2\x08" + WLAN[2:]

# (packet on Ethernet, how it is counted, network)
CASES: list[Case] = [
    (udp(4789, VXLAN + FRAME), "vxlan", "vxlan 7"),
    (udp(8472, VXLAN + MACS + b"\x81\0\0\x03\x08\0" + FOUR), "vxlan", "vxlan 7 / vlan 3"),
    (udp(4789, b"\xff\1\2\xf2\0\0\x07\xff" + FRAME), "vxlan", "vxlan 7"),
    (udp(4790, b"\x0c\0\0\1\0\0\x07\0" + FOUR), "vxlan", "vxlan 7"),
    (udp(4790, b"\x0c\0\0\2\0\0\x07\0" + SIX), "vxlan", "vxlan 7"),
    (udp(4790, b"\x08\0\0\1\0\0\x07\0" + FRAME), "vxlan", "vxlan 7"),  # without the P flag
    (udp(4790, b"\x0c\0\0\3\0\0\x07\0" + FRAME), "vxlan", "vxlan 7"),
    (udp(4790, b"\x0c\0\0\4\0\0\x07\0\0\2\2\1" + bytes(4) + FOUR), "vxlan", "vxlan 7"),
    (udp(4790, b"\x0c\0\0\5\0\0\x07\0\0\0\x11\x40" + FOUR), "vxlan", "vxlan 7"),
    (udp(6081, b"\0\0\x65\x58\0\0\x09\0" + FRAME), "geneve", "geneve 9"),
    (udp(6081, b"\x02\0\x08\0\0\0\x09\0" + bytes(8) + FOUR), "geneve", "geneve 9"),
    (udp(6081, b"\x3f\0\x08\0\xff\xff\xff\0" + bytes(252) + FOUR), "geneve", "geneve 16777215"),
    (udp(2152, struct.pack(">BBHI", 0x30, 0xFF, len(FOUR), 77) + FOUR), "gtp-u", "gtp-u"),
    (
        udp(2152, struct.pack(">BBHI", 0x32, 0xFF, len(FOUR), 77) + bytes(4) + FOUR),
        "gtp-u",
        "gtp-u",
    ),
    (
        udp(2152, struct.pack(">BBHI", 0x34, 0xFF, 0, 77) + b"\0\0\0\x85\1\0\0\0" + SIX),
        "gtp-u",
        "gtp-u",
    ),
    (
        udp(
            2152,
            struct.pack(">BBHI", 0x34, 0xFF, 0, 77) + b"\0\0\0\x85\1\0\0\x85\2" + bytes(7) + SIX,
        ),
        "gtp-u",
        "gtp-u",
    ),
    (udp(3544, SIX), "teredo", "teredo"),
    (udp(3544, b"\0\0" + bytes(6) + SIX), "teredo", "teredo"),
    (udp(3544, b"\0\1\0\0" + bytes(9) + b"\0\0" + bytes(6) + SIX), "teredo", "teredo"),
    (udp(3544, b"\0\1\2\3" + bytes(9) + b"\1\2\1\2\3" + SIX), "teredo", "teredo"),
    (udp(4341, b"\x08\0\0\0\0\0\x03\0" + FOUR), "lisp", "lisp 3"),
    (udp(4341, b"\xf7\0\0\0\0\0\x03\0" + SIX), "lisp", "lisp"),
    (udp(5072, b"\x42\x52\x11\x29" + bytes(4 + 16 + 20) + SIX), "ayiya", "ayiya"),
    (udp(5072, b"\x00\x02\x11\x04" + bytes(4 + 1) + FOUR), "ayiya", "ayiya"),
    (udp(5247, b"\0\x10\2\0" + bytes(4) + FRAME), "capwap", "capwap"),
    (udp(5247, b"\0\x17\2\0" + bytes(4) + FRAME), "capwap", "capwap"),
    (udp(5247, b"\0\x10\3\0" + bytes(4) + WLAN + FOUR), "capwap", "capwap"),
    (udp(5247, b"\0\x10\3\0" + bytes(4) + SWAPPED_WLAN + FOUR), "capwap", "capwap"),
    (udp(5247, b"\0\x10\3\0" + bytes(4) + b"\x42\x08" + WLAN[2:] + FOUR), "capwap", "capwap"),
]


@pytest.mark.parametrize(("packet", "name", "where"), CASES)
def test_the_request_is_found(tmp_path: Path, packet: bytes, name: str, where: str) -> None:
    table = request_in(tmp_path, packet)
    assert name in dict(table.counts.peeled)
    assert network(table) == where


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (udp(53, bytes(40)), "udp"),
        (udp(443, bytes(40)), "udp port 443"),
        (udp(4500, bytes(40)), "esp (encrypted)"),
        (udp(4789, bytes(60)), "udp"),  # without the I flag
        (udp(6081, b"\x40" + bytes(60)), "udp"),  # another version
        (udp(2152, b"\x50\xff" + bytes(60)), "udp"),
        (udp(2152, b"\x20\xff" + bytes(60)), "udp"),
        (udp(2152, b"\x30\x01" + bytes(60)), "gtp-control"),
        (udp(2152, b"\x34\xff" + bytes(9) + b"\x85" + bytes(60)), "malformed-gtp"),
        (udp(3544, b"\x40" + bytes(60)), "udp"),
        (udp(4341, bytes(60)), "udp"),
        (udp(5072, b"\x42\x52\x12\x29" + bytes(60)), "udp"),
        (udp(5072, b"\x42\x52\x11\x3b" + bytes(60)), "udp"),
        (udp(5247, b"\x01" + bytes(60)), "capwap (encrypted)"),
        (udp(5247, b"\0\x10\2\x80" + bytes(60)), "capwap-fragment"),
        (udp(5247, b"\0\x10\3\0" + bytes(4) + b"\x08\x42" + WLAN[2:24]), "truncated-headers"),
        (
            udp(5247, b"\0\x10\3\0" + bytes(4) + b"\x08\x42" + WLAN[2:24] + bytes(40)),
            "wlan (encrypted)",
        ),
    ],
)
def test_what_is_no_tunnel_or_not_readable_is_counted(
    tmp_path: Path, packet: bytes, why: str
) -> None:
    assert reason(tmp_path, packet) == why


def datagram(source: int, target: int, inside: bytes, length: int | None = None) -> bytes:
    size = 8 + len(inside) if length is None else length
    return v4(17, struct.pack(">HHHH", source, target, size, 0) + inside)


def test_the_source_port_tells_a_tunnel_when_the_other_does_not(tmp_path: Path) -> None:
    table = request_in(tmp_path, datagram(4789, 40000, VXLAN + FRAME))
    assert network(table) == "vxlan 7"


def test_the_destination_port_goes_first(tmp_path: Path) -> None:
    assert network(request_in(tmp_path, datagram(6081, 4789, VXLAN + FRAME))) == "vxlan 7"


def test_esp_is_told_by_either_port(tmp_path: Path) -> None:
    assert reason(tmp_path, datagram(4500, 4789, VXLAN + FRAME)) == "esp (encrypted)"


@pytest.mark.parametrize(("length", "cut"), [(8 + 8, True), (0, False), (7, False)])
def test_the_length_of_a_datagram_limits_what_is_inside(
    tmp_path: Path, length: int, cut: bool
) -> None:
    """A length that is none (less than its header) is not believed."""
    packet = datagram(40000, 3544, SIX, length)
    if cut:
        assert reason(tmp_path, packet) == "truncated-headers"
    else:
        assert request_in(tmp_path, packet).counts.decoded == 1


@pytest.mark.parametrize("length", [60000, None])
def test_a_datagram_is_no_longer_than_its_packet_whatever_it_says(
    tmp_path: Path, length: int | None
) -> None:
    """What is inside says no length, as a host writes that leaves the cutting to its card."""
    inside = SIX[:4] + bytes(2) + SIX[6:]
    assert request_in(tmp_path, datagram(40000, 3544, inside, length)).counts.decoded == 1
