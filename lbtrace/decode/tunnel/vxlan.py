"""VXLAN (RFC 7348) and its generic protocol extension; AWS Traffic Mirroring sends it to UDP 4789,
old Linux to 8472.
"""

from __future__ import annotations

import numpy as np

from lbtrace.decode import ethertypes, ip
from lbtrace.decode.link import ethernet
from lbtrace.decode.packet import Outcome, Packet, Skip
from lbtrace.decode.tunnel import ETHERNET
from lbtrace.decode.views import Views
from lbtrace.tables.packets import Column

NAME = "vxlan"
UDP_PORTS = (4789, 8472, 4790)
GENERIC = {4: 0x894F, 5: 0x8847}  # next protocol → EtherType: NSH, MPLS


def peel(packet: Packet) -> Outcome:
    """Eight bytes: flags, reserved (with the P flag the last of them is the next protocol), network
    identifier, reserved.
    """
    flags, following, network = packet.u8(0), packet.u8(3), packet.uint(4, 3)
    if not flags & 0x08:
        return Skip("udp")
    packet.at += 8
    packet.networks.append(f"vxlan {network}")
    if flags & 0x04 and following in (1, 2):
        return ip.either
    if flags & 0x04 and following in GENERIC:
        return ethertypes.step(GENERIC[following], packet)
    return ethernet.peel  # whatever the reserved fields hold


def locate(views: Views, at: Column) -> tuple[Column, Column, Column, Column]:
    """See FastTunnel.locate. The protocol extension goes the slow way."""
    return (
        at + 8,
        np.full(len(at), ETHERNET),
        (views.u32[at + 4] >> 8).astype(np.int64),
        views.u8[at] & 0x0C == 0x08,
    )
