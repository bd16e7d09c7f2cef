"""Record times of a file → the window it covers, first and last.

One damaged time stamp (a flipped bit, a clock not yet set) must not make the window of a two-second
capture span twenty years. A time is *impossible* beside the others when it lies over a day away
from where most of the capture lies and

    it is out of order: the capture lies on both sides of it in the file, or
    it is over a year away, in order or not (the clock was set while capturing).

Invariant: what is left out is at most one record in twenty; captures that pause for days, or were
put together from older ones, keep their window. The records themselves keep their times: only the
window leaves them out.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lbtrace.capture.on_disk import chunks
from lbtrace.tables.columns import Column, distinct

SECOND_NS = 1_000_000_000
HOUR_S = 3600
DAY_S = 86_400
HOURS = DAY_S // HOUR_S - 1  # between two times that are less than a day apart, for certain
YEAR_S = 366 * DAY_S
MAX_IMPOSSIBLE_PERCENT = 5
MIN_RECORDS = 4  # records from which a majority can be told


class TimeSpan(NamedTuple):
    """First and last time of a file in ns, and the rows left out, in file order."""

    first_ns: int
    last_ns: int
    impossible: tuple[int, ...] = ()


def _may_jump(time_ns: Column) -> bool:
    """Whether there may be a day without a packet between two packets: only then may a time be
    impossible. It is asked of hours, which are few.
    """
    hours: set[int] = set()
    for rows in chunks(len(time_ns)):
        hours.update(distinct(time_ns[rows] // (SECOND_NS * HOUR_S)).tolist())
    return any(after - before > HOURS for before, after in pairwise(sorted(hours)))


def window(time_ns: Column) -> TimeSpan | None:
    """Times in file order (ns, i64) → the window, None without records."""
    count = len(time_ns)
    if not count:
        return None
    plain = TimeSpan(int(time_ns.min()), int(time_ns.max()))
    if count < MIN_RECORDS or plain.last_ns - plain.first_ns <= DAY_S * SECOND_NS:
        return plain
    if not _may_jump(time_ns):
        return plain
    seconds = time_ns // SECOND_NS  # differences of ns may not fit
    order = np.argsort(seconds, kind="stable")
    bounds = np.concatenate(([0], np.flatnonzero(np.diff(seconds[order]) > DAY_S) + 1, [count]))
    largest = int(np.argmax(np.diff(bounds)))
    most = np.sort(order[bounds[largest] : bounds[largest + 1]])
    others = np.sort(np.concatenate((order[: bounds[largest]], order[bounds[largest + 1] :])))
    low, high = int(seconds[most].min()), int(seconds[most].max())
    far = (seconds[others] < low - YEAR_S) | (seconds[others] > high + YEAR_S)
    impossible = others[far | ((others > most[0]) & (others < most[-1]))]
    if not len(impossible) or len(impossible) * 100 > max(MAX_IMPOSSIBLE_PERCENT * count, 100):
        return plain
    kept = np.delete(time_ns, impossible)
    return TimeSpan(int(kept.min()), int(kept.max()), tuple(impossible.tolist()))
