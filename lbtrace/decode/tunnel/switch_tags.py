"""Tags of fixed size that switches insert and sometimes leave in: VN-Tag (802.1BR's ancestor), HSR,
Cisco metadata.
"""

from __future__ import annotations

from lbtrace.decode import ethertypes
from lbtrace.decode.packet import Outcome, Packet

NAME = "switch-tag"
ETHERTYPES = (0x8926, 0x892F, 0x8909, 0x893F)
SIZES = {0x8926: 4, 0x892F: 4, 0x8909: 6, 0x893F: 6}  # bytes before the next EtherType


def peel(packet: Packet) -> Outcome:
    """The EtherType that led here stands right before the position."""
    size = SIZES.get(int.from_bytes(packet.data[packet.at - 2 : packet.at], "big"), 4)
    kind = packet.u16(size)
    packet.at += size + 2
    return ethertypes.step(kind, packet)
