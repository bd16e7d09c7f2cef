"""Which ClientHellos a server acknowledged and left without an answer, and for how long.

What is lost may be the answer, so nothing may be missing of such a connection: the sequence
numbers show that the server sent no byte. Its acknowledgement shows that the ClientHello came. A
clock that was set makes any silence. What came behind the last packet of a connection may be lost
with everything that would show it, so the silence lasts up to there.
"""

from __future__ import annotations

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.once import once
from lbtrace.model.net import Side
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import NEVER

LONG_NS = 1_000_000_000  # a handshake takes some round trips, and a busy server a while


@once
def begun_in_tls(comparison: Comparison, side: Side) -> Column:
    """Per connection whether it begins with a ClientHello."""
    spoken = (a for trace in comparison.traces(side) for a in trace.applications)
    return np.array([a.tls is not None for a in spoken], bool)


@once
def unanswered_for_ns(comparison: Comparison, side: Side) -> Column:
    """Per connection how long its ClientHello stood without an answer, until an end closed or the
    last of its packets; NEVER where that was less than a second, or there may have been an answer.
    """
    table, in_tls = comparison.table(side), begun_in_tls(comparison, side)
    if not comparison.steady(side):
        return np.full(len(in_tls), NEVER)
    hellos = [a.tls for trace in comparison.traces(side) for a in trace.applications]
    said = np.array([hello.time_ns if hello else NEVER for hello in hellos], np.int64)
    closed = np.minimum(table.ended_ns(True), table.ended_ns(False))
    ended = np.minimum(closed, table.of_connections("last_ns"))
    silent = in_tls & (table.of_ends("bytes", server=True) == 0) & table.whole_connections
    silent &= table.of_ends("last_packet_ns", server=True) >= said
    silent &= table.of_ends("unacked", server=False) == 0
    silent &= ~table.may_have_closed_before(True) & ~table.may_have_closed_before(False)
    waited = np.where(in_tls, ended, 0) - np.where(in_tls, said, 0)
    return np.where(silent & (waited >= LONG_NS), waited, NEVER)
