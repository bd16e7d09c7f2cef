"""Link types seldom met: those whose header says nothing lbtrace needs are rows of a table, the
others a step each. Numbers and layouts: tcpdump.org/linktypes.html.
"""

from __future__ import annotations

from lbtrace.decode.dispatch import ETHERTYPES, LINK_TYPES, behind, behind_ethertype, ethertype_at
from lbtrace.decode.ethernet import ethernet, llc
from lbtrace.decode.ip import either
from lbtrace.decode.packet import Outcome, Packet, Skip
from lbtrace.decode.ppp import cisco_hdlc, ppp

# link type → bytes of its header, what follows
for _link, (_size, _following) in {
    100: (0, llc),  # LLC over ATM (RFC 2684)
    109: (12, either),  # OpenBSD enc: IPsec in the clear behind family, association, flags
    122: (16, llc),  # IP over Fibre Channel (RFC 2625): two addresses of eight bytes
    123: (4, llc),  # SunATM: LLC over ATM behind the circuit
    226: (24, either),  # Solaris ipnet
}.items():
    LINK_TYPES.register(_link)(behind(_size, _following))

# IP over IEEE 1394 as Apple captures it: two addresses of eight bytes, then an EtherType
LINK_TYPES.register(138)(behind_ethertype(16))

ARCNET_SKIPS = {213: "arp", 241: "arp", 214: "rarp"}
ERF_ETHERNET, ERF_HDLC, ERF_IP = (2, 11, 16, 20), (1, 9, 10, 14, 17), (22, 23)
FRAME_RELAY_IP, FRAME_RELAY_SNAP = (0xCC, 0x8E), 0x80
JUNIPER_MAGIC, JUNIPER_EXTENDED, JUNIPER_NO_LINK = 0x4D4743, 0x80, 0x02
JUNIPER_LINKS = {178: ethernet, 179: ppp, 181: cisco_hdlc}
NFLOG_PAYLOAD = 9
PPI, PKTAP = (192,), (258, 149)  # 149 is the older number of pktap


@LINK_TYPES.register(6)
def token_ring(packet: Packet) -> Outcome:
    """Token Ring (RFC 1042): access and frame control, two addresses, a route when the source
    address has its first bit set; then LLC.
    """
    routed = packet.u8(8) & 0x80
    packet.at += 14
    if routed:
        packet.at += packet.u8(0) & 0x1F
    return llc


@LINK_TYPES.register(7, 129)
def arcnet(packet: Packet) -> Outcome:
    """ARCNET (RFC 1201, RFC 1051): source, destination, in Linux (129) an offset of two bytes, then
    the protocol; RFC 1201 adds a split flag and a sequence number.
    """
    packet.at += 4 if packet.link == 129 else 2
    protocol = packet.u8(0)
    packet.at += 1
    if protocol in (212, 196):
        flag = packet.u8(0)
        packet.at += 7 if flag == 0xFF else 3
        return either if flag in (0, 0xFF) else Skip("arcnet-fragment")
    return either if protocol == 240 else Skip(ARCNET_SKIPS.get(protocol, "arcnet"))


@LINK_TYPES.register(8)
def slip(packet: Packet) -> Outcome:
    """SLIP behind the 16 bytes libpcap puts before it (direction, compressed header), or IP at
    once.
    """
    if packet.u8(0) >> 4 not in (4, 6):
        packet.at += 16
    return either


@LINK_TYPES.register(10)
def fddi(packet: Packet) -> Outcome:
    """FDDI (RFC 1188): frame control and two addresses, then LLC when the frame carries it."""
    if packet.u8(0) & 0xF0 != 0x50:
        return Skip("fddi-control")
    packet.at += 13
    return llc


