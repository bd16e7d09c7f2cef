"""GENEVE (RFC 8926); AWS Gateway Load Balancer speaks it on UDP 6081."""

from __future__ import annotations

import numpy as np

from lbtrace.decode import ethertypes
from lbtrace.decode.packet import Outcome, Packet, Skip
from lbtrace.decode.views import Views
from lbtrace.tables.packets import Column

NAME = "geneve"
UDP_PORTS = (6081,)


def peel(packet: Packet) -> Outcome:
    """Version and option length, flags, EtherType of what is inside, network identifier,
    options.
    """
    first, kind, network = packet.u8(0), packet.u16(2), packet.uint(4, 3)
    if first >> 6:
        return Skip("udp")
    packet.at += 8 + (first & 0x3F) * 4
    packet.networks.append(f"geneve {network}")
    return ethertypes.step(kind, packet)


def locate(views: Views, at: Column) -> tuple[Column, Column, Column, Column]:
    """See FastTunnel.locate."""
    first = views.u8[at]
    inside = at + 8 + (first & 0x3F).astype(np.int64) * 4
    return (
        inside,
        views.u16[at + 2].astype(np.int64),
        (views.u32[at + 4] >> 8).astype(np.int64),
        first < 0x40,
    )
