"""L2TP version 2 (RFC 2661) and 3 over UDP 1701 (RFC 3931 §4.1.2): PPP inside."""

from __future__ import annotations

from lbtrace.decode import ppp
from lbtrace.decode.packet import Outcome, Packet, Skip

NAME = "l2tp"
UDP_PORTS = (1701,)
CONTROL, LENGTH, SEQUENCE, OFFSET = 0x8000, 0x4000, 0x0800, 0x0200


def peel(packet: Packet) -> Outcome:
    """Flags and version, then the fields the flags announce. The identifiers differ by direction
    and name no network.
    """
    flags = packet.u16(0)
    if flags & CONTROL:
        return Skip("l2tp-control")
    if flags & 15 == 3:
        packet.at += 8
        packet.networks.append("l2tp")
        return ppp.guess
    if flags & 15 != 2:
        return Skip("udp")
    at = 2 + (2 if flags & LENGTH else 0) + 4 + (4 if flags & SEQUENCE else 0)
    if flags & OFFSET:
        at += 2 + packet.u16(at)
    packet.at += at
    packet.networks.append("l2tp")
    return ppp.peel
