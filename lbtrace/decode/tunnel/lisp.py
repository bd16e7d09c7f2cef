"""LISP data (RFC 9300): IP in UDP 4341."""

from __future__ import annotations

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet, Skip

NAME = "lisp"
UDP_PORTS = (4341,)


def peel(packet: Packet) -> Outcome:
    """Eight bytes; the instance identifier is in the last four when the I flag is set."""
    flags, instance = packet.u8(0), packet.u32(4) >> 8
    packet.at += 8
    if packet.u8(0) >> 4 not in (4, 6):
        return Skip("udp")
    packet.networks.append(f"lisp {instance}" if flags & 0x08 else "lisp")
    return ip.either
