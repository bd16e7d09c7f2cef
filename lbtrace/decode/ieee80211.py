"""IEEE 802.11 data frames → LLC, and the radio headers that captures put in front of them.

Encrypted frames, and aggregates of several frames, are counted, not read.
"""

from __future__ import annotations

from lbtrace.decode.dispatch import LINK_TYPES
from lbtrace.decode.ethernet import SNAP, llc
from lbtrace.decode.packet import Outcome, Packet, Skip

DATA = 2
QUALITY, NO_DATA = 0x80, 0x40  # subtypes of data frames, in the first byte
TO_DS, FROM_DS, PROTECTED, ORDER = 0x01, 0x02, 0x40, 0x80  # flags, in the second byte
AGGREGATE = 0x80  # in the quality-of-service field
SUBFRAME_BYTES = 14  # header of a frame in an aggregate: two addresses, length
PRISM_BYTES = 144
AVS_COOKIE, AVS_MASK = 0x80211000, 0xFFFFF000


@LINK_TYPES.register(105)
def frame(packet: Packet) -> Outcome:
    """Frame control (type in bits 2 and 3 of the first byte, flags in the second) decides the
    header's length.
    """
    return _frame(packet, packet.u8(0), packet.u8(1))


def either_byte_order(packet: Packet) -> Outcome:
    """As `frame`, but some access points swap the two bytes of frame control: the order that makes
    a data frame counts. They may also leave the flag on what they have decrypted.
    """
    first, second = packet.u8(0), packet.u8(1)
    if first & 0x0F != DATA << 2 and second & 0x0F == DATA << 2:
        first, second = second, first
    return _frame(packet, first, second, may_be_decrypted=True)


def _frame(packet: Packet, kind: int, flags: int, may_be_decrypted: bool = False) -> Outcome:
    if kind & 3 or kind >> 2 & 3 != DATA:
        return Skip("wlan-management")
    if kind & NO_DATA:
        return Skip("wlan-no-data")
    if flags & PROTECTED and not (may_be_decrypted and packet.u8(24) == SNAP):
        return Skip("wlan (encrypted)")
    size = 30 if flags & TO_DS and flags & FROM_DS else 24
    if kind & QUALITY:
        aggregate = packet.u8(size) & AGGREGATE
        size += 6 if flags & ORDER else 2
        if aggregate:
            return _aggregate(packet, size)
    if packet.u8(size) != SNAP and packet.u16(size + 2) == SNAP << 8 | SNAP:
        size += 2  # padded to a multiple of four bytes
    packet.at += size
    return llc


def _aggregate(packet: Packet, at: int) -> Outcome:
    """An A-MSDU (IEEE 802.11-2020 §9.3.2.2) of one frame is that frame; of one with more a row can
    hold only one: it is counted.
    """
    length = packet.u16(at + SUBFRAME_BYTES - 2)
    packet.at += at + SUBFRAME_BYTES
    if packet.wire_end - packet.at >= length + SUBFRAME_BYTES:
        return Skip("wlan-aggregate")
    packet.limit(length)
    return llc


@LINK_TYPES.register(127)
def radiotap(packet: Packet) -> Outcome:
    """A radiotap header is little-endian; its length stands in bytes 2 and 3."""
    packet.at += packet.uint(2, 2, "little")
    return frame


@LINK_TYPES.register(119, 163)
def prism(packet: Packet) -> Outcome:
    """A Prism header (144 bytes), or an AVS header that says its length; both occur under 119."""
    packet.at += packet.u32(4) if packet.u32(0) & AVS_MASK == AVS_COOKIE else PRISM_BYTES
    return frame
