"""IPv4 (RFC 791) and IPv6 (RFC 8200) headers → TCP, or what else is in there; and the link types
that have IP at once.

Checksums are never looked at: a capture sees packets before offload fills them in.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from lbtrace.decode.dispatch import (
    ETHERTYPES,
    IP_PROTOCOLS,
    IPV4,
    IPV6,
    LINK_TYPES,
    PPP_PROTOCOLS,
    fast_link,
)
from lbtrace.decode.packet import IpHeader, Outcome, Packet, Skip
from lbtrace.tables.columns import Column
from lbtrace.tables.views import Views

TCP, FRAGMENT = 6, 44
# RFC 8200 §4.1 asks for each header once, but for destination options; nobody sends so many
MAX_EXTENSION_HEADERS = 64
IP_PROTOCOLS.skip(
    {
        0: "ipv6-hop-by-hop",
        2: "igmp",
        33: "dccp",
        46: "rsvp",
        50: "esp (encrypted)",
        59: "no-next-header",
        88: "eigrp",
        89: "ospf",
        103: "pim",
        112: "vrrp",
        132: "sctp",
        136: "udplite",
    }
)
# Hop-by-hop options, routing, destination options, mobility, HIP, shim6: all state their length in
# the same way (RFC 6564).
EXTENSIONS = {0, 43, 60, 135, 139, 140}

# Address families of IP in a BSD loopback header: IPv4; IPv6 of Linux, Windows, NetBSD and OpenBSD,
# FreeBSD, Darwin
IP_FAMILIES = (2, 10, 23, 24, 28, 30)


@LINK_TYPES.register(12, 14, 101, 228, 229)  # 12 and 14 are DLT_RAW as some systems number it
def either(packet: Packet) -> Outcome:
    """IP by its version nibble."""
    version = packet.u8(0) >> 4
    return v4 if version == 4 else v6 if version == 6 else Skip("not-ip")


@fast_link(12, 14, 101, 228, 229, header_bytes=1)
def locate_raw(views: Views, offset: Column) -> tuple[Column, Column]:
    """See FastLink."""
    return offset, _ethertype(views.u8[offset] >> 4)


@LINK_TYPES.register(0, 108)
def loopback(packet: Packet) -> Outcome:
    """BSD loopback: four bytes of address family, in the byte order of the machine that captured
    (0) or in network order (108); then IP, by its own version nibble.
    """
    family = packet.u32(0)
    if family > 0xFFFF:
        family = packet.uint(0, 4, "little")
    packet.at += 4
    return either if family in IP_FAMILIES else Skip(f"address family {family}")


@fast_link(0, 108, header_bytes=5)
def locate_loopback(views: Views, offset: Column) -> tuple[Column, Column]:
    """See FastLink."""
    family = views.u32[offset].astype(np.uint32)
    family = np.where(family > 0xFFFF, family.byteswap(), family)
    version = views.u8[offset + 4] >> 4
    return offset + 4, _ethertype(np.where(np.isin(family, IP_FAMILIES), version, 0))


def _ethertype(version: Column) -> Column:
    """IP versions → EtherTypes, −1 for what is no IP."""
    return np.select([version == 4, version == 6], [IPV4, IPV6], -1)


@PPP_PROTOCOLS.register(0x0021)
@ETHERTYPES.register(IPV4)
def v4(packet: Packet) -> Outcome:
    """An IPv4 header. A total length of 0 is what segmentation offload leaves: the frame's own
    length counts then.
    """
    first, total, fragment, protocol = packet.u8(0), packet.u16(2), packet.u16(6), packet.u8(9)
    size = (first & 15) * 4
    if first >> 4 != 4 or size < 20 or (total and total < size):
        return Skip("malformed-ip")
    ip = packet.ip = IpHeader(packet.take(12, 4), packet.take(16, 4), packet.u8(8), packet.u16(4))
    packet.skip_options(size)
    if total:
        packet.limit(total - size)
    offset, more = (fragment & 0x1FFF) * 8, bool(fragment & 0x2000)
    if offset or more:
        return _fragment(packet, protocol, protocol, ip.ip_id, offset, more)
    return inside(protocol, packet)


@PPP_PROTOCOLS.register(0x0057)
@ETHERTYPES.register(IPV6)
def v6(packet: Packet) -> Outcome:
    """An IPv6 header and its extension headers. A payload length of 0 is a jumbogram or offload:
    the frame's own length counts then.
    """
    if packet.u8(0) >> 4 != 6:
        return Skip("malformed-ip")
    length, following = packet.u16(4), packet.u8(6)
    packet.ip = IpHeader(packet.take(8, 16), packet.take(24, 16), packet.u8(7), 0)
    packet.at += 40
    if length:
        packet.limit(length)
    return inside(following, packet)


def inside(protocol: int, packet: Packet) -> Outcome:
    """What an IP protocol number leads to; IPv6 extension headers are walked over."""
    ip = packet.ip
    if ip is None:
        return Skip("not-ip")
    if ip.is_v6:
        for _ in range(MAX_EXTENSION_HEADERS):
            if protocol in EXTENSIONS:
                protocol, size = packet.u8(0), 8 + 8 * packet.u8(1)
                packet.at += size
            elif protocol == FRAGMENT:
                protocol, bits, identification = packet.u8(0), packet.u16(2), packet.u32(4)
                packet.at += 8
                if bits & 0xFFF9:  # neither the first nor the only one (RFC 6946: atomic)
                    offset, more = bits & 0xFFF8, bool(bits & 1)
                    return _fragment(packet, protocol, 0, identification, offset, more)
            else:
                break
        else:
            return Skip("nested-too-deep")
    return ip if protocol == TCP else IP_PROTOCOLS[protocol]


def _fragment(
    packet: Packet, protocol: int, key_protocol: int, identification: int, offset: int, more: bool
) -> Outcome:
    """The datagram that this fragment completes, else a Skip."""
    ip = packet.ip
    if ip is None or packet.fragments is None:
        return Skip("ip-fragment")
    key = (ip.source, ip.target, key_protocol, identification, " / ".join(packet.networks))
    data = bytes(packet.data[packet.at : packet.end])
    whole = packet.fragments.add(
        key, protocol, offset, more, data, packet.wire_end - packet.at, packet.time_ns
    )
    if whole is None:
        return Skip("ip-fragment")
    packet.peeled.append("ip-fragments")
    packet.replace(whole.data, whole.captured)
    # a step of its own: how deep datagrams nest in fragments of each other is bounded by the caller
    return partial(inside, whole.protocol)
