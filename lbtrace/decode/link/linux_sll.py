"""Linux cooked capture ("any" interface), version 1: 16 bytes, the protocol last."""

from __future__ import annotations

from lbtrace.decode import ethertypes
from lbtrace.decode.packet import Outcome, Packet
from lbtrace.decode.views import Views
from lbtrace.tables.packets import Column

NUMBERS = (113,)
NAME = "Linux cooked"
HEADER = 16


def peel(packet: Packet) -> Outcome:
    """Behind the cooked header."""
    kind = packet.u16(14)
    packet.at += HEADER
    return ethertypes.step(kind, packet)


def locate(views: Views, offset: Column) -> tuple[Column, Column]:
    """See FastLink.locate."""
    return offset + HEADER, views.u16[offset + 14].astype("i8")
