"""Frames of 802.11, with and without radio headers: which are read, which are counted."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.decode.packets import FOUR, MACS, SNAP, WLAN, reason, request_in

QOS = b"\x88\x02\0\0" + bytes(20) + b"\0\0" + SNAP
AGGREGATE = b"\x88\x02\0\0" + bytes(20) + b"\x80\0"
SUBFRAME = MACS + struct.pack(">H", len(SNAP + FOUR)) + SNAP + FOUR
ONE_IN_AGGREGATE = AGGREGATE + SUBFRAME + b"\0\0\1\2\3\4"  # padding, frame check sequence
AVS = b"\x80\x21\x10\x01\0\0\0\x40" + bytes(56)

# (link type, packet)
LINKS: list[tuple[int, bytes]] = [
    (105, WLAN + FOUR),
    (105, QOS + FOUR),
    (105, b"\x88\x82\0\0" + bytes(20) + bytes(6) + SNAP + FOUR),  # quality of service and order
    (105, b"\x08\x03\0\0" + bytes(26) + SNAP + FOUR),  # four addresses
    (105, b"\x08\x01\0\0" + bytes(20) + SNAP + FOUR),
    (105, b"\x88\x02\0\0" + bytes(20) + b"\0\0\0\0" + SNAP + FOUR),  # padded
    (105, ONE_IN_AGGREGATE),
    (119, bytes(144) + WLAN + FOUR),
    (119, AVS + WLAN + FOUR),
    (163, AVS + WLAN + FOUR),
    (127, b"\0\0\x0c\0" + bytes(8) + WLAN + FOUR),
]


@pytest.mark.parametrize(("link", "packet"), LINKS)
def test_the_request_is_found(tmp_path: Path, link: int, packet: bytes) -> None:
    assert request_in(tmp_path, packet, link).counts.decoded == 1


@pytest.mark.parametrize(
    ("control", "why"),
    [
        (b"\x80\x00", "wlan-management"),
        (b"\xd4\x00", "wlan-management"),
        (b"\x09\x02", "wlan-management"),  # a version that does not exist
        (b"\x48\x02", "wlan-no-data"),
        (b"\xc8\x02", "wlan-no-data"),
        (b"\x08\x42", "wlan (encrypted)"),
    ],
)
def test_frames_without_a_readable_packet_are_counted(
    tmp_path: Path, control: bytes, why: str
) -> None:
    assert reason(tmp_path, control + WLAN[2:] + FOUR, 105) == why


def test_an_aggregate_of_several_frames_is_counted(tmp_path: Path) -> None:
    two = AGGREGATE + SUBFRAME + bytes(-len(SUBFRAME) % 4) + SUBFRAME
    assert reason(tmp_path, two, 105) == "wlan-aggregate"


@pytest.mark.parametrize(("room", "read"), [(13, True), (14, False)])
def test_an_aggregate_has_another_frame_when_its_header_and_as_much_again_fit(
    tmp_path: Path, room: int, read: bool
) -> None:
    packet = AGGREGATE + SUBFRAME + bytes(room)
    if read:
        assert request_in(tmp_path, packet, 105).counts.decoded == 1
    else:
        assert reason(tmp_path, packet, 105) == "wlan-aggregate"
