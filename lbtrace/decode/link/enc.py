"""OpenBSD IPsec: twelve bytes (family, association, flags), then IP in the clear."""

from __future__ import annotations

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (109,)
NAME = "OpenBSD enc"


def peel(packet: Packet) -> Outcome:
    """IP behind the header."""
    packet.at += 12
    return ip.either
