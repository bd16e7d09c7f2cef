"""Network Service Header (RFC 8300)."""

from __future__ import annotations

from lbtrace.decode import ip
from lbtrace.decode.link import ethernet
from lbtrace.decode.packet import Outcome, Packet, Skip

NAME = "nsh"
ETHERTYPES = (0x894F,)


def peel(packet: Packet) -> Outcome:
    """The length in words is the low six bits of the first two bytes, the next protocol is the
    fourth byte.
    """
    length, following = (packet.u16(0) & 0x3F) * 4, packet.u8(3)
    packet.at += max(length, 8)
    return ip.either if following in (1, 2) else ethernet.peel if following == 3 else Skip("nsh")
