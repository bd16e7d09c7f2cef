"""Tags between an EtherType and the packet: what is behind them, how they are counted, and which of
them name a network.
"""

from __future__ import annotations

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

# (packet on Ethernet, how it is counted, network)
CASES: list[Case] = [
    (MACS + b"\x81\0\x20\x07\x08\0" + FOUR, "vlan", "vlan 7"),
    (MACS + b"\x81\0\xff\xff\x08\0" + FOUR, "vlan", "vlan 4095"),
    (MACS + b"\x88\xa8\0\x07\x81\0\0\x08\x08\0" + FOUR, "vlan", "vlan 7 / vlan 8"),
    (
        MACS + b"\x91\0\0\x07\x92\0\0\x08\x81\0\0\x09\x08\0" + FOUR,
        "vlan",
        "vlan 7 / vlan 8 / vlan 9",
    ),
    (MACS + b"\x88\xe7\xff\0\0\x0c" + FRAME, "802.1ah", "service 12"),
    (MACS + b"\x89\x03\0\1" + FRAME, "fabricpath", ""),
    (MACS + b"\x22\xf3\0\0" + bytes(4) + FRAME, "fabricpath", ""),
    (MACS + b"\x22\xf3\0\x40" + bytes(8) + FRAME, "fabricpath", ""),
    (MACS + b"\x22\xf3\x07\xc0" + bytes(4 + 31 * 4) + FRAME, "fabricpath", ""),
    (MACS + b"\x89\x26\0\0\0\0\x08\0" + FOUR, "switch-tag", ""),
    (MACS + b"\x89\x2f\0\0\0\0\x08\0" + FOUR, "switch-tag", ""),
    (MACS + b"\x89\x09\1\1\0\1\0\2\x08\0" + FOUR, "switch-tag", ""),
    (MACS + b"\x89\x3f\0\0\0\0\0\0\x08\0" + FOUR, "switch-tag", ""),
    (MACS + b"\x88\xe5\0\0\0\0\0\1\x08\0" + FOUR + bytes(16), "macsec", ""),
    (MACS + b"\x88\xe5\x20\0\0\0\0\1" + bytes(8) + b"\x08\0" + FOUR, "macsec", ""),
    (MACS + b"\x88\x47\0\0\x11\x40" + FOUR, "mpls", ""),
    (MACS + b"\x88\x48\0\0\x10\x40\0\0\x21\x40" + SIX, "mpls", ""),
    (MACS + b"\x88\x47\0\0\x11\x40\0\0\0\0" + FRAME, "mpls", ""),  # a control word
    (MACS + b"\x88\x47\0\0\x11\x40" + FRAME, "mpls", ""),  # none
    (v4(137, b"\0\0\x11\x40" + SIX), "mpls", ""),
    (udp(6635, b"\0\0\x11\x40" + FOUR), "mpls", ""),
    (MACS + b"\x89\x4f\0\x02\x02\x01" + bytes(4) + FOUR, "nsh", ""),
    (MACS + b"\x89\x4f\0\x02\x02\x02" + bytes(4) + SIX, "nsh", ""),
    (MACS + b"\x89\x4f\0\x06\x02\x03" + bytes(20) + FRAME, "nsh", ""),
    (MACS + b"\x89\x4f\xff\xc1\x02\x03" + bytes(4) + FRAME, "nsh", ""),  # never less than 8 bytes
]


@pytest.mark.parametrize(("packet", "name", "where"), CASES)
def test_the_request_is_found(tmp_path: Path, packet: bytes, name: str, where: str) -> None:
    table = request_in(tmp_path, packet)
    assert name in dict(table.counts.peeled)
    assert network(table) == where


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (MACS + b"\x88\xe5\x08\0\0\0\0\1" + bytes(60), "macsec (encrypted)"),
        (MACS + b"\x88\xe5\x04\0\0\0\0\1" + bytes(60), "macsec (encrypted)"),
        (MACS + b"\x89\x4f\0\x02\x02\x04" + bytes(60), "nsh"),
        (MACS + b"\x88\x47" + b"\0\0\x10\x40" * 12, "truncated-headers"),
    ],
)
def test_what_is_behind_them_may_be_unreadable(tmp_path: Path, packet: bytes, why: str) -> None:
    assert reason(tmp_path, packet) == why


def test_each_tag_is_counted(tmp_path: Path) -> None:
    packet = MACS + b"\x81\0\0\7" * 3 + b"\x88\x47\0\0\x11\x40" + FOUR
    assert dict(request_in(tmp_path, packet).counts.peeled) == {"vlan": 3, "mpls": 1}
