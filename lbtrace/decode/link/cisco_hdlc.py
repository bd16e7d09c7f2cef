"""Cisco HDLC."""

from __future__ import annotations

from lbtrace.decode import hdlc
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (104,)
NAME = "Cisco HDLC"


def peel(packet: Packet) -> Outcome:
    """See hdlc.peel."""
    return hdlc.peel(packet)
