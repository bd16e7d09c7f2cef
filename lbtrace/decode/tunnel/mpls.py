"""MPLS labels (RFC 3032), also in IP and UDP (RFC 4023, RFC 7510). What is below the last label is
guessed, as every reader must.
"""

from __future__ import annotations

from lbtrace.decode import ip
from lbtrace.decode.link import ethernet
from lbtrace.decode.packet import Outcome, Packet

NAME = "mpls"
ETHERTYPES = (0x8847, 0x8848)
IP_PROTOCOLS = (137,)
UDP_PORTS = (6635,)


def peel(packet: Packet) -> Outcome:
    """Labels to the bottom-of-stack bit (they differ by direction, so name no network), then IP or
    a pseudowire.
    """
    while not packet.u8(2) & 1:
        packet.at += 4
    packet.at += 4
    version = packet.u8(0) >> 4
    if version in (4, 6):
        return ip.either
    if version == 0 and packet.u8(0) == 0:
        packet.at += 4
    return ethernet.peel
