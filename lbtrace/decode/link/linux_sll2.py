"""Linux cooked capture, version 2: 20 bytes, the protocol first."""

from __future__ import annotations

from lbtrace.decode import ethertypes
from lbtrace.decode.packet import Outcome, Packet
from lbtrace.decode.views import Views
from lbtrace.tables.packets import Column

NUMBERS = (276,)
NAME = "Linux cooked v2"
HEADER = 20


def peel(packet: Packet) -> Outcome:
    """Behind the cooked header."""
    kind = packet.u16(0)
    packet.at += HEADER
    return ethertypes.step(kind, packet)


def locate(views: Views, offset: Column) -> tuple[Column, Column]:
    """See FastLink.locate."""
    return offset + HEADER, views.u16[offset].astype("i8")
