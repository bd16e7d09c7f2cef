"""BSD loopback: four bytes of address family, in the byte order of the machine that captured (null,
0) or network order (loop, 108).
"""

from __future__ import annotations

import numpy as np

from lbtrace.decode import ip
from lbtrace.decode.packet import Outcome, Packet, Skip
from lbtrace.decode.views import Views
from lbtrace.tables.packets import Column

NUMBERS = (0, 108)
NAME = "null/loopback"
HEADER = 5

IPV4 = (2,)
IPV6 = (10, 23, 24, 28, 30)  # Linux; Windows; NetBSD and OpenBSD; FreeBSD; Darwin


def peel(packet: Packet) -> Outcome:
    """IP, by its own version nibble when the family is one of IP's."""
    family = packet.u32(0)
    if family > 0xFFFF:
        family = int.from_bytes(packet.take(0, 4), "little")
    packet.at += 4
    return ip.either(packet) if family in IPV4 + IPV6 else Skip(f"address family {family}")


def locate(views: Views, offset: Column) -> tuple[Column, Column]:
    """See FastLink.locate."""
    family = views.u32[offset].astype(np.uint32)
    family = np.where(family > 0xFFFF, family.byteswap(), family)
    version = views.u8[offset + 4] >> 4
    known = np.isin(family, IPV4 + IPV6)
    return offset + 4, np.where(
        known & (version == 4), 0x0800, np.where(known & (version == 6), 0x86DD, -1)
    )
