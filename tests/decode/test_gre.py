"""GRE in its forms: the request inside each of them."""

from __future__ import annotations

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
    v6,
)

ERSPAN_2 = b"\x10\0\x88\xbe\0\0\0\1\x10\x05\x00\x07\0\0\0\0"
ERSPAN_3 = b"\x10\0\x22\xeb\0\0\0\1\x20\x05\x00\x07" + bytes(6)

# (packet on Ethernet, how it is counted, network)
CASES: list[Case] = [
    (v4(47, b"\0\0\x08\0" + FOUR), "gre", "gre"),
    (v4(47, b"\x20\0\x08\0\0\0\0\x05" + FOUR), "gre", "gre 5"),
    (v4(47, b"\x20\0\x08\0\xff\xff\xff\xff" + FOUR), "gre", "gre 4294967295"),
    (v4(47, b"\x10\0\x08\0\0\0\0\x05" + FOUR), "gre", "gre"),
    (v4(47, b"\x80\0\x08\0" + bytes(4) + FOUR), "gre", "gre"),
    (v4(47, b"\xb0\0\x86\xdd" + bytes(4) + b"\0\0\0\x05" + bytes(4) + SIX), "gre", "gre 5"),
    (v4(47, b"\x00\x80\x08\0" + FOUR), "gre", "gre"),  # acknowledges only in PPTP
    (v6(47, b"\0\0\x65\x58" + FRAME), "gre", "gre"),
    (v4(47, b"\x30\x81\x88\x0b\0\0\0\5\0\0\0\1\0\0\0\1\xff\x03\0\x21" + FOUR), "gre", "gre"),
    (v4(47, b"\x30\x01\x88\x0b\0\0\0\5\0\0\0\1\xff\x03\0\x21" + FOUR), "gre", "gre"),
    (v4(47, b"\0\0\x82\0" + WLAN + FOUR), "gre", "gre"),
    (v4(47, b"\0\0\x83\xf0" + WLAN + FOUR), "gre", "gre"),
    (v4(47, b"\0\0\x88\xbe" + FRAME), "erspan", "gre"),
    (v4(47, ERSPAN_2 + FRAME), "erspan", "erspan 7"),
    (v4(47, ERSPAN_2[:10] + b"\xff\xff" + ERSPAN_2[12:] + FRAME), "erspan", "erspan 1023"),
    (v4(47, ERSPAN_2[:8] + b"\x20" + ERSPAN_2[9:] + bytes(4) + FRAME), "erspan", "erspan 7"),
    (v4(47, ERSPAN_3 + b"\0\0" + FRAME), "erspan", "erspan 7"),
    (v4(47, ERSPAN_3 + b"\0\1" + bytes(8) + FRAME), "erspan", "erspan 7"),
    (v4(47, ERSPAN_3 + b"\x10\0" + FOUR), "erspan", "erspan 7"),
    (udp(4754, b"\0\0\x08\0" + FOUR), "gre", "gre"),
]


@pytest.mark.parametrize(("packet", "name", "where"), CASES)
def test_the_request_is_found(tmp_path: Path, packet: bytes, name: str, where: str) -> None:
    table = request_in(tmp_path, packet)
    assert name in dict(table.counts.peeled)
    assert network(table) == where


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        (b"\x40\0\x08\0" + bytes(4) + FOUR, "gre-source-route"),
        (b"\x30\x81\x88\x0b\0\0\0\5\0\0\0\1\0\0\0\1", "gre-control"),  # PPTP acknowledges
        (b"\x30\x01\x08\0" + bytes(8) + FOUR, "gre-control"),
        (b"\0\0\0\0" + bytes(60), "gre-control"),  # a keep-alive
        (b"\0\0\x82\x08" + bytes(60), "ethertype 0x8208"),
        (b"\0\0\x84\x00" + bytes(60), "ethertype 0x8400"),
    ],
)
def test_what_carries_no_packet_is_counted(tmp_path: Path, inside: bytes, why: str) -> None:
    assert reason(tmp_path, v4(47, inside)) == why


def test_the_session_stands_behind_the_tag_that_is_around_it(tmp_path: Path) -> None:
    tagged = MACS + b"\x81\0\0\5" + v4(47, ERSPAN_2 + FRAME)[12:]
    assert network(request_in(tmp_path, tagged)) == "vlan 5 / erspan 7"
