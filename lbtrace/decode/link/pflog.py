"""OpenBSD packet filter log: a header that says its length, padded to four bytes."""

from __future__ import annotations

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (117,)
NAME = "OpenBSD pflog"


def peel(packet: Packet) -> Outcome:
    """IP behind the header."""
    packet.at += packet.u8(0) + 3 & ~3
    return ip.either
