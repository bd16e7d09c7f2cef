"""Juniper routers: a cookie with extensions, then Ethernet (178), PPP (179) or Cisco HDLC (181)."""

from __future__ import annotations

from lbtrace.decode import hdlc, ppp
from lbtrace.decode.link import ethernet
from lbtrace.decode.packet import Outcome, Packet, Skip

NUMBERS = (178, 179, 181)
NAME = "Juniper"


def peel(packet: Packet) -> Outcome:
    """Magic, flags, length of the extensions when there are any."""
    if packet.uint(0, 3) != 0x4D4743:
        return Skip("juniper")
    flags = packet.u8(3)
    packet.at += 6 + packet.u16(4) if flags & 0x80 else 4
    if flags & 0x02:
        return Skip("juniper")
    return {178: ethernet.peel, 179: ppp.peel, 181: hdlc.peel}[packet.link]
