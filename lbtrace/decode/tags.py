"""Tags between an EtherType and the packet: VLAN, provider backbone, switch fabrics, MACsec, MPLS,
NSH. Each is peeled and counted.
"""

from __future__ import annotations

from lbtrace.decode.dispatch import (
    ETHERTYPES,
    IP_PROTOCOLS,
    PPP_PROTOCOLS,
    UDP_PORTS,
    behind_ethertype,
    counted,
    ethertype_at,
)
from lbtrace.decode.ethernet import ethernet
from lbtrace.decode.ip import either
from lbtrace.decode.packet import Outcome, Packet, Skip

VLAN = (0x8100, 0x88A8, 0x9100, 0x9200)  # 802.1Q, 802.1ad, and QinQ before it was a standard
MPLS = (0x8847, 0x8848)
MACSEC_ENCRYPTED, MACSEC_CHANGED, MACSEC_EXPLICIT = 0x08, 0x04, 0x20


@ETHERTYPES.register(*VLAN)
@counted("vlan")
def vlan(packet: Packet) -> Outcome:
    """Tag control (the VLAN in its low 12 bits), then the EtherType behind."""
    packet.networks.append(f"vlan {packet.u16(0) & 0xFFF}")
    return ethertype_at(packet, 2)


@ETHERTYPES.register(0x88E7)
@counted("802.1ah")
def provider_backbone(packet: Packet) -> Outcome:
    """802.1ah, MAC in MAC: four bytes, the service in the last three; then the customer's frame."""
    packet.networks.append(f"service {packet.uint(1, 3)}")
    packet.at += 4
    return ethernet


@ETHERTYPES.register(0x8903)
@counted("fabricpath")
def fabricpath(packet: Packet) -> Outcome:
    """Cisco FabricPath: two bytes between switches, then the host's whole frame."""
    packet.at += 2
    return ethernet


@ETHERTYPES.register(0x22F3)
@counted("fabricpath")
def trill(packet: Packet) -> Outcome:
    """TRILL (RFC 6325): six bytes, and options counted in words by the bits 10 to 6 of the first
    two; then the host's whole frame.
    """
    packet.at += 6 + (packet.u16(0) >> 6 & 0x1F) * 4
    return ethernet


# VN-Tag (802.1BR's ancestor), HSR, Cisco metadata: tags of fixed size that switches insert and
# sometimes leave in.
for _kind, _size in {0x8926: 4, 0x892F: 4, 0x8909: 6, 0x893F: 6}.items():
    ETHERTYPES.register(_kind)(counted("switch-tag")(behind_ethertype(_size)))


@ETHERTYPES.register(0x88E5)
@counted("macsec")
def macsec(packet: Packet) -> Outcome:
    """MACsec (802.1AE), readable when it authenticates without encrypting: six bytes, fourteen with
    an explicit channel, then the EtherType; sixteen bytes of check value end the frame.
    """
    flags = packet.u8(0)
    if flags & (MACSEC_ENCRYPTED | MACSEC_CHANGED):
        return Skip("macsec (encrypted)")
    return ethertype_at(packet, 14 if flags & MACSEC_EXPLICIT else 6)


@UDP_PORTS.register(6635)
@IP_PROTOCOLS.register(137)
@PPP_PROTOCOLS.register(0x0281, 0x0283)
@ETHERTYPES.register(*MPLS)
@counted("mpls")
def mpls(packet: Packet) -> Outcome:
    """MPLS labels (RFC 3032; in IP RFC 4023, in UDP RFC 7510) up to the bottom of the stack.

    They differ by direction, so they name no network. What follows is guessed, as every reader
    must: IP by its version, else a pseudowire, perhaps behind a control word (RFC 4448 §4.6).
    """
    while not packet.u8(2) & 1:
        packet.at += 4
    packet.at += 4
    first = packet.u8(0)
    if first >> 4 in (4, 6):
        return either
    if first == 0:
        packet.at += 4
    return ethernet


@ETHERTYPES.register(0x894F)
@counted("nsh")
def service_header(packet: Packet) -> Outcome:
    """Network Service Header (RFC 8300): its length in words is the low six bits of the first two
    bytes, the next protocol the fourth byte.
    """
    words, following = packet.u16(0) & 0x3F, packet.u8(3)
    packet.at += max(words * 4, 8)
    if following in (1, 2):
        return either
    return ethernet if following == 3 else Skip("nsh")
