"""Frame Relay (RFC 2427), and Cisco's way with an EtherType instead of a protocol identifier; 206
has a byte for the direction in front.
"""

from __future__ import annotations

from lbtrace.decode import ethertypes, ip
from lbtrace.decode.packet import Outcome, Packet, Skip

NUMBERS = (107, 206)
NAME = "Frame Relay"


def peel(packet: Packet) -> Outcome:
    """Two to four address bytes (the last has bit 0 set), then 0x03 and the identifier, or an
    EtherType.
    """
    packet.at += packet.link == 206
    while not packet.u8(0) & 1:
        packet.at += 1
    packet.at += 1
    if packet.u8(0) != 3:
        kind = packet.u16(0)
        packet.at += 2
        return ethertypes.step(kind, packet)
    identifier = packet.u8(1) or packet.u8(2)
    packet.at += 2 if packet.u8(1) else 3
    if identifier in (0xCC, 0x8E):
        return ip.either
    if identifier == 0x80:
        kind = packet.u16(3)
        packet.at += 5
        return ethertypes.step(kind, packet)
    return Skip("frame-relay")
