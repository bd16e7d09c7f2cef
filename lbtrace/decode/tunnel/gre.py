"""GRE (RFC 2784, RFC 2890), its enhanced form in PPTP (RFC 2637), GRE in UDP (RFC 8086), and ERSPAN
I, II and III in it.
"""

from __future__ import annotations

import numpy as np

from lbtrace.decode import ethertypes, ppp, wlan
from lbtrace.decode.link import ethernet
from lbtrace.decode.packet import Outcome, Packet, Skip
from lbtrace.decode.tunnel import ETHERNET
from lbtrace.decode.views import Views
from lbtrace.tables.packets import Column

NAME = "gre"
IP_PROTOCOLS = (47,)
UDP_PORTS = (4754,)

CHECKSUM, ROUTING, KEY, SEQUENCE, ACKNOWLEDGE = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080
ERSPAN_2, ERSPAN_3, PPP = 0x88BE, 0x22EB, 0x880B
PLAIN = (0x0800, 0x86DD, ETHERNET)  # what `locate` follows
ARUBA_WLAN = range(0x8200, 0x8400, 0x10)


def peel(packet: Packet) -> Outcome:
    """Flags, EtherType, then the fields the flags announce."""
    flags, kind = packet.u16(0), packet.u16(2)
    if flags & ROUTING:
        return Skip("gre-source-route")
    at = 4 + (4 if flags & CHECKSUM else 0)
    key = packet.u32(at) if flags & KEY else None
    at += (
        (4 if flags & KEY else 0)
        + (4 if flags & SEQUENCE else 0)
        + (4 if flags & ACKNOWLEDGE and flags & 7 == 1 else 0)
    )
    packet.at += at
    if flags & 7 == 1:
        packet.networks.append("gre")  # the call identifier differs by direction
        return ppp.peel if kind == PPP and packet.at < packet.wire_end else Skip("gre-control")
    packet.networks.append("gre" if key is None else f"gre {key}")
    if kind == ERSPAN_2:
        return erspan_2 if flags & SEQUENCE else _erspan_1
    if kind == ERSPAN_3:
        return erspan_3
    if kind in ARUBA_WLAN:
        return wlan.peel
    return ethertypes.step(kind, packet) if kind else Skip("gre-control")


def _erspan_1(packet: Packet) -> Outcome:
    packet.peeled.append("erspan")
    return ethernet.peel


def erspan_2(packet: Packet) -> Outcome:
    """Eight bytes: version, VLAN, session, port index."""
    version, session = packet.u8(0) >> 4, packet.u16(2) & 0x3FF
    if version == 2:
        return erspan_3
    packet.at += 8
    packet.peeled.append("erspan")
    packet.networks[-1] = f"erspan {session}"
    return ethernet.peel


def erspan_3(packet: Packet) -> Outcome:
    """Twelve bytes, and eight more of platform data when the last bit says so."""
    session, frame, last = packet.u16(2) & 0x3FF, packet.u16(10) >> 11 & 0x1F, packet.u8(11)
    packet.at += 12 + (8 if last & 1 else 0)
    packet.peeled.append("erspan")
    packet.networks[-1] = f"erspan {session}"
    if frame == 2:
        from lbtrace.decode import ip

        return ip.either
    return ethernet.peel


def locate(views: Views, at: Column) -> tuple[Column, Column, Column, Column]:
    """See FastTunnel.locate. Only what is no kind of its own (ERSPAN, PPTP) and has neither
    checksum nor source route.
    """
    flags, kind = views.u16[at], views.u16[at + 2].astype(np.int64)
    keyed = flags & KEY != 0
    inside = at + 4 + np.where(keyed, 4, 0) + np.where(flags & SEQUENCE, 4, 0)
    good = (flags & (CHECKSUM | ROUTING | 7) == 0) & np.isin(kind, PLAIN)
    return inside, kind, np.where(keyed, views.u32[at + 4].astype(np.int64), -1), good
