"""Ethernet II and IEEE 802.3 with LLC and SNAP, Linux cooked captures, and what switches and
analyzers put around an Ethernet frame.
"""

from __future__ import annotations

from lbtrace.decode.dispatch import (
    BRIDGED_ETHERNET,
    ETHERTYPES,
    IPV4,
    LINK_TYPES,
    behind,
    behind_ethertype,
    ethertype_at,
    fast_link,
)
from lbtrace.decode.packet import Outcome, Packet, Skip
from lbtrace.tables.columns import Column
from lbtrace.tables.views import Views

LEAST_ETHERTYPE = 0x0600  # a smaller number is the length of an 802.3 frame, and LLC follows
ETHERNET_BYTES, SLL_BYTES, SLL2_BYTES = 14, 16, 20

ETHERTYPES.skip(
    {
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
)
LLC_NAMES = {0x42: "stp", 0xE0: "ipx", 0xF0: "netbios", 0xFE: "osi", 0xFF: "ipx"}
SNAP, LLC_IP = 0xAA, 0x06
SNAP_ORGANISATIONS = (0, 0x0000F8)  # under these the protocol is an EtherType


@LINK_TYPES.register(1)
@ETHERTYPES.register(BRIDGED_ETHERNET)
def ethernet(packet: Packet) -> Outcome:
    """Behind the two addresses: an EtherType, or a length and LLC."""
    return ethertype_at(packet, 12)


@fast_link(1, header_bytes=ETHERNET_BYTES, kind_at=12)
def locate_ethernet(views: Views, offset: Column) -> tuple[Column, Column]:
    """See FastLink."""
    return offset + ETHERNET_BYTES, views.u16[offset + 12].astype("i8")


@ETHERTYPES.register(*range(LEAST_ETHERTYPE))
def llc(packet: Packet) -> Outcome:
    """LLC (IEEE 802.2), and SNAP in it."""
    service = packet.u8(0)
    if service == SNAP and packet.u8(1) == SNAP:
        organisation, kind = packet.uint(3, 3), packet.u16(6)
        packet.at += 8
        if organisation in SNAP_ORGANISATIONS and kind >= LEAST_ETHERTYPE:
            return ETHERTYPES[kind]
        return Skip("llc-snap")
    if service == LLC_IP:
        packet.at += 3
        return ETHERTYPES[IPV4]
    return Skip(LLC_NAMES.get(service, "llc"))


@LINK_TYPES.register(113)
def linux_cooked(packet: Packet) -> Outcome:
    """Linux cooked capture (the interface "any"), version 1: the protocol stands last."""
    return ethertype_at(packet, 14)


@fast_link(113, header_bytes=SLL_BYTES, kind_at=14)
def locate_linux_cooked(views: Views, offset: Column) -> tuple[Column, Column]:
    """See FastLink."""
    return offset + SLL_BYTES, views.u16[offset + 14].astype("i8")


@LINK_TYPES.register(276)
def linux_cooked_2(packet: Packet) -> Outcome:
    """Linux cooked capture, version 2: the protocol stands first."""
    kind = packet.u16(0)
    packet.at += SLL2_BYTES
    return ETHERTYPES[kind]


@fast_link(276, header_bytes=SLL2_BYTES, kind_at=0)
def locate_linux_cooked_2(views: Views, offset: Column) -> tuple[Column, Column]:
    """See FastLink."""
    return offset + SLL2_BYTES, views.u16[offset].astype("i8")


# The tag of Linux's Distributed Switch Architecture stands behind the addresses: four bytes of
# Broadcom's (281) or Marvell's (284), or an EtherType, two bytes and four (Marvell's, 285).
LINK_TYPES.register(281, 284)(behind_ethertype(12 + 4))
LINK_TYPES.register(285)(behind_ethertype(12 + 8))

# In front of the frame: Broadcom's tag (282); what netANALYZER writes (240), that and the preamble
# (241); the preamble alone (274).
for _link, _size in {282: 4, 240: 4, 241: 12, 274: 8}.items():
    LINK_TYPES.register(_link)(behind(_size, ethernet))
