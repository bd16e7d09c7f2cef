"""GENEVE (RFC 8926); AWS Gateway Load Balancer speaks it on UDP 6081."""

from __future__ import annotations

from lbtrace.decode import ethertypes
from lbtrace.decode.packet import Outcome, Packet, Skip

NAME = "geneve"
UDP_PORTS = (6081,)


def peel(packet: Packet) -> Outcome:
    """Version and option length, flags, EtherType of what is inside, network identifier, options."""
    first, kind, network = packet.u8(0), packet.u16(2), packet.uint(4, 3)
    if first >> 6:
        return Skip("udp")
    packet.at += 8 + (first & 0x3F) * 4
    packet.networks.append(f"geneve {network}")
    return ethertypes.step(kind, packet)
