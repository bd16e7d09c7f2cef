"""Endace ERF records inside pcap: a 16-byte header, extension headers, then Ethernet, PPP or HDLC,
or IP.
"""

from __future__ import annotations

from lbtrace.decode import hdlc, ip, ppp
from lbtrace.decode.link import ethernet
from lbtrace.decode.packet import Outcome, Packet, Skip

NUMBERS = (197,)
NAME = "ERF"
ETHERNET, HDLC, IP = (2, 11, 16, 20), (1, 9, 10, 14, 17), (22, 23)


def peel(packet: Packet) -> Outcome:
    """The record type is byte 8; its top bit, and the top bit of each extension header, announce
    another extension of eight bytes.
    """
    kind = packet.u8(8)
    packet.at += 16
    more = kind & 0x80
    while more:
        more = packet.u8(0) & 0x80
        packet.at += 8
    kind &= 0x7F
    if kind in ETHERNET:
        packet.at += 2
        return ethernet.peel
    if kind in HDLC:
        return ppp.peel if packet.u8(0) == 0xFF else hdlc.peel
    return ip.either if kind in IP else Skip("erf")
