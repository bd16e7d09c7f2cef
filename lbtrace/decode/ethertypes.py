"""EtherType → the step behind it (IEEE 802 numbers), and LLC (IEEE 802.2) for frames that have a
length instead.
"""

from __future__ import annotations

from lbtrace.decode import ip, tunnel
from lbtrace.decode.packet import Outcome, Packet, Skip

NAMES = {
    0x0806: "arp",
    0x8035: "rarp",
    0x22F0: "avtp",
    0x8808: "pause",
    0x8809: "lacp",
    0x8863: "pppoe-discovery",
    0x888E: "eapol",
    0x8892: "profinet",
    0x88A4: "ethercat",
    0x88CC: "lldp",
    0x88D9: "lltd",
    0x88F7: "ptp",
    0x8902: "cfm",
    0x9000: "loopback-test",
}
LLC_NAMES = {0x42: "stp", 0xE0: "ipx", 0xF0: "netbios", 0xFE: "osi", 0xFF: "ipx"}


def step(kind: int, packet: Packet) -> Outcome:
    """What is behind this EtherType; below 1536 it is the length of an 802.3 frame."""
    from lbtrace.decode.link import ethernet

    if kind == 0x0800:
        return ip.v4
    if kind == 0x86DD:
        return ip.v6
    if kind == tunnel.ETHERNET:
        return ethernet.peel
    if found := tunnel.registry().ethertypes.get(kind):
        return found
    if kind < 0x0600:
        return llc
    return Skip(NAMES.get(kind, f"ethertype 0x{kind:04x}"))


def llc(packet: Packet) -> Outcome:
    """LLC, and SNAP in it."""
    service = packet.u8(0)
    if service == 0xAA and packet.u8(1) == 0xAA:
        organisation, kind = packet.uint(3, 3), packet.u16(6)
        packet.at += 8
        return (
            step(kind, packet)
            if organisation in (0, 0x0000F8) and kind >= 0x0600
            else Skip("llc-snap")
        )
    if service == 0x06:
        packet.at += 3
        return ip.v4
    return Skip(LLC_NAMES.get(service, "llc"))
