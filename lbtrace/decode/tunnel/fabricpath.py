"""Cisco FabricPath and TRILL (RFC 6325): a header between switches and then the host's whole
frame.
"""

from __future__ import annotations

from lbtrace.decode.link import ethernet
from lbtrace.decode.packet import Outcome, Packet

NAME = "fabricpath"
ETHERTYPES = (0x8903, 0x22F3)


def peel(packet: Packet) -> Outcome:
    """FabricPath: two bytes. TRILL: six, and options counted in words by the bits 10 to 6 of the
    first two.
    """
    kind = int.from_bytes(packet.data[packet.at - 2 : packet.at], "big")
    packet.at += 2 if kind == 0x8903 else 6 + (packet.u16(0) >> 6 & 0x1F) * 4
    return ethernet.peel
