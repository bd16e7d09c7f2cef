"""Link types seldom met: the request behind each of them, and what is counted."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.decode.packets import FOUR, FRAME, MACS, SIX, SNAP, WLAN, reason, request_in


def nflog(order: str, first: bytes = b"") -> bytes:
    """The fields of a netfilter log, in the byte order given."""
    head = first or struct.pack(order + "HHI", 8, 1, 0)
    return b"\2\0\0\0" + head + struct.pack(order + "HH", len(FOUR) + 4, 9) + FOUR


# (link type, packet)
LINKS: list[tuple[int, bytes]] = [
    (6, b"\x10\x40" + MACS + SNAP + FOUR),
    (6, b"\x10\x40" + MACS[:6] + b"\x82" + MACS[7:] + b"\x06\0\1\2\3\4" + SNAP + FOUR),
    (6, b"\x10\x40" + MACS[:6] + b"\x82" + MACS[7:] + b"\xe6\0\1\2\3\4" + SNAP + FOUR),
    (7, b"\1\2\xf0" + FOUR),
    (129, b"\1\2\0\0\xf0" + FOUR),
    (129, b"\1\2\0\0\xd4\0\0\1" + FOUR),
    (129, b"\1\2\0\0\xc4\xff\0\0\0\0\0\1" + FOUR),
    (8, bytes(16) + FOUR),
    (8, FOUR),
    (8, SIX),
    (10, b"\x50" + MACS + SNAP + FOUR),
    (10, b"\x5f" + MACS + SNAP + FOUR),
    (100, SNAP + FOUR),
    (123, bytes(4) + SNAP + FOUR),
    (107, b"\x18\x41\x03\xcc" + FOUR),
    (107, b"\x18\x40\x01\x03\0\xcc" + FOUR),  # three address bytes, padded control
    (107, b"\x18\x41\x03\x8e" + SIX),
    (107, b"\x18\x41\x08\x00" + FOUR),
    (107, b"\x18\x41\x03\0\x80\0\0\0\x08\0" + FOUR),
    (107, b"\x18\x41\x03\x80\0\0\0\x08\0" + FOUR),
    (206, b"\1\x18\x41\x08\x00" + FOUR),
    (109, struct.pack("<III", 2, 7, 0) + FOUR),
    (117, b"\x3d\2" + bytes(62) + FOUR),
    (117, b"\x40\2" + bytes(62) + FOUR),
    (122, bytes(16) + SNAP + FOUR),
    (138, bytes(16) + b"\x08\x00" + FOUR),
    (178, b"MGC\x80\0\x04\0\0\0\0" + FRAME),
    (179, b"MGC\0\xff\x03\0\x21" + FOUR),
    (181, b"MGC\x01\x0f\0\x08\0" + FOUR),
    (192, struct.pack("<BBHI", 0, 0, 8, 105) + WLAN + FOUR),
    (192, struct.pack("<BBHI", 0, 0, 12, 1) + bytes(4) + FRAME),
    (192, struct.pack("<BBHI", 0, 0, 8, 113) + bytes(14) + b"\x08\0" + FOUR),
    (192, struct.pack("<BBHI", 0, 0, 8, 276) + b"\x08\0" + bytes(18) + FOUR),
    (197, bytes(8) + b"\x02\x04\0\0\0\0\0\0" + bytes(2) + FRAME),
    (197, bytes(8) + b"\x96\0\0\0\0\0\0\0" + bytes(8) + FOUR),
    (197, bytes(8) + b"\x96\0\0\0\0\0\0\0" + b"\x80" + bytes(15) + FOUR),
    (197, bytes(8) + b"\x17" + bytes(7) + SIX),
    (197, bytes(8) + b"\x01" + bytes(7) + b"\xff\x03\0\x21" + FOUR),
    (197, bytes(8) + b"\x11" + bytes(7) + b"\x0f\0\x08\0" + FOUR),
    (226, bytes(24) + FOUR),
    (239, nflog("<")),
    (239, nflog(">")),
    (239, nflog("<", struct.pack("<HHI", 5, 1, 0))),  # padded to four bytes
    (242, bytes(40) + b"\x08\0\0\0" + FOUR),
    (258, struct.pack("<III", 108, 1, 1) + bytes(96) + FRAME),
    (149, struct.pack("<III", 12, 1, 101) + SIX),
]


@pytest.mark.parametrize(("link", "packet"), LINKS)
def test_the_request_is_found(tmp_path: Path, link: int, packet: bytes) -> None:
    assert request_in(tmp_path, packet, link).counts.decoded == 1


@pytest.mark.parametrize(
    ("link", "packet", "why"),
    [
        (7, b"\1\2\xd5" + bytes(40), "arp"),
        (7, b"\1\2\xd6" + bytes(40), "rarp"),
        (7, b"\1\2\x01" + bytes(40), "arcnet"),
        (7, b"\1\2\xd4\1" + bytes(40), "arcnet-fragment"),
        (10, b"\x4f" + bytes(60), "fddi-control"),
        (107, b"\x18\x41\x03\x81" + bytes(40), "frame-relay"),
        (178, b"MGD\0" + bytes(60), "juniper"),
        (178, b"MGC\x02" + bytes(60), "juniper"),
        (192, struct.pack("<BBHI", 0, 0, 7, 1) + FRAME, "ppi link type 1"),
        (192, struct.pack("<BBHI", 0, 0, 8, 192) + FRAME, "ppi link type 192"),
        (192, struct.pack("<BBHI", 0, 0, 8, 189) + FRAME, "ppi link type 189"),
        (258, struct.pack("<III", 12, 2, 1) + FRAME, "pktap link type 1"),
        (258, struct.pack("<III", 11, 1, 1) + FRAME, "pktap link type 1"),
        (258, struct.pack("<III", 12, 1, 149) + FRAME, "pktap link type 149"),
        (258, struct.pack("<III", 12, 1, 189) + FRAME, "pktap link type 189"),
        (197, bytes(8) + b"\x05" + bytes(60), "erf"),
        (239, b"\2\0\0\0" + struct.pack("<HH", 3, 1) + bytes(60), "malformed-nflog"),
    ],
)
def test_what_is_not_read_is_counted(tmp_path: Path, link: int, packet: bytes, why: str) -> None:
    assert reason(tmp_path, packet, link) == why


def test_a_field_of_a_netfilter_log_ends_with_the_packet_at_the_latest(tmp_path: Path) -> None:
    field = struct.pack("<HH", 4 + len(FOUR) + 1, 9)
    first = struct.pack("<HHI", 8, 1, 0)
    table = request_in(tmp_path, b"\2\0\0\0" + first + field + FOUR, 239)
    assert table.counts.truncated == 0
