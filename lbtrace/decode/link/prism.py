"""802.11 frames behind a Prism header (144 bytes) or an AVS header that says its length (cookie
0x8021100x).
"""

from __future__ import annotations

from lbtrace.decode import wlan
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (119, 163)
NAME = "802.11 (Prism, AVS)"


def peel(packet: Packet) -> Outcome:
    """Both kinds occur under 119."""
    packet.at += packet.u32(4) if packet.u32(0) & 0xFFFFF000 == 0x80211000 else 144
    return wlan.peel
