"""IEEE 802.11 data frames → LLC. Encrypted ones, and aggregates of several frames, are counted, not
read.
"""

from __future__ import annotations

from lbtrace.decode import ethertypes
from lbtrace.decode.packet import Outcome, Packet, Skip

DATA = 2
TO_DS, FROM_DS, PROTECTED, ORDER = 0x01, 0x02, 0x40, 0x80
AGGREGATE = 0x80
SUBFRAME = 14  # bytes of the header of a frame in an aggregate: two addresses, length


def peel(packet: Packet) -> Outcome:
    """Frame control (type in bits 2 and 3 of the first byte, flags in the second) decides the
    header's length.
    """
    return _frame(packet, packet.u8(0), packet.u8(1))


def swapped(packet: Packet) -> Outcome:
    """As `peel`, but some access points swap the two bytes of frame control: the order that makes a
    data frame counts.
    """
    first, second = packet.u8(0), packet.u8(1)
    if first & 0x0F != DATA << 2 and second & 0x0F == DATA << 2:
        first, second = second, first
    return _frame(packet, first, second, swapped=True)


def _frame(packet: Packet, kind: int, flags: int, swapped: bool = False) -> Outcome:
    if kind & 3 or kind >> 2 & 3 != DATA:
        return Skip("wlan-management")
    if kind & 0x40:
        return Skip("wlan-no-data")
    if flags & PROTECTED and not (swapped and packet.u8(24) == 0xAA):
        return Skip("wlan (encrypted)")
    size = 24 + (6 if flags & TO_DS and flags & FROM_DS else 0)
    if kind & 0x80:
        aggregate = packet.u8(size) & AGGREGATE
        size += 2 + (4 if flags & ORDER else 0)
        if aggregate:
            return _aggregate(packet, size)
    if packet.u8(size) != 0xAA and packet.u16(size + 2) == 0xAAAA:
        size += 2  # padded to a multiple of four bytes
    packet.at += size
    return ethertypes.llc


def _aggregate(packet: Packet, at: int) -> Outcome:
    """An A-MSDU (IEEE 802.11-2020 §9.3.2.2) of one frame is that frame; of one with more a row can
    hold only one: it is counted.
    """
    length = packet.u16(at + SUBFRAME - 2)
    packet.at += at + SUBFRAME
    if packet.wire_end - packet.at >= length + SUBFRAME:
        return Skip("wlan-aggregate")
    packet.limit(length)
    return ethertypes.llc
