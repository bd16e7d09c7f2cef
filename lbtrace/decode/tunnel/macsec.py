"""MACsec (802.1AE): readable only when it authenticates without encrypting."""

from __future__ import annotations

from lbtrace.decode import ethertypes
from lbtrace.decode.packet import Outcome, Packet, Skip

NAME = "macsec"
ETHERTYPES = (0x88E5,)
ENCRYPTED, CHANGED, EXPLICIT = 0x08, 0x04, 0x20


def peel(packet: Packet) -> Outcome:
    """The tag is six bytes, fourteen with an explicit channel; sixteen bytes of check value end the
    frame.
    """
    flags = packet.u8(0)
    if flags & (ENCRYPTED | CHANGED):
        return Skip("macsec (encrypted)")
    size = 6 - 2 + (8 if flags & EXPLICIT else 0) + 2
    kind = packet.u16(size)
    packet.at += size + 2
    return ethertypes.step(kind, packet)
