"""802.1Q and 802.1ad tags (and the two numbers QinQ had before it was a standard)."""

from __future__ import annotations

from lbtrace.decode import ethertypes
from lbtrace.decode.packet import Outcome, Packet

NAME = "vlan"
ETHERTYPES = (0x8100, 0x88A8, 0x9100, 0x9200)


def peel(packet: Packet) -> Outcome:
    """Tag control (id in its low 12 bits), then the EtherType behind."""
    identifier, kind = packet.u16(0) & 0xFFF, packet.u16(2)
    packet.at += 4
    packet.networks.append(f"vlan {identifier}")
    return ethertypes.step(kind, packet)
