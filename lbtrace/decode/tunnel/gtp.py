"""GTP-U (3GPP TS 29.281) on UDP 2152: user traffic of a mobile network. Each direction has a tunnel
identifier of its own.
"""

from __future__ import annotations

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet, Skip

NAME = "gtp-u"
UDP_PORTS = (2152,)
USER_DATA = 0xFF


def peel(packet: Packet) -> Outcome:
    """Flags, message type, length, tunnel; with any of the flags E, S, PN four bytes more, and a
    chain of extension headers.
    """
    flags, kind = packet.u8(0), packet.u8(1)
    if flags >> 5 != 1 or not flags & 0x10:
        return Skip("udp")
    if kind != USER_DATA:
        return Skip("gtp-control")
    packet.at += 8
    if flags & 7:
        following = packet.u8(3) if flags & 4 else 0
        packet.at += 4
        while following:
            size = packet.u8(0) * 4
            if not size:
                return Skip("malformed-gtp")
            following = packet.u8(size - 1)
            packet.at += size
    packet.networks.append("gtp-u")
    return ip.either
