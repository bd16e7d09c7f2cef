"""Ethernet with the tag that Linux's Distributed Switch Architecture puts in it: Broadcom's and
Marvell's.
"""

from __future__ import annotations

from lbtrace.decode import ethertypes
from lbtrace.decode.link import ethernet
from lbtrace.decode.packet import Outcome, Packet

BEHIND_ADDRESSES, IN_FRONT, MARVELL, MARVELL_WITH_ETHERTYPE = 281, 282, 284, 285
NUMBERS = (BEHIND_ADDRESSES, IN_FRONT, MARVELL, MARVELL_WITH_ETHERTYPE)
NAME = "Ethernet (DSA tag)"


def peel(packet: Packet) -> Outcome:
    """Four bytes in front of the frame or behind its addresses; or an EtherType, two bytes and
    four.
    """
    if packet.link == IN_FRONT:
        packet.at += 4
        return ethernet.peel
    size = 12 + (8 if packet.link == MARVELL_WITH_ETHERTYPE else 4)
    kind = packet.u16(size)
    packet.at += size + 2
    return ethertypes.step(kind, packet)
