"""Link types: one file each, found by number.

A file states `NUMBERS` (LINKTYPE_*, tcpdump.org/linktypes.html), `NAME`, and `peel`, the step that
takes its header off. A common one also has `HEADER` (bytes of its shortest header) and `locate`,
which does the same for many packets at once.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Protocol, cast

from lbtrace.decode.packet import Outcome, Packet
from lbtrace.decode.views import Views
from lbtrace.tables.packets import Column


class Link(Protocol):
    """What a file in this folder holds."""

    NUMBERS: tuple[int, ...]
    NAME: str

    @staticmethod
    def peel(packet: Packet) -> Outcome:
        """The step behind this header."""


class FastLink(Link, Protocol):
    """A link type with a vectorised `locate`."""

    HEADER: int

    @staticmethod
    def locate(views: Views, offset: Column) -> tuple[Column, Column]:
        """Packet offsets (all with HEADER bytes) → (offset behind the header, EtherType there; -1
        sends the packet the slow way).
        """


@cache
def registry() -> dict[int, Link]:
    """Every link type lbtrace reads, by number."""
    found: dict[int, Link] = {}
    for module in pkgutil.iter_modules(__path__):
        link = cast(Link, importlib.import_module(f"{__name__}.{module.name}"))
        for number in link.NUMBERS:
            found[number] = link
    return found
