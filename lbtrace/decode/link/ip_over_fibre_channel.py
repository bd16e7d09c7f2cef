"""IP over Fibre Channel (RFC 2625): two addresses of eight bytes, then LLC."""

from __future__ import annotations

from lbtrace.decode import ethertypes
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (122,)
NAME = "IP over Fibre Channel"


def peel(packet: Packet) -> Outcome:
    """LLC behind the addresses."""
    packet.at += 16
    return ethertypes.llc
