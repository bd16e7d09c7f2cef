"""PPP: with or without HDLC-like framing (9, 50), or straight from a PPPoE interface (51)."""

from __future__ import annotations

from lbtrace.decode import ppp
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (9, 50, 51)
NAME = "PPP"


def peel(packet: Packet) -> Outcome:
    """51 begins with a PPPoE header; the others with PPP (or Cisco HDLC, which shares the
    number).
    """
    if packet.link == 51:
        packet.at += 6
    return ppp.peel
