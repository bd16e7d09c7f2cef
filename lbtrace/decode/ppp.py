"""PPP frames (RFC 1661, HDLC-like framing RFC 1662), the protocol field one or two bytes long."""

from __future__ import annotations

from lbtrace.decode import hdlc, ip
from lbtrace.decode.link import ethernet
from lbtrace.decode.packet import Outcome, Packet, Skip

IPV4, IPV6, MPLS, MPLS_MULTICAST, BRIDGING = 0x0021, 0x0057, 0x0281, 0x0283, 0x0031
NAMES = {
    0x002D: "ppp (compressed TCP)",
    0x002F: "ppp (compressed TCP)",
    0x003D: "ppp-multilink",
    0x00FD: "ppp (compressed)",
    0x0053: "ppp (encrypted)",
}
CISCO_ADDRESSES = (0x0F, 0x8F)


def peel(packet: Packet) -> Outcome:
    """Optional address and control (0xff03), then the protocol. An address of Cisco HDLC is Cisco
    HDLC.
    """
    from lbtrace.decode.tunnel import mpls

    first = packet.u8(0)
    if first in CISCO_ADDRESSES and packet.u8(1) == 0:
        return hdlc.peel
    if first == 0xFF and packet.u8(1) == 3:
        packet.at += 2
        first = packet.u8(0)
    if first & 1:
        protocol = first
        packet.at += 1
    else:
        protocol = packet.u16(0)
        packet.at += 2
    if protocol == IPV4:
        return ip.v4
    if protocol == IPV6:
        return ip.v6
    if protocol in (MPLS, MPLS_MULTICAST):
        packet.peeled.append("mpls")
        return mpls.peel
    if protocol == BRIDGING:
        packet.at += 2
        return ethernet.peel
    return Skip(
        NAMES.get(
            protocol, "ppp-control" if protocol >= 0x8000 else f"ppp protocol 0x{protocol:04x}"
        )
    )


def guess(packet: Packet) -> Outcome:
    """Behind an L2TPv3 header: Ethernet or PPP after a cookie and sublayer of 0 to 12 bytes,
    wherever a plausible IP header follows.
    """
    for cookie in (0, 4, 8, 12):
        at = packet.at + cookie
        if at + 34 > packet.end:
            break
        kind = int.from_bytes(packet.data[at + 12 : at + 14], "big")
        version = packet.data[at + 14] >> 4
        if (kind, version) in ((0x0800, 4), (0x86DD, 6)) or kind == 0x8100:
            packet.at = at
            return ethernet.peel
        if bytes(packet.data[at : at + 4]) in (b"\xff\x03\x00\x21", b"\xff\x03\x00\x57"):
            packet.at = at
            return peel
    return Skip("l2tp")
