"""IPsec Authentication Header (RFC 4302): authenticated, not encrypted, so what is inside can be
read.
"""

from __future__ import annotations

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet

NAME = "ah"
IP_PROTOCOLS = (51,)


def peel(packet: Packet) -> Outcome:
    """Next protocol, length in four-byte words less two. The addresses stay those of the IP header
    before it.
    """
    following, length = packet.u8(0), packet.u8(1)
    packet.at += (length + 2) * 4
    return ip.protocol_step(following, packet)
