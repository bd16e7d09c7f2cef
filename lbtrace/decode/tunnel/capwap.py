"""CAPWAP data (RFC 5415) on UDP 5247: frames between wireless access points and their
controller.
"""

from __future__ import annotations

from lbtrace.decode import wlan
from lbtrace.decode.link import ethernet
from lbtrace.decode.packet import Outcome, Packet, Skip

NAME = "capwap"
UDP_PORTS = (5247,)


def peel(packet: Packet) -> Outcome:
    """Preamble 1 means DTLS; the header length is in words, five bits of it; flag T: an 802.11
    frame, else Ethernet.
    """
    if packet.u8(0) & 15:
        return Skip("capwap (encrypted)")
    length, native, fragment = packet.u8(1) >> 3, packet.u8(2) & 1, packet.u8(3) & 0x80
    if fragment:
        return Skip("capwap-fragment")
    packet.at += length * 4
    packet.networks.append("capwap")
    return wlan.swapped if native else ethernet.peel
