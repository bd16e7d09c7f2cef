"""IP over FireWire as Apple captures it: two addresses of eight bytes."""

from __future__ import annotations

from lbtrace.decode import ethertypes
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (138,)
NAME = "IP over IEEE 1394"


def peel(packet: Packet) -> Outcome:
    """The EtherType after the addresses."""
    kind = packet.u16(16)
    packet.at += 18
    return ethertypes.step(kind, packet)
