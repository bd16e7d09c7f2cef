"""Anything In Anything (draft-massar-v6ops-ayiya-02), the tunnel of SixXS: IPv6 in UDP."""

from __future__ import annotations

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet, Skip

NAME = "ayiya"
UDP_PORTS = (5072,)
FORWARD = 1
NEXT = (4, 41)


def peel(packet: Packet) -> Outcome:
    """Identity length (a power of two) and signature length (in words) in the upper halves of two
    bytes, then operation and protocol.
    """
    identity, signature, operation, following = (
        1 << (packet.u8(0) >> 4),
        packet.u8(1) >> 4,
        packet.u8(2) & 15,
        packet.u8(3),
    )
    if operation != FORWARD or following not in NEXT:
        return Skip("udp")
    packet.at += 8 + identity + signature * 4
    packet.networks.append("ayiya")
    return ip.either
