"""Ethernet, LLC, Linux cooked captures, and what switches and analyzers put around a frame."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.decode.packets import FOUR, FRAME, MACS, SIX, SNAP, reason, request_in

# (link type, packet)
LINKS: list[tuple[int, bytes]] = [
    (1, FRAME),
    (1, MACS + b"\x86\xdd" + SIX),
    (1, MACS + struct.pack(">H", len(FOUR) + 8) + SNAP + FOUR),
    (1, MACS + struct.pack(">H", len(FOUR) + 8) + SNAP[:5] + b"\xf8\x08\x00" + FOUR),
    (1, MACS + b"\x05\xff" + b"\x06\x06\x03" + FOUR),
    (113, bytes(14) + b"\x08\0" + FOUR),
    (113, bytes(14) + b"\x81\0\0\x07\x86\xdd" + SIX),
    (276, b"\x08\0" + bytes(18) + FOUR),
    (276, b"\x86\xdd" + bytes(18) + SIX),
    (240, bytes(4) + FRAME),
    (241, bytes(12) + FRAME),
    (274, bytes(8) + FRAME),
    (281, MACS + bytes(4) + b"\x08\0" + FOUR),
    (282, bytes(4) + FRAME),
    (284, MACS + bytes(4) + b"\x08\0" + FOUR),
    (285, MACS + b"\xda\xda" + bytes(6) + b"\x08\0" + FOUR),
]


@pytest.mark.parametrize(("link", "packet"), LINKS)
def test_the_request_is_found(tmp_path: Path, link: int, packet: bytes) -> None:
    assert request_in(tmp_path, packet, link).counts.decoded == 1


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (b"\x06\x00", "ethertype 0x0600"),  # the least number that is no length
        (b"\x12\x34", "ethertype 0x1234"),
        (b"\x08\x06", "arp"),
        (b"\x88\xcc", "lldp"),
        (b"\x88\x63", "pppoe-discovery"),
    ],
)
def test_ethertypes_that_are_not_read_are_counted(tmp_path: Path, kind: bytes, why: str) -> None:
    assert reason(tmp_path, MACS + kind + bytes(60)) == why


@pytest.mark.parametrize(
    ("llc", "why"),
    [
        (b"\x42\x42\x03", "stp"),
        (b"\xe0\xe0\x03", "ipx"),
        (b"\x10\x10\x03", "llc"),
        (b"\xaa\xab\x03" + bytes(5), "llc"),  # SNAP needs both services
        (b"\xaa\xaa\x03\0\0\x0c\x20\0", "llc-snap"),  # another organisation's protocol
        (b"\xaa\xaa\x03\0\0\0\x05\xff", "llc-snap"),  # a length is no EtherType
        (b"\xaa\xaa\x03\0\0\0\x08\x06", "arp"),
    ],
)
def test_llc_services_that_are_not_read_are_counted(tmp_path: Path, llc: bytes, why: str) -> None:
    assert reason(tmp_path, MACS + b"\0\x26" + llc + bytes(60)) == why
