"""IP over InfiniBand (RFC 4391 §6), behind a 40-byte pseudo header with the destination."""

from __future__ import annotations

from lbtrace.decode import ethertypes
from lbtrace.decode.packet import Outcome, Packet

NUMBERS = (242,)
NAME = "IP over InfiniBand"


def peel(packet: Packet) -> Outcome:
    """The EtherType after the pseudo header, then two reserved bytes."""
    kind = packet.u16(40)
    packet.at += 44
    return ethertypes.step(kind, packet)
