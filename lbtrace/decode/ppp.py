"""PPP (RFC 1661, HDLC-like framing RFC 1662) and its kin: Cisco HDLC, PPPoE (RFC 2516), L2TP."""

from __future__ import annotations

from lbtrace.decode.dispatch import (
    ETHERTYPES,
    IP_PROTOCOLS,
    IPV4,
    IPV6,
    LINK_TYPES,
    PPP_PROTOCOLS,
    UDP_PORTS,
    behind,
    counted,
)
from lbtrace.decode.ethernet import ethernet
from lbtrace.decode.packet import Outcome, Packet, Skip
from lbtrace.decode.tags import VLAN

PPP_PROTOCOLS.skip(
    {
        0x002D: "ppp (compressed TCP)",
        0x002F: "ppp (compressed TCP)",
        0x003D: "ppp-multilink",
        0x00FD: "ppp (compressed)",
        0x0053: "ppp (encrypted)",
    }
)
PPP_PROTOCOLS.register(0x0031)(behind(2, ethernet))  # bridging (RFC 3518)
CISCO_ADDRESSES = (0x0F, 0x8F)
SLARP, CDP, OSI = 0x8035, 0x2000, 0xFEFE  # what these EtherTypes are in Cisco HDLC
PPPOE_SESSION = 0x8864
PPPOE_BYTES = 6
# of L2TP version 2: flags, and the version in the low bits
L2TP_CONTROL, L2TP_LENGTH, L2TP_SEQUENCE, L2TP_OFFSET, L2TP_VERSION = (
    0x8000,
    0x4000,
    0x800,
    0x200,
    15,
)


@LINK_TYPES.register(9, 50)
def ppp(packet: Packet) -> Outcome:
    """Optional address and control (0xff03), then the protocol in one or two bytes. Cisco HDLC
    shares the link type numbers and has addresses of its own.
    """
    first = packet.u8(0)
    if first in CISCO_ADDRESSES and packet.u8(1) == 0:
        return cisco_hdlc
    if first == 0xFF and packet.u8(1) == 3:
        packet.at += 2
        first = packet.u8(0)
    if first & 1:
        packet.at += 1
        return PPP_PROTOCOLS[first]
    protocol = packet.u16(0)
    packet.at += 2
    return PPP_PROTOCOLS[protocol]


LINK_TYPES.register(51)(behind(PPPOE_BYTES, ppp))  # straight from a PPPoE interface
LINK_TYPES.register(204)(behind(1, ppp))  # a byte that says which way the packet went


@LINK_TYPES.register(166)
def pppd(packet: Packet) -> Outcome:
    """As pppd writes it: a direction byte in place of the address; the control byte may follow."""
    packet.at += 2 if packet.u8(1) == 3 else 1
    return ppp


@LINK_TYPES.register(104)
def cisco_hdlc(packet: Packet) -> Outcome:
    """Address, control, EtherType; of these 0x8035 is the keep-alive (SLARP) here, 0x2000 CDP."""
    kind = packet.u16(2)
    packet.at += 4
    if kind in (SLARP, CDP):
        return Skip("hdlc-control")
    return Skip("osi") if kind == OSI else ETHERTYPES[kind]


LINK_TYPES.register(205)(behind(1, cisco_hdlc))  # a byte that says which way the packet went


@ETHERTYPES.register(PPPOE_SESSION)
@counted("pppoe")
def pppoe_session(packet: Packet) -> Outcome:
    """Version and type, code, session, length."""
    code, session, length = packet.u8(1), packet.u16(2), packet.u16(4)
    if code:
        return Skip("pppoe-discovery")
    packet.at += PPPOE_BYTES
    packet.limit(length)
    packet.networks.append(f"pppoe {session}")
    return ppp


@UDP_PORTS.register(1701)
@counted("l2tp")
def l2tp(packet: Packet) -> Outcome:
    """L2TP version 2 (RFC 2661) or 3 (RFC 3931 §4.1.2) in UDP: flags and version, then the fields
    the flags announce. The identifiers differ by direction and name no network.
    """
    flags = packet.u16(0)
    if flags & L2TP_CONTROL:
        return Skip("l2tp-control")
    version = flags & L2TP_VERSION
    if version == 3:
        packet.at += 8
        packet.networks.append("l2tp")
        return _behind_cookie
    if version != 2:
        return Skip("udp")
    at = 6 + (2 if flags & L2TP_LENGTH else 0) + (4 if flags & L2TP_SEQUENCE else 0)
    if flags & L2TP_OFFSET:
        at += 2 + packet.u16(at)
    packet.at += at
    packet.networks.append("l2tp")
    return ppp


@IP_PROTOCOLS.register(115)
@counted("l2tp")
def l2tp_over_ip(packet: Packet) -> Outcome:
    """L2TP version 3 directly over IP (RFC 3931 §4.1.1): a session; 0 is the control connection."""
    if not packet.u32(0):
        return Skip("l2tp-control")
    packet.at += 4
    packet.networks.append("l2tp")
    return _behind_cookie


def _behind_cookie(packet: Packet) -> Outcome:
    """Behind an L2TPv3 session: a cookie and sublayer of 0 to 12 bytes, whose length no packet
    tells, then Ethernet or PPP: wherever a plausible IP header follows.
    """
    for cookie in (0, 4, 8, 12):
        at = packet.at + cookie
        if at + 34 > packet.end:
            break
        kind = int.from_bytes(packet.data[at + 12 : at + 14], "big")
        version = packet.data[at + 14] >> 4
        if (kind, version) in ((IPV4, 4), (IPV6, 6)) or kind == VLAN[0]:
            packet.at = at
            return ethernet
        if bytes(packet.data[at : at + 4]) in (b"\xff\x03\x00\x21", b"\xff\x03\x00\x57"):
            packet.at = at
            return ppp
    return Skip("l2tp")
