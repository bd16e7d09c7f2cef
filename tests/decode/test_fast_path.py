"""Which packets the fast path takes: all that are ordinary, from as few captured bytes as it can.

That it says what the slow path says is a law in `test_laws.py`; what it leaves there costs a
hundred times as much.
"""

from __future__ import annotations

import struct

import numpy as np
import pytest

from lbtrace.decode import fast_path
from lbtrace.decode.dispatch import FAST_LINKS
from lbtrace.decode.networks import NetworkBook
from lbtrace.tables.views import Views
from tests.decode.packets import FOUR, MACS, SIX, v4, v6
from tests.decode.test_laws import PAYLOAD, SEEDS, recording


def taken(link: int, packets: list[bytes]) -> list[bool]:
    """Of each packet, whether the fast path takes it; a frame of rubbish stands behind them."""
    made = recording(link, [*packets, bytes(200)])
    table = made.records
    captured = table.captured.astype(np.int64)
    batch = fast_path.Batch(
        np.arange(len(captured)),
        table.offset,
        captured,
        captured,
        Views(made.buffers[0]),
        0,
        NetworkBook(),
    )
    left = set(fast_path.decode(batch, FAST_LINKS[link]).remaining().tolist())
    return [number not in left for number in range(len(packets))]


def least(link: int, packet: bytes) -> int:
    """The fewest captured bytes of a packet that the fast path takes; it takes all more too. −1
    when it leaves the packet however much of it there is.
    """
    sizes = taken(link, [packet[:size] for size in range(len(packet) + 1)])
    first = sizes.index(True) if True in sizes else -1
    assert all(sizes[first:]) or first < 0
    return first


def is_odd(packet: bytes) -> bool:
    """VXLAN's generic extension, or four MPLS labels."""
    generic = b"\x0c\0\0\3\0\0\3\0" in packet[:80]
    labels = [packet[14 + 4 * i : 18 + 4 * i] for i in range(4)]
    deep = packet[12:14] == b"\x88\x47" and not any(label[2] & 1 for label in labels[:3])
    return generic or deep


SEGMENTS = [(link, p) for link, packets in SEEDS.items() for p in packets if b"\xc3\x50\0P" in p]


def test_a_segment_is_taken_when_its_tcp_header_was_captured() -> None:
    assert len(SEGMENTS) > 30
    for link, packet in SEGMENTS:
        expected = -1 if is_odd(packet) else packet.rindex(PAYLOAD)
        assert least(link, packet) == expected, packet.hex()


def datagram(port: int = 53) -> bytes:
    return struct.pack(">HHHH", 53, port, 40, 0) + bytes(32)


V4 = v4(17, datagram())
V6 = v6(17, datagram())


@pytest.mark.parametrize(
    ("packet", "size"),
    [
        (V4, 14 + 40),
        (V6, 14 + 40 + 8),
        (v4(1, bytes(40)), 14 + 40),
        (v4(2, bytes(40)), 14 + 40),
        (v6(58, bytes(40)), 14 + 40 + 8),
        (MACS + b"\x81\0\0\7\x08\0" + V4[14:], 18 + 40),
        (MACS + b"\x88\xa8\0\7\x81\0\0\7\x08\0" + V4[14:], 22 + 40),
        (MACS + b"\x81\0\0\7" * 3 + b"\x08\0" + V4[14:], -1),
        (MACS + b"\x88\x47\0\0\x11\x40" + V4[14:] + bytes(20), 14 + 12 + 40),
        (MACS + b"\x88\x64\x11\0\0\7\0\x40\0\x21" + V4[14:], 14 + 8 + 40),
        (MACS + b"\x88\x64\x11\1\0\7\0\x40\0\x21" + V4[14:], -1),  # no session data
        (v4(47, b"\0\0\x08\0" + V4[14:]), 34 + 4 + 40),
        (v4(4, V4[14:]), 34 + 40),
        (v4(4, v4(4, v4(4, V4[14:])[14:])[14:]), -1),  # the fourth IP header
        (v4(132, bytes(60)), -1),  # SCTP is named by the slow path
        (v4(17, datagram(4500)), -1),  # may be IPsec
        (v4(17, datagram(4789)), -1),  # VXLAN without its flag
    ],
    ids=range(17),
)
def test_a_packet_that_is_only_counted(packet: bytes, size: int) -> None:
    assert least(1, packet) == size


@pytest.mark.parametrize(
    ("at", "byte", "fast"),
    [
        (14, 0x44, False),  # a header of 16 bytes
        (14, 0x55, False),  # version 5
        (20, 0x20, False),  # more fragments
        (21, 0x01, False),  # a later fragment
        (20, 0x40, True),  # do not fragment
        (20, 0x80, True),  # the reserved bit
        (17, 19, False),  # shorter than its header
        (17, 0, True),  # segmentation offload
        (46, 0x40, False),  # a TCP header of 16 bytes
        (46, 0x50, True),
        (47, 0x00, True),  # no flag at all
        (46, 0xF0, False),  # one that is longer than the packet
    ],
)
def test_a_header_that_is_unusual_goes_the_slow_way(at: int, byte: int, fast: bool) -> None:
    packet = bytearray(MACS + b"\x08\0" + FOUR)
    packet[at] = byte
    assert taken(1, [bytes(packet)]) == [fast]


def test_ipv6_of_another_version_or_without_length_goes_the_slow_way() -> None:
    whole = MACS + b"\x86\xdd" + SIX
    for at, byte, fast in ((14, 0x60, True), (14, 0x50, False), (19, 0, False), (19, 1, False)):
        packet = bytearray(whole)
        packet[at] = byte
        assert taken(1, [bytes(packet)]) == [fast], (at, byte)


def test_among_others_each_packet_is_taken_for_itself() -> None:
    """Ordinary ones between odd ones, of one batch, of both IP versions."""
    packets = [packet for link, packet in SEGMENTS if link == 1]
    assert taken(1, packets * 2) == [not is_odd(p) for p in packets] * 2
