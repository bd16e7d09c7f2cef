"""FDDI (RFC 1188)."""

from __future__ import annotations

from lbtrace.decode import ethertypes
from lbtrace.decode.packet import Outcome, Packet, Skip

NUMBERS = (10,)
NAME = "FDDI"


def peel(packet: Packet) -> Outcome:
    """Frame control and two addresses, then LLC when the frame carries it."""
    if packet.u8(0) & 0xF0 != 0x50:
        return Skip("fddi-control")
    packet.at += 13
    return ethertypes.llc
