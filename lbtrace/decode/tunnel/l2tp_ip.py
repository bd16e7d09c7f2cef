"""L2TP version 3 directly over IP (RFC 3931 §4.1.1): a session, a cookie whose length the packet
does not tell, then usually Ethernet.
"""

from __future__ import annotations

from lbtrace.decode import ppp
from lbtrace.decode.packet import Outcome, Packet, Skip

NAME = "l2tp"
IP_PROTOCOLS = (115,)


def peel(packet: Packet) -> Outcome:
    """Session 0 is the control connection."""
    if not packet.u32(0):
        return Skip("l2tp-control")
    packet.at += 4
    packet.networks.append("l2tp")
    return ppp.guess
