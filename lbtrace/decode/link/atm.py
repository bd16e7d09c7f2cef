"""LLC over ATM (RFC 2684), on SunATM (123) behind four bytes of circuit."""

from __future__ import annotations

from lbtrace.decode import ethertypes
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (100, 123)
NAME = "ATM"


def peel(packet: Packet) -> Outcome:
    """LLC."""
    packet.at += 4 if packet.link == 123 else 0
    return ethertypes.llc
