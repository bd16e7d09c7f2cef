"""Ethernet II and IEEE 802.3 with LLC/SNAP."""

from __future__ import annotations

from lbtrace.decode import ethertypes
from lbtrace.decode.packet import Outcome, Packet
from lbtrace.decode.views import Views
from lbtrace.tables.packets import Column

NUMBERS = (1,)
NAME = "Ethernet"
HEADER = 14


def peel(packet: Packet) -> Outcome:
    """Behind the two addresses: an EtherType, or a length and LLC."""
    kind = packet.u16(12)
    packet.at += HEADER
    return ethertypes.step(kind, packet)


def locate(views: Views, offset: Column) -> tuple[Column, Column]:
    """See FastLink.locate."""
    return offset + HEADER, views.u16[offset + 12].astype("i8")
