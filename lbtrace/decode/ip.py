"""IPv4 (RFC 791) and IPv6 (RFC 8200) headers → TCP, or what else is in there.

Checksums are never looked at: a capture sees packets before offload fills them in.
"""

from __future__ import annotations

from lbtrace.decode import tunnel
from lbtrace.decode.packet import Found, Outcome, Packet, Skip

TCP, UDP, FRAGMENT = 6, 17, 44
NAMES = {
    0: "ipv6-hop-by-hop",
    1: "icmp",
    2: "igmp",
    33: "dccp",
    46: "rsvp",
    50: "esp (encrypted)",
    58: "icmpv6",
    59: "no-next-header",
    88: "eigrp",
    89: "ospf",
    103: "pim",
    112: "vrrp",
    132: "sctp",
    136: "udplite",
}
EXTENSIONS = {
    0,
    43,
    60,
    135,
    139,
    140,
}  # hop-by-hop, routing, destination, mobility, HIP, shim6: all say their length alike


def either(packet: Packet) -> Outcome:
    """IP by its version nibble."""
    version = packet.u8(0) >> 4
    return v4 if version == 4 else v6 if version == 6 else Skip("not-ip")


def v4(packet: Packet) -> Outcome:
    """An IPv4 header. A total length of 0 is what segmentation offload leaves: the frame's own
    length counts then.
    """
    first, total, fragment, protocol = packet.u8(0), packet.u16(2), packet.u16(6), packet.u8(9)
    size = (first & 15) * 4
    if first >> 4 != 4 or size < 20 or (total and total < size):
        return Skip("malformed-ip")
    ip = packet.ip = Found(packet.take(12, 4), packet.take(16, 4), packet.u8(8), packet.u16(4))
    packet.skip_options(size)
    if total:
        packet.limit(total - size)
    offset, more = (fragment & 0x1FFF) * 8, bool(fragment & 0x2000)
    if offset or more:
        return _fragment(packet, protocol, protocol, ip.ip_id, offset, more)
    return protocol_step(protocol, packet)


def v6(packet: Packet) -> Outcome:
    """An IPv6 header and its extension headers. A payload length of 0 is a jumbogram or offload:
    the frame's own length counts then.
    """
    if packet.u8(0) >> 4 != 6:
        return Skip("malformed-ip")
    length, following = packet.u16(4), packet.u8(6)
    packet.ip = Found(packet.take(8, 16), packet.take(24, 16), packet.u8(7), 0)
    packet.at += 40
    if length:
        packet.limit(length)
    return protocol_step(following, packet)


def protocol_step(protocol: int, packet: Packet) -> Outcome:
    """What an IP protocol number leads to; IPv6 extension headers are walked over."""
    from lbtrace.decode import udp

    ip = packet.ip
    if ip is None:
        return Skip("not-ip")
    if len(ip.source) == 16:
        while protocol in EXTENSIONS:
            protocol, size = packet.u8(0), 8 + 8 * packet.u8(1)
            packet.at += size
        if protocol == FRAGMENT:
            protocol, bits, identification = packet.u8(0), packet.u16(2), packet.u32(4)
            packet.at += 8
            if bits & 0xFFF9:
                return _fragment(packet, protocol, 0, identification, bits & 0xFFF8, bool(bits & 1))
            return protocol_step(protocol, packet)
    if protocol == TCP:
        return ip
    if protocol == UDP:
        return udp.peel
    if found := tunnel.registry().ip_protocols.get(protocol):
        return found
    return Skip(NAMES.get(protocol, f"ip protocol {protocol}"))


def _fragment(
    packet: Packet, protocol: int, key_protocol: int, identification: int, offset: int, more: bool
) -> Outcome:
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
    packet.data, packet.at, packet.end, packet.wire_end = (
        whole.data,
        0,
        whole.captured,
        len(whole.data),
    )
    packet.made = True
    return protocol_step(whole.protocol, packet)
