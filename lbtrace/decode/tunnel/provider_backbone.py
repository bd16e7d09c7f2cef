"""802.1ah, MAC in MAC: a service tag and then the customer's whole frame."""

from __future__ import annotations

from lbtrace.decode.link import ethernet
from lbtrace.decode.packet import Outcome, Packet

NAME = "802.1ah"
ETHERTYPES = (0x88E7,)


def peel(packet: Packet) -> Outcome:
    """Four bytes, the service identifier in the last three."""
    service = packet.uint(1, 3)
    packet.at += 4
    packet.networks.append(f"service {service}")
    return ethernet.peel
