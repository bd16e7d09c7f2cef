"""Connections whose start one side did not capture → the pairs whose messages have the same
sequence numbers on both sides.

A balancer that passes packets on leaves the numbers alone (or a NAT that shifts them is none of
this file's business). An exchange whose request and whose response both begin at equal sequence
numbers (2⁻⁶⁴ by chance) and do not contradict each other is the same packets.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from lbtrace.match.exchange_times import Facts, may_be_answer_each, may_be_caused_each
from lbtrace.model.http import Exchange, Mark
from lbtrace.model.pairing import Confidence, ConnectionBasis, ConnectionPair, Ref
from lbtrace.model.trace import Trace
from lbtrace.tables import sequence
from lbtrace.tables.columns import Column, among
from lbtrace.tables.connections import NONE
from lbtrace.tables.side_table import SideTable


def numbers(trace: Trace, e: Exchange) -> tuple[int | None, int | None]:
    """The sequence numbers at which the request and the response of an exchange begin; None where
    that is not known.
    """
    c = trace.connections[e.connection]
    up, down = c.from_client.start_seq, c.from_server.start_seq
    if e.request is not None and Mark.FROM_SERVER in e.request.marks:
        up, down = down, up
    return (
        sequence.add(up, e.request.offset) if e.request and up is not None else None,
        sequence.add(down, e.response.offset) if e.response and down is not None else None,
    )


def pairs(client: Facts, backend: Facts, taken: set[Ref], used: set[Ref]) -> list[ConnectionPair]:
    """Connection pairs with an exchange at the same sequence numbers, where a side lacks the start;
    each connection is in one at most.
    """
    sides = (client.table, backend.table)
    begun = [table.of_connections("syns") > 0 for table in sides]
    if all(of_side.all() for of_side in begun):
        return []
    (mine, up), (theirs, down) = (
        _single(table, known) for table, known in zip(sides, (taken, used), strict=True)
    )
    _, left, right = np.intersect1d(up, down, assume_unique=True, return_indices=True)
    left, right = left[np.argsort(left)], right[np.argsort(left)]
    c, b = mine[left], theirs[right]
    one, other = (table.connection[at] for table, at in zip(sides, (c, b), strict=True))
    fine = ~(begun[0][one] & begun[1][other])
    fine &= may_be_caused_each(client, backend, c, b) & may_be_answer_each(client, backend, c, b)
    forth: dict[int, set[int]] = defaultdict(set)
    back: dict[int, set[int]] = defaultdict(set)
    for front, behind in zip(one[fine].tolist(), other[fine].tolist(), strict=True):
        forth[front].add(behind)
        back[behind].add(front)
    return [
        ConnectionPair(
            sides[0].connection_ref(front),
            sides[1].connection_ref(behind),
            ConnectionBasis.SAME_PACKETS,
            Confidence.CERTAIN,
        )
        for front, partners in forth.items()
        for behind in partners
        if len(partners) == 1 and len(back[behind]) == 1
    ]


def _single(table: SideTable, known: set[Ref]) -> tuple[Column, Column]:
    """(exchanges, the sequence numbers of both messages of each, as one number) where no other
    exchange has these. Connections that are known are left out.
    """
    starts = [table.of_ends("start_seq", server)[table.connection] for server in (False, True)]
    turned = table.requests.there & ~table.requests.from_client
    up, down = np.where(turned, starts[::-1], starts)
    there = table.requests.there & table.responses.there & (up != NONE) & (down != NONE)
    there &= ~among(table.connection, table.numbers_of_connections(list(known)))
    rows = np.flatnonzero(there)
    asked, answered = (
        sequence.sums(start[rows].astype(np.uint32), messages.offset[rows]).astype(np.uint64)
        for start, messages in ((up, table.requests), (down, table.responses))
    )
    key = asked << np.uint64(32) | answered
    _, first, count = np.unique(key, return_index=True, return_counts=True)
    once = np.sort(first[count == 1])
    return rows[once], key[once]
