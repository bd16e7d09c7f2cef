"""Darwin pktap: a little-endian header that says its length and the link type of what follows (149
is its older number).
"""

from __future__ import annotations

from lbtrace.decode.link import registry
from lbtrace.decode.packet import Outcome, Packet, Skip

NUMBERS = (258, 149)
NAME = "pktap"


def peel(packet: Packet) -> Outcome:
    """Length, record type (1 for a packet), link type."""
    size, kind, link = (int.from_bytes(packet.take(at, 4), "little") for at in (0, 4, 8))
    known = registry().get(link)
    if kind != 1 or size < 12 or known is None or link in NUMBERS:
        return Skip(f"pktap link type {link}")
    packet.at += size
    packet.link = link
    return known.peel
