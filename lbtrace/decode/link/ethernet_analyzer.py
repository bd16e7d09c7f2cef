"""Ethernet behind what an analyzer adds: netANALYZER (240: 4 bytes; 241: 4 and the preamble), or
the preamble alone (274).
"""

from __future__ import annotations

from lbtrace.decode.link import ethernet
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (240, 241, 274)
NAME = "Ethernet (analyzer)"


def peel(packet: Packet) -> Outcome:
    """Ethernet behind the addition."""
    packet.at += {240: 4, 241: 12, 274: 8}[packet.link]
    return ethernet.peel
