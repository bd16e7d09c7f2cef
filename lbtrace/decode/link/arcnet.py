"""ARCNET (RFC 1201, RFC 1051); Linux (129) puts two bytes of offset between."""

from __future__ import annotations

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet, Skip

NUMBERS = (7, 129)
NAME = "ARCNET"


def peel(packet: Packet) -> Outcome:
    """Source, destination, protocol; RFC 1201 adds a split flag and a sequence number."""
    packet.at += 4 if packet.link == 129 else 2
    protocol = packet.u8(0)
    packet.at += 1
    if protocol in (212, 196):
        flag = packet.u8(0)
        packet.at += 7 if flag == 0xFF else 3
        return Skip("arcnet-fragment") if flag not in (0, 0xFF) else ip.either
    return (
        ip.either
        if protocol == 240
        else Skip({213: "arp", 241: "arp", 214: "rarp"}.get(protocol, "arcnet"))
    )
