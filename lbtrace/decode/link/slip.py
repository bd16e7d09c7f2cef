"""SLIP with the 16-byte header libpcap puts before it (direction, compressed header), or IP at
once.
"""

from __future__ import annotations

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (8,)
NAME = "SLIP"


def peel(packet: Packet) -> Outcome:
    """IP where there is an IP version."""
    if packet.u8(0) >> 4 not in (4, 6) or packet.u8(0) in (0, 1):
        packet.at += 16
    return ip.either
