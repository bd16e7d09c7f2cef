"""Cisco HDLC, also with a byte in front that says which way the packet went (205)."""

from __future__ import annotations

from lbtrace.decode import hdlc
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (104, 205)
NAME = "Cisco HDLC"


def peel(packet: Packet) -> Outcome:
    """See hdlc.peel."""
    packet.at += packet.link == 205
    return hdlc.peel(packet)
