"""UDP (RFC 768), here only a way to the tunnels that are found by its ports: VXLAN, GENEVE, GTP-U,
Teredo, LISP, AYIYA, CAPWAP. What does not look like the tunnel after all is skipped as "udp".
"""

from __future__ import annotations

import numpy as np

from lbtrace.decode.dispatch import (
    BRIDGED_ETHERNET,
    ETHERTYPES,
    IP_PROTOCOLS,
    UDP_PORTS,
    counted,
    fast_tunnel,
)
from lbtrace.decode.ethernet import ethernet
from lbtrace.decode.ieee80211 import either_byte_order
from lbtrace.decode.ip import either, v6
from lbtrace.decode.packet import Outcome, Packet, Skip
from lbtrace.tables.columns import Column
from lbtrace.tables.views import Views

UDP = 17
UDP_BYTES = 8
IPSEC_PORT = 4500  # ESP in UDP (RFC 3948)
HTTP3_PORT = 443  # QUIC, which carries HTTP/3 (RFC 9114 §3.1)
HTTP3_SKIP = "udp port 443"

VXLAN_PORTS = (4789, 8472, 4790)  # IANA's; old Linux; the generic protocol extension's
VXLAN_GENERIC = {4: 0x894F, 5: 0x8847}  # its next protocol → EtherType: NSH, MPLS
GENEVE_PORTS = (6081,)
GTP_USER_DATA = 0xFF
AYIYA_FORWARD, AYIYA_NEXT = 1, (4, 41)


@IP_PROTOCOLS.register(UDP)
def udp(packet: Packet) -> Outcome:
    """A tunnel by destination port, else by source port."""
    source, target, length = packet.u16(0), packet.u16(2), packet.u16(4)
    if IPSEC_PORT in (source, target):
        return Skip("esp (encrypted)")
    step = UDP_PORTS[target if target in UDP_PORTS else source]
    if isinstance(step, Skip):
        return Skip(HTTP3_SKIP) if HTTP3_PORT in (source, target) else step
    if length >= UDP_BYTES:
        packet.limit(min(length, packet.wire_end - packet.at))
    packet.at += UDP_BYTES
    return step


@UDP_PORTS.register(*VXLAN_PORTS)
@counted("vxlan")
def vxlan(packet: Packet) -> Outcome:
    """VXLAN (RFC 7348), which AWS Traffic Mirroring sends: flags, reserved, network identifier,
    reserved. With the P flag of its generic extension the last reserved byte before the identifier
    is the next protocol.
    """
    flags, following, network = packet.u8(0), packet.u8(3), packet.uint(4, 3)
    if not flags & 0x08:
        return Skip("udp")
    packet.at += 8
    packet.networks.append(f"vxlan {network}")
    if flags & 0x04 and following in (1, 2):
        return either
    if flags & 0x04 and following in VXLAN_GENERIC:
        return ETHERTYPES[VXLAN_GENERIC[following]]
    return ethernet  # whatever the reserved fields hold


@fast_tunnel("vxlan", udp_ports=VXLAN_PORTS)
def locate_vxlan(views: Views, at: Column) -> tuple[Column, Column, Column, Column]:
    """See FastTunnel. The generic extension goes the slow way."""
    network = (views.u32[at + 4] >> 8).astype(np.int64)
    return at + 8, np.full(len(at), BRIDGED_ETHERNET), network, views.u8[at] & 0x0C == 0x08


@UDP_PORTS.register(*GENEVE_PORTS)
@counted("geneve")
def geneve(packet: Packet) -> Outcome:
    """GENEVE (RFC 8926), which AWS Gateway Load Balancer speaks: version and option length, flags,
    EtherType of what is inside, network identifier, options.
    """
    first, kind, network = packet.u8(0), packet.u16(2), packet.uint(4, 3)
    if first >> 6:
        return Skip("udp")
    packet.at += 8 + (first & 0x3F) * 4
    packet.networks.append(f"geneve {network}")
    return ETHERTYPES[kind]


