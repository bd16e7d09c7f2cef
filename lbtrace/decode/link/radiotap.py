"""802.11 frames behind a radiotap header, which is little-endian and says its length."""

from __future__ import annotations

from lbtrace.decode import wlan
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (127,)
NAME = "802.11 (radiotap)"


def peel(packet: Packet) -> Outcome:
    """The length is in bytes 2 and 3."""
    packet.at += int.from_bytes(packet.take(2, 2), "little")
    return wlan.peel
