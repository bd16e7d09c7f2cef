"""EtherType → the step behind it (IEEE 802 numbers)."""

from __future__ import annotations

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet, Skip, Step

VLAN_TAGS = (0x8100, 0x88A8, 0x9100, 0x9200)
NAMES = {
    0x0806: "arp",
    0x8035: "rarp",
    0x88CC: "lldp",
    0x888E: "eapol",
    0x8809: "lacp",
    0x8863: "pppoe-discovery",
    0x88E5: "macsec (encrypted)",
    0x9000: "loopback-test",
    0x88D9: "lltd",
    0x22F0: "avtp",
    0x88F7: "ptp",
    0x8892: "profinet",
    0x88A4: "ethercat",
    0x86FF: "unknown",
}


def vlan(packet: Packet) -> Outcome:
    """An 802.1Q or 802.1ad tag: its VLAN id is part of the network's name."""
    identifier, kind = packet.u16(0) & 0xFFF, packet.u16(2)
    packet.at += 4
    packet.peeled.append("vlan")
    packet.networks.append(f"vlan {identifier}")
    return step(kind, packet)


STEPS: dict[int, Step] = {0x0800: ip.v4, 0x86DD: ip.v6, **dict.fromkeys(VLAN_TAGS, vlan)}


def step(kind: int, packet: Packet) -> Outcome:
    """What is behind this EtherType; below 1536 it is the length of an 802.3 frame."""
    if kind in STEPS:
        return STEPS[kind]
    if kind < 0x0600:
        return llc
    return Skip(NAMES.get(kind, f"ethertype 0x{kind:04x}"))


LLC_NAMES = {0x42: "stp", 0xE0: "ipx", 0xF0: "netbios", 0xFE: "osi"}


def llc(packet: Packet) -> Outcome:
    """LLC, and SNAP in it (IEEE 802.2)."""
    service = packet.u8(0)
    if service == 0xAA and packet.u8(1) == 0xAA:
        organisation, kind = packet.uint(3, 3), packet.u16(6)
        packet.at += 8
        return step(kind, packet) if organisation in (0, 0x0000F8) and kind >= 0x0600 else Skip("llc-snap")
    if service == 0x06:
        packet.at += 3
        return ip.v4
    return Skip(LLC_NAMES.get(service, "llc"))
