"""Token Ring (RFC 1042), with source routing."""

from __future__ import annotations

from lbtrace.decode import ethertypes
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (6,)
NAME = "Token Ring"


def peel(packet: Packet) -> Outcome:
    """Access and frame control, two addresses, a route when the source address has its first bit
    set; then LLC.
    """
    routed = packet.u8(8) & 0x80
    packet.at += 14
    if routed:
        packet.at += packet.u8(0) & 0x1F
    return ethertypes.llc
