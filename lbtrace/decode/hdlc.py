"""Cisco HDLC: address, control, EtherType."""

from __future__ import annotations

from lbtrace.decode import ethertypes
from lbtrace.decode.packet import Outcome, Packet, Skip


def peel(packet: Packet) -> Outcome:
    """Four bytes; 0x8035 is the keep-alive (SLARP) here, and 0x2000 CDP."""
    kind = packet.u16(2)
    packet.at += 4
    if kind in (0x8035, 0x2000):
        return Skip("hdlc-control")
    if kind == 0xFEFE:
        return Skip("osi")
    return ethertypes.step(kind, packet)
