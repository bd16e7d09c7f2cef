"""GRE (RFC 2784, RFC 2890), its enhanced form in PPTP (RFC 2637), GRE in UDP (RFC 8086), and ERSPAN
I, II and III in it.
"""

from __future__ import annotations

import numpy as np

from lbtrace.decode.dispatch import (
    BRIDGED_ETHERNET,
    ETHERTYPES,
    IP_PROTOCOLS,
    IPV4,
    IPV6,
    UDP_PORTS,
    counted,
    fast_tunnel,
)
from lbtrace.decode.ethernet import ethernet
from lbtrace.decode.ieee80211 import frame
from lbtrace.decode.ip import either
from lbtrace.decode.packet import Outcome, Packet, Skip
from lbtrace.decode.ppp import ppp
from lbtrace.tables.columns import Column
from lbtrace.tables.views import Views

GRE, GRE_PORT = 47, 4754
CHECKSUM, ROUTING, KEY, SEQUENCE, ACKNOWLEDGE, VERSION = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080, 7
PPTP = 1  # the version of enhanced GRE
ERSPAN_2, ERSPAN_3, PPP = 0x88BE, 0x22EB, 0x880B
ARUBA_WLAN = range(0x8200, 0x8400, 0x10)


@UDP_PORTS.register(GRE_PORT)
@IP_PROTOCOLS.register(GRE)
@counted("gre")
def gre(packet: Packet) -> Outcome:
    """Flags, EtherType, then the fields the flags announce. The key names the network; in PPTP it
    holds a call identifier that differs by direction, and names none.
    """
    flags, kind = packet.u16(0), packet.u16(2)
    if flags & ROUTING:
        return Skip("gre-source-route")
    enhanced = flags & VERSION == PPTP
    at = 8 if flags & CHECKSUM else 4
    key = packet.u32(at) if flags & KEY else None
    following = (flags & KEY, flags & SEQUENCE, flags & ACKNOWLEDGE and enhanced)
    packet.at += at + 4 * sum(map(bool, following))
    if enhanced:
        packet.networks.append("gre")
        return ppp if kind == PPP and packet.at < packet.wire_end else Skip("gre-control")
    packet.networks.append("gre" if key is None else f"gre {key}")
    if kind == ERSPAN_2:
        return _erspan_2 if flags & SEQUENCE else _erspan_1
    if kind == ERSPAN_3:
        return _erspan_3
    if kind in ARUBA_WLAN:
        return frame
    return ETHERTYPES[kind] if kind else Skip("gre-control")


@fast_tunnel("gre", ip_protocols=(GRE,), udp_ports=(GRE_PORT,))
def locate_gre(views: Views, at: Column) -> tuple[Column, Column, Column, Column]:
    """See FastTunnel. Only what is no kind of its own (ERSPAN, PPTP) and has neither checksum nor
    source route.
    """
    flags, kind = views.u16[at], views.u16[at + 2].astype(np.int64)
    keyed = flags & KEY != 0
    inside = at + 4 + np.where(keyed, 4, 0) + np.where(flags & SEQUENCE, 4, 0)
    plain = np.isin(kind, (IPV4, IPV6, BRIDGED_ETHERNET))
    good = (flags & (CHECKSUM | ROUTING | VERSION) == 0) & plain
    return inside, kind, np.where(keyed, views.u32[at + 4].astype(np.int64), -1), good


@counted("erspan")
def _erspan_1(packet: Packet) -> Outcome:
    """No header of its own."""
    return ethernet


def _erspan_2(packet: Packet) -> Outcome:
    """Eight bytes: version, VLAN, session, port index."""
    version, session = packet.u8(0) >> 4, packet.u16(2) & 0x3FF
    if version == 2:
        return _erspan_3
    packet.at += 8
    packet.peeled.append("erspan")
    packet.networks[-1] = f"erspan {session}"
    return ethernet


def _erspan_3(packet: Packet) -> Outcome:
    """Twelve bytes, and eight more of platform data when the last bit says so."""
    session, inner, last = packet.u16(2) & 0x3FF, packet.u16(10) >> 11 & 0x1F, packet.u8(11)
    packet.at += 12 + (8 if last & 1 else 0)
    packet.peeled.append("erspan")
    packet.networks[-1] = f"erspan {session}"
    return either if inner == 2 else ethernet
