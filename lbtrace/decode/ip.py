"""IPv4 (RFC 791) and IPv6 (RFC 8200) headers → TCP, or what else is in there.

Checksums are never looked at: a capture sees packets before offload fills them in.
"""

from __future__ import annotations

from lbtrace.decode.packet import Found, Outcome, Packet, Skip, Step

TCP = 6
NAMES = {
    0: "ipv6-hop-by-hop",
    1: "icmp",
    2: "igmp",
    17: "udp",
    33: "dccp",
    46: "rsvp",
    50: "esp (encrypted)",
    58: "icmpv6",
    88: "eigrp",
    89: "ospf",
    103: "pim",
    108: "ipcomp (compressed)",
    112: "vrrp",
    115: "l2tp",
    132: "sctp",
    136: "udplite",
    59: "no-next-header",
}
EXTENSIONS = {0, 43, 60, 135, 139, 140}
STEPS: dict[int, Step] = {}


def either(packet: Packet) -> Outcome:
    """IP by its version nibble."""
    version = packet.u8(0) >> 4
    return v4 if version == 4 else v6 if version == 6 else Skip("not-ip")


def v4(packet: Packet) -> Outcome:
    """An IPv4 header. A total length of 0 is what segmentation offload leaves: the frame's own length counts then."""
    first, total, fragment, protocol = packet.u8(0), packet.u16(2), packet.u16(6), packet.u8(9)
    size = (first & 15) * 4
    if first >> 4 != 4 or size < 20 or (total and total < size):
        return Skip("malformed-ip")
    found = Found(packet.take(12, 4), packet.take(16, 4), packet.u8(8), packet.u16(4))
    if total:
        packet.limit(total)
    packet.at += size
    if fragment & 0x3FFF:
        return Skip("ip-fragment")
    return protocol_step(protocol, packet, found)


def v6(packet: Packet) -> Outcome:
    """An IPv6 header and its extension headers. A payload length of 0 is a jumbogram or offload: the frame's own length counts then."""
    if packet.u8(0) >> 4 != 6:
        return Skip("malformed-ip")
    length, following = packet.u16(4), packet.u8(6)
    found = Found(packet.take(8, 16), packet.take(24, 16), packet.u8(7), 0)
    packet.at += 40
    if length:
        packet.limit(length)
    while following in EXTENSIONS:
        kind, size = following, 8 + 8 * packet.u8(1)
        following = packet.u8(0)
        packet.at += size
        if kind == 43 and packet.at > packet.end:
            return Skip("truncated-headers")
    if following == 44:
        return Skip("ip-fragment")
    return protocol_step(following, packet, found)


def protocol_step(protocol: int, packet: Packet, found: Found) -> Outcome:
    """What an IP protocol number leads to."""
    if protocol == TCP:
        return found
    if protocol in STEPS:
        return STEPS[protocol]
    return Skip(NAMES.get(protocol, f"ip protocol {protocol}"))