@fast_tunnel("geneve", udp_ports=GENEVE_PORTS)
def locate_geneve(views: Views, at: Column) -> tuple[Column, Column, Column, Column]:
    """See FastTunnel."""
    first = views.u8[at]
    inside = at + 8 + (first & 0x3F).astype(np.int64) * 4
    kind = views.u16[at + 2].astype(np.int64)
    network = (views.u32[at + 4] >> 8).astype(np.int64)
    return inside, kind, network, first < 0x40


@UDP_PORTS.register(2152)
@counted("gtp-u")
def gtp_user(packet: Packet) -> Outcome:
    """GTP-U (3GPP TS 29.281), user traffic of a mobile network: flags, message type, length,
    tunnel; with any of the flags E, S, PN four bytes more, and a chain of extension headers.

    Each direction has a tunnel identifier of its own, so it names no network.
    """
    flags, kind = packet.u8(0), packet.u8(1)
    if flags >> 5 != 1 or not flags & 0x10:
        return Skip("udp")
    if kind != GTP_USER_DATA:
        return Skip("gtp-control")
    packet.at += 8
    if flags & 7:
        following = packet.u8(3) if flags & 4 else 0
        packet.at += 4
        while following:
            size = packet.u8(0) * 4
            if not size:
                return Skip("malformed-gtp")
            following = packet.u8(size - 1)
            packet.at += size
    packet.networks.append("gtp-u")
    return either


@UDP_PORTS.register(3544)
@counted("teredo")
def teredo(packet: Packet) -> Outcome:
    """Teredo (RFC 4380): IPv6 behind authentication (0x0001) and origin (0x0000), each at most
    once.
    """
    if packet.u16(0) == 1:
        packet.at += 13 + packet.u8(2) + packet.u8(3)
    if packet.u16(0) == 0:
        packet.at += 8
    if packet.u8(0) >> 4 != 6:
        return Skip("udp")
    packet.networks.append("teredo")
    return v6


@UDP_PORTS.register(4341)
@counted("lisp")
def lisp(packet: Packet) -> Outcome:
    """LISP data (RFC 9300): eight bytes; the instance identifier is in the last four when the I
    flag is set.
    """
    flags, instance = packet.u8(0), packet.u32(4) >> 8
    packet.at += 8
    if packet.u8(0) >> 4 not in (4, 6):
        return Skip("udp")
    packet.networks.append(f"lisp {instance}" if flags & 0x08 else "lisp")
    return either


@UDP_PORTS.register(5072)
@counted("ayiya")
def ayiya(packet: Packet) -> Outcome:
    """Anything In Anything (draft-massar-v6ops-ayiya-02), the tunnel of SixXS: identity length (a
    power of two) and signature length (in words) in the upper halves of two bytes, then operation
    and protocol.
    """
    identity, signature = 1 << (packet.u8(0) >> 4), packet.u8(1) >> 4
    operation, following = packet.u8(2) & 15, packet.u8(3)
    if operation != AYIYA_FORWARD or following not in AYIYA_NEXT:
        return Skip("udp")
    packet.at += 8 + identity + signature * 4
    packet.networks.append("ayiya")
    return either


@UDP_PORTS.register(5247)
@counted("capwap")
def capwap_data(packet: Packet) -> Outcome:
    """CAPWAP data (RFC 5415), frames between wireless access points and their controller. Preamble
    1 means DTLS; the header length is in words, five bits of it; flag T: an 802.11 frame, else
    Ethernet.
    """
    if packet.u8(0) & 15:
        return Skip("capwap (encrypted)")
    words, native, fragment = packet.u8(1) >> 3, packet.u8(2) & 1, packet.u8(3) & 0x80
    if fragment:
        return Skip("capwap-fragment")
    packet.at += words * 4
    packet.networks.append("capwap")
    return either_byte_order if native else ethernet
