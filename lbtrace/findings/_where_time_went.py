"""Pairs whose client waited a second or longer, and which part of each took how long.

    sending     the client sent its request
    held        the request, or the answer to it, was at the balancer
    answering   from the last byte of the backend's request to the first byte of its response
    responding  the backend sent its response
    delivering  by how much longer the response came to the client than the backend sent it

Each is a difference of two times of one capture, or of two such differences: no common clock is
needed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lbtrace.comparison import Comparison, Pairs, once
from lbtrace.comparison.arrival import spread_ns
from lbtrace.findings._calls import of_exchanges
from lbtrace.findings._event_streams import event_streams
from lbtrace.model.http import MIN_SERVER_ERROR, Framing, Mark
from lbtrace.model.net import Side
from lbtrace.tables.columns import Column
from lbtrace.tables.messages import FRAMINGS
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import bits_of

SLOW_NS = 1_000_000_000
PARTS_OF_PAIRS = ("sending", "held", "answering", "responding", "delivering")
DAMAGED = bits_of(
    (Mark.HEAD_TRUNCATED, Mark.BODY_TRUNCATED, Mark.RESYNCED, Mark.LOST, Mark.PAIRED_BY_ORDER)
)


class Slow(NamedTuple):
    """Slow pairs; the columns have one row for each. `others` are the totals of all that were
    quicker.
    """

    pairs: Pairs
    total: Column
    parts: dict[str, Column]
    longest_part: Column  # index in PARTS_OF_PAIRS
    others: Column

    def where(self, chosen: Column) -> Slow:
        """Some of them."""
        parts = {name: part[chosen] for name, part in self.parts.items()}
        pairs, total = self.pairs.where(chosen), self.total[chosen]
        return Slow(pairs, total, parts, self.longest_part[chosen], self.others)


def known_times(table: SideTable) -> Column:
    """Which exchanges are there from first to last byte, one after the other."""
    q, r = table.requests, table.responses
    whole = q.there & r.there & ((table.marks | q.marks | r.marks) & DAMAGED == 0)
    known: Column = whole & (r.first_ns >= q.last_ns) & (r.framing != FRAMINGS[Framing.TUNNEL])
    return known


def streams(comparison: Comparison, side: Side) -> Column:
    """Which exchanges are streams: whoever sends takes as long as there is something to send."""
    table = comparison.table(side)
    found = event_streams(table.words, table.responses)
    for messages in ("asked", "answered"):
        found = found | (of_exchanges(comparison, side, messages) > 1)
    return found


@once
def slow_pairs(comparison: Comparison) -> Slow:
    """The slow ones of all pairs whose times are known."""
    timed = _timed(comparison)
    client, backend = comparison.sides
    c, b = timed.client, timed.backend
    total = client.responses.last_ns[c] - client.requests.first_ns[c]
    slow = total >= SLOW_NS
    others, pairs, total = total[~slow], timed.where(slow), total[slow]
    c, b = pairs.client, pairs.backend
    waited, answering = (
        t.responses.first_ns[rows] - t.requests.last_ns[rows]
        for t, rows in ((client, c), (backend, b))
    )
    received, responding = (spread_ns(t.responses, rows) for t, rows in ((client, c), (backend, b)))
    # what a balancer held back came quicker than it was sent: see held-back
    parts = {
        "sending": spread_ns(client.requests, c),
        "held": np.maximum(waited - answering - np.maximum(responding - received, 0), 0),
        "answering": answering,
        "responding": responding,
        "delivering": np.maximum(received - responding, 0),
    }
    columns = np.array([parts[name] for name in PARTS_OF_PAIRS])
    longest = columns.argmax(axis=0) if len(pairs) else np.zeros(0, np.int64)
    return Slow(pairs, total, parts, longest, others)


def _timed(comparison: Comparison) -> Pairs:
    """The pairs whose times both sides show, answered well at the first attempt."""
    pairs = comparison.distinct_pairs
    known = pairs.answered & (pairs.attempts == 1)
    for side, rows in ((Side.CLIENT, pairs.client), (Side.BACKEND, pairs.backend)):
        table = comparison.table(side)
        known &= (known_times(table) & ~streams(comparison, side))[rows]
    known &= comparison.sides[0].responses.start[pairs.client] < MIN_SERVER_ERROR
    return pairs.where(known)
