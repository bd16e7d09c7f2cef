"""PPPoE session packets (RFC 2516)."""

from __future__ import annotations

from lbtrace.decode import ppp
from lbtrace.decode.packet import Outcome, Packet, Skip

NAME = "pppoe"
ETHERTYPES = (0x8864,)


def peel(packet: Packet) -> Outcome:
    """Version and type, code, session, length."""
    code, session, length = packet.u8(1), packet.u16(2), packet.u16(4)
    if code:
        return Skip("pppoe-discovery")
    packet.at += 6
    packet.limit(length)
    packet.networks.append(f"pppoe {session}")
    return ppp.peel