@LINK_TYPES.register(107)
def frame_relay(packet: Packet) -> Outcome:
    """Frame Relay: two to four address bytes (the last has bit 0 set), then 0x03 and a protocol
    identifier (RFC 2427), or Cisco's way, an EtherType.
    """
    while not packet.u8(0) & 1:
        packet.at += 1
    packet.at += 1
    if packet.u8(0) != 3:
        return ethertype_at(packet, 0)
    identifier = packet.u8(1) or packet.u8(2)
    packet.at += 2 if packet.u8(1) else 3
    if identifier in FRAME_RELAY_IP:
        return either
    return ethertype_at(packet, 3) if identifier == FRAME_RELAY_SNAP else Skip("frame-relay")


LINK_TYPES.register(206)(behind(1, frame_relay))  # a byte that says which way the packet went


@LINK_TYPES.register(117)
def pflog(packet: Packet) -> Outcome:
    """OpenBSD's packet filter log: a header that says its length, padded to four bytes."""
    packet.at += packet.u8(0) + 3 & ~3
    return either


@LINK_TYPES.register(*JUNIPER_LINKS)
def juniper(packet: Packet) -> Outcome:
    """Juniper routers: magic, flags, the length of extensions when there are any."""
    if packet.uint(0, 3) != JUNIPER_MAGIC:
        return Skip("juniper")
    flags = packet.u8(3)
    packet.at += 6 + packet.u16(4) if flags & JUNIPER_EXTENDED else 4
    return Skip("juniper") if flags & JUNIPER_NO_LINK else JUNIPER_LINKS[packet.link]


@LINK_TYPES.register(197)
def endace(packet: Packet) -> Outcome:
    """Endace ERF records: 16 bytes, of which byte 8 is the record type; its top bit, and the top
    bit of each extension header, announce another extension of eight bytes.
    """
    kind = packet.u8(8)
    packet.at += 16
    more = kind & 0x80
    while more:
        more = packet.u8(0) & 0x80
        packet.at += 8
    kind &= 0x7F
    if kind in ERF_ETHERNET:
        packet.at += 2
        return ethernet
    if kind in ERF_HDLC:
        return ppp if packet.u8(0) == 0xFF else cisco_hdlc
    return either if kind in ERF_IP else Skip("erf")


@LINK_TYPES.register(239)
def netfilter_log(packet: Packet) -> Outcome:
    """Linux nflog: family, version, resource; then fields of length, type and value, padded to four
    bytes, in the byte order of the machine that captured: the one that makes the first length the
    smaller number. The packet is the field NFLOG_PAYLOAD.
    """
    packet.at += 4
    little = packet.uint(0, 2, "little") <= packet.uint(0, 2, "big")
    while True:
        size, kind = (packet.uint(at, 2, "little" if little else "big") for at in (0, 2))
        if size < 4:
            return Skip("malformed-nflog")
        if kind == NFLOG_PAYLOAD:
            packet.at += 4
            packet.limit(min(size - 4, packet.wire_end - packet.at))
            return either
        packet.at += size + 3 & ~3


@LINK_TYPES.register(242)
def infiniband(packet: Packet) -> Outcome:
    """IP over InfiniBand (RFC 4391 §6): a pseudo header of 40 bytes with the destination, the
    EtherType, two reserved bytes.
    """
    kind = packet.u16(40)
    packet.at += 44
    return ETHERTYPES[kind]


@LINK_TYPES.register(*PPI)
def per_packet_information(packet: Packet) -> Outcome:
    """PPI, little-endian: version, flags, length of the header, link type of what follows."""
    size, link = packet.uint(2, 2, "little"), packet.uint(4, 4, "little")
    if size < 8 or link in PPI or link not in LINK_TYPES:
        return Skip(f"ppi link type {link}")
    packet.at += size
    packet.link = link
    return LINK_TYPES[link]


@LINK_TYPES.register(*PKTAP)
def pktap(packet: Packet) -> Outcome:
    """Darwin's pktap, little-endian: length of the header, record type (1 for a packet), link type
    of what follows.
    """
    size, kind, link = (packet.uint(at, 4, "little") for at in (0, 4, 8))
    if kind != 1 or size < 12 or link in PKTAP or link not in LINK_TYPES:
        return Skip(f"pktap link type {link}")
    packet.at += size
    packet.link = link
    return LINK_TYPES[link]
