"""Segments → the moment at which the clock of the capture was set forward, if it was.

    09:00:00.001   ──▶ GET /        TSval 5001
    10:00:00.002   ◀── 200          TSval 7002, and a moment before 7001

Nothing in the times tells an hour of silence from a clock that was set. But hosts that use time
stamps (RFC 7323 §3) write their own clocks into each segment, and these do not know what the clock
of the capture does. Their unit is between a millisecond and a second (§5.4): it is measured where
the connection lasted elsewhere, or another one of the same address did, and is a second, the
longest, where none did.

The clock was set where both ends of a connection say that less time went by, and no end of any
connection says that it did go by. One end alone may have been suspended.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from lbtrace.tables.columns import Column
from lbtrace.tables.packets import MOST_BACK_NS, SegmentTable
from lbtrace.tables.sequence import distances
from lbtrace.tcp.columns import first_of, last_of
from lbtrace.tcp.fingerprint import syn_options

MILLISECOND_NS: Final = 1_000_000
SECOND_NS: Final = 1_000_000_000
MOST_LOOKED_AT: Final = 8  # silences of the whole capture, the longest first
NEARBY: Final = 1 << 15  # segments before and after a silence
LATE_NS: Final = 5_000_000  # that packets may wait before they are captured


class SetForward(NamedTuple):
    """A clock that was set: the first segment after it, by its row, and by how much at least."""

    row: int
    by_ns: int


def set_forward(table: SegmentTable) -> SetForward | None:
    """The longest silence that the ends of the connections deny."""
    silent_ns = np.diff(table.time_ns)
    rows = np.flatnonzero(silent_ns >= MOST_BACK_NS)
    longest = rows[np.argsort(-silent_ns[rows], kind="stable")][:MOST_LOOKED_AT] + 1
    for row in longest.tolist():
        by_ns = _denied(table, row)
        if by_ns >= MOST_BACK_NS:
            return SetForward(row, by_ns)
    return None


def _denied(table: SegmentTable, row: int) -> int:
    """By how much less than the capture says the ends say that went by before a row, in ns; 0 where
    one of them agrees, or nobody can tell.
    """
    first, behind = max(row - NEARBY, 0), min(row + NEARBY, len(table))
    near = np.arange(first, behind)
    _, end = np.unique(
        table.flow[near].astype(np.int64) * 2 + table.forward[near], return_inverse=True
    )
    count, before = int(end.max()) + 1, near < row
    last = last_of(end[before], near[before], count)
    then = first_of(end[~before], near[~before], count)
    seen = ((first_of(end, near, count), last), (then, last_of(end, near, count)))
    ends = np.flatnonzero((last >= 0) & (then >= 0))
    flow = table.flow[last[ends]]
    ticks, elapsed = _between(table, last[ends], then[ends])
    known = ticks >= 0
    unit = _units(table, *seen)[ends]
    sure = known & (unit < SECOND_NS)
    went_by = np.where(known, (ticks + 1) * unit, np.iinfo(np.int64).max)
    less = elapsed - went_by
    denied = (less >= MOST_BACK_NS) & (~sure | (less >= elapsed // 2))
    # both ends of a connection
    both = np.bincount(flow[denied], minlength=int(flow.max(initial=0)) + 1)[flow] == 2
    # an end whose unit is not known agrees where the shortest there is already makes that time
    agrees = known & np.where(sure, ~denied, ticks * MILLISECOND_NS > elapsed - MOST_BACK_NS)
    if agrees.any() or not both.any():
        return 0
    return int(less[denied & both].min())


def _units(table: SegmentTable, *seen: tuple[Column, Column]) -> Column:
    """Per end the longest that the unit of its clock can be, in ns: what its own connection tells,
    else the longest that others of the same address do, else a second. `seen`: the first and the
    last rows of its times in front of a silence, and behind it; NONE without.
    """
    row = np.maximum(*(first for first, _ in seen))
    unit = np.full(len(row), SECOND_NS)
    for first, last in seen:
        ends = np.flatnonzero((first >= 0) & (last >= 0))
        ticks, lasted = _between(table, first[ends], last[ends])
        several = ticks > 1
        longest = (lasted[several] + LATE_NS) // (ticks[several] - 1)
        unit[ends[several]] = np.minimum(unit[ends[several]], longest)
    flow = table.flow[row]
    address = np.where(table.forward[row], table.flows.low[flow], table.flows.high[flow])
    measured = unit < SECOND_NS
    of_address = np.zeros(int(address.max(initial=0)) + 1, np.int64)
    np.maximum.at(of_address, address[measured], unit[measured])
    others = of_address[address]
    return np.where(measured | (others == 0), unit, others)


def _between(table: SegmentTable, one: Column, other: Column) -> tuple[Column, Column]:
    """Pairs of rows of one end → how far its clock went on between them, −1 where it is not told,
    and the time in ns.
    """
    stamps = [syn_options(table, rows).timestamp for rows in (one, other)]
    ticks = distances(*(s.astype(np.uint32) for s in reversed(stamps))).astype(np.int64)
    known = (stamps[0] >= 0) & (stamps[1] >= 0) & (ticks >= 0)
    return np.where(known, ticks, -1), table.time_ns[other] - table.time_ns[one]
