"""Per-Packet Information: a little-endian header that says its length and the link type of what
follows.
"""

from __future__ import annotations

from lbtrace.decode.link import registry
from lbtrace.decode.packet import Outcome, Packet, Skip

NUMBERS = (192,)
NAME = "PPI"


def peel(packet: Packet) -> Outcome:
    """Version, flags, length, link type."""
    size, link = (
        int.from_bytes(packet.take(2, 2), "little"),
        int.from_bytes(packet.take(4, 4), "little"),
    )
    known = registry().get(link)
    if size < 8 or known is None or link in NUMBERS:
        return Skip(f"ppi link type {link}")
    packet.at += size
    packet.link = link
    return known.peel
