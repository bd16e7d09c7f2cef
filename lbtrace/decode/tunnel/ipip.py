"""IPv4 or IPv6 directly in IP: IPIP (RFC 2003), 6in4 (RFC 4213), 4in6 and 6in6 (RFC 2473)."""

from __future__ import annotations

import numpy as np

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet
from lbtrace.decode.views import Views
from lbtrace.tables.packets import Column

NAME = "ip-in-ip"
IP_PROTOCOLS = (4, 41, 94)


def peel(packet: Packet) -> Outcome:
    """No header of its own."""
    packet.networks.append("ip-in-ip")
    return ip.either


def locate(views: Views, at: Column) -> tuple[Column, Column, Column, Column]:
    """See FastTunnel.locate."""
    version = views.u8[at] >> 4
    return (
        at,
        np.where(version == 4, 0x0800, 0x86DD),
        np.full(len(at), -1),
        (version == 4) | (version == 6),
    )
