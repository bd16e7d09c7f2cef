"""Solaris IP observability: 24 bytes, then IP."""

from __future__ import annotations

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (226,)
NAME = "Solaris ipnet"


def peel(packet: Packet) -> Outcome:
    """IP behind the header."""
    packet.at += 24
    return ip.either
