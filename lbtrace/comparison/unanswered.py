"""A side → what an end sent again and again and nobody acknowledged, and why that may be.

    forgotten   the connection had worked, then it was silent, and since then nothing came back: the
                flow was forgotten on the way (a NAT, a balancer, a firewall with an idle limit)
    oversized   large segments vanish while smaller ones of the same way are acknowledged: they do
                not fit through the path (MTU)

Invariant: an end whose peer was not captured is neither.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from lbtrace.comparison.sides import Sides
from lbtrace.model.net import Side
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import NEVER, TRIES
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import joint

IDLE_NS: Final = 1_000_000_000  # shorter silences are ordinary traffic
# what is sent again sooner is no second try: the segments of an offload beside the large one that
# they were cut from, a copy on another interface
AGAIN_NS: Final = 100_000_000
LARGE: Final = 500  # bytes; every path carries 576 with headers (RFC 791 §3.1)


class Unanswered(NamedTuple):
    """Ends of connections: whose, and whether the server is the sender."""

    connection: Column
    server: Column

    @property
    def none(self) -> bool:
        """Whether there are none."""
        return not len(self.connection)


class UnansweredSides(Sides):
    """Two sides, and what went unanswered on each."""

    @cached_property
    def _unanswered(self) -> dict[Side, tuple[Unanswered, Unanswered]]:
        return {side: (_forgotten(self.table(side)), _oversized(self.table(side))) for side in Side}

    def forgotten(self, side: Side) -> Unanswered:
        """The ends that sent into a flow that was forgotten."""
        return self._unanswered[side][0]

    def oversized(self, side: Side) -> Unanswered:
        """The ends whose large segments vanish."""
        return self._unanswered[side][1]


def _of_both_ends(table: SideTable, name: str) -> tuple[Column, Column]:
    """A column of the clients, then of the servers; the same of their peers."""
    client, server = (table.of_ends(name, end).astype(np.int64) for end in (False, True))
    return np.concatenate((client, server)), np.concatenate((server, client))


def _ends(table: SideTable, which: Column) -> Unanswered:
    count = len(table.client_address)
    rows = np.flatnonzero(which)
    return Unanswered(rows % count, rows >= count)


def _forgotten(table: SideTable) -> Unanswered:
    sent, _ = _of_both_ends(table, "unacked")
    idle, _ = _of_both_ends(table, "unacked_idle_ns")
    begun, _ = _of_both_ends(table, "unacked_ns")
    _, spoke = _of_both_ends(table, "last_packet_ns")
    silent = (spoke != NEVER) & (spoke < begun)
    return _ends(table, (sent >= TRIES) & (idle >= IDLE_NS) & silent)


def _oversized(table: SideTable) -> Unanswered:
    again, _ = _of_both_ends(table, "repeats")
    idle, _ = _of_both_ends(table, "unacked_idle_ns")
    begun, _ = _of_both_ends(table, "unacked_ns")
    _, spoke = _of_both_ends(table, "last_packet_ns")
    least, _ = _of_both_ends(table, "unacked_least")
    way, passed = largest_passed(table)
    ended, _ = _of_both_ends(table, "unacked_last_ns")
    stuck = (again >= TRIES - 1) & (idle < IDLE_NS) & (least >= LARGE)
    stuck &= ended - begun >= AGAIN_NS
    stuck &= (passed > 0) & (passed < least)
    # a peer that is gone acknowledges nothing either: this one spoke later, or it is not the only
    # connection
    several = np.bincount(way[stuck], minlength=len(way))[way] > 1
    return _ends(table, stuck & ((spoke > begun) | several))


def largest_passed(table: SideTable) -> tuple[Column, Column]:
    """Per end, the clients first: a number for its way (from which address to which), and the
    largest payload of a segment that was acknowledged on that way, on any connection.
    """
    ends = table.client_address, table.server_address
    way = joint(np.concatenate(ends), np.concatenate(ends[::-1]))
    taken, _ = _of_both_ends(table, "acked_most")
    most = np.zeros(len(way), np.int64)
    np.maximum.at(most, way, taken)
    return way, most[way]
