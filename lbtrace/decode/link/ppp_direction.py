"""PPP with a byte that says which way the packet went (204), or that stands for the address byte
(166, pppd).
"""

from __future__ import annotations

from lbtrace.decode import ppp
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (204, 166)
NAME = "PPP (direction)"


def peel(packet: Packet) -> Outcome:
    """The byte, for pppd followed by the control byte."""
    packet.at += 2 if packet.link == 166 and packet.u8(1) == 3 else 1
    return ppp.peel
