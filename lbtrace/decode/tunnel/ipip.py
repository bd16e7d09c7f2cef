"""IPv4 or IPv6 directly in IP: IPIP (RFC 2003), 6in4 (RFC 4213), 4in6 and 6in6 (RFC 2473)."""

from __future__ import annotations

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet

NAME = "ip-in-ip"
IP_PROTOCOLS = (4, 41, 94)


def peel(packet: Packet) -> Outcome:
    """No header of its own."""
    packet.networks.append("ip-in-ip")
    return ip.either
