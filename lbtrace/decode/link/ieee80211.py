"""802.11 frames without a radio header."""

from __future__ import annotations

from lbtrace.decode import wlan
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (105,)
NAME = "802.11"


def peel(packet: Packet) -> Outcome:
    """See wlan.peel."""
    return wlan.peel(packet)
