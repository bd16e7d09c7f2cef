"""Teredo (RFC 4380): IPv6 in UDP 3544, behind optional authentication and origin fields."""

from __future__ import annotations

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet, Skip

NAME = "teredo"
UDP_PORTS = (3544,)


def peel(packet: Packet) -> Outcome:
    """Authentication (0x0001) and origin (0x0000) come before the IPv6 header, each at most
    once.
    """
    if packet.u16(0) == 1:
        packet.at += 13 + packet.u8(2) + packet.u8(3)
    if packet.u16(0) == 0:
        packet.at += 8
    if packet.u8(0) >> 4 != 6:
        return Skip("udp")
    packet.networks.append("teredo")
    return ip.v6
