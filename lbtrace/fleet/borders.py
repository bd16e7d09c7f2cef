"""Indexes of shards → how far the clocks of the capture points are apart, and where to cut.

Times of all points are carried to the clock of the first client point. A border is put where
nothing is under way on either side, if there is such a moment; otherwise where little is, and the
exchanges around it must be paired to know which slice those of the backend side belong to
(`slices`).

These clocks only say where to cut and what to look at. No time that is told rests on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from lbtrace.fleet.inspected import ShardIndex
from lbtrace.fleet.plan import PlannedPoint
from lbtrace.model.net import Side
from lbtrace.tables.columns import Column, median_low, union

MIN_VALUES: Final = 3  # on both sides of two points, from which their clocks are told
_SLACK_NS: Final = 1_000_000  # added to what is known of the clocks
_BARE_NS: Final = 100_000_000  # within which a balancer opens a connection behind one in front
_NEAR: Final = 0.25  # of a slice: so far a border may be from where it is wanted
_TRIED: Final = 64  # moments at which it is counted how much is under way
_TAILS: Final = 5  # percent, at each end, that coincidence may have put there


class PointClock(NamedTuple):
    """The clock of a capture point: what is added to its times to have those of the first client
    point, and by how much that may be wrong.
    """

    shift_ns: int
    width_ns: int


class Border(NamedTuple):
    """A moment at which slices are cut, by the clock of the first client point. `around_ns`: within
    so much of it the exchanges must be paired to tell which slice they are of; 0 where nothing is
    under way.
    """

    at_ns: int
    around_ns: int


def point_clocks(
    planned: Sequence[PlannedPoint],
    indexes: Sequence[Sequence[ShardIndex]],
    offset_ns: int | None,
) -> list[PointClock] | None:
    """The clock of each point; None when nothing tells that of some point. `offset_ns`: client
    clock − backend clock, as stated.
    """
    found: dict[int, PointClock] = {0: PointClock(0, 0)}
    values = [_once(of_point) for of_point in indexes]
    reached = [0]
    while reached:
        one = reached.pop()
        for other in range(len(planned)):
            if other in found or planned[other].side is planned[one].side:
                continue
            apart = _apart(planned, values, one, other, offset_ns)
            if apart is not None:
                before = found[one]
                found[other] = PointClock(
                    before.shift_ns + apart.shift_ns, before.width_ns + apart.width_ns
                )
                reached.append(other)
    if len(found) < len(planned):
        return None
    return [found[k] for k in range(len(planned))]


def _once(indexes: Sequence[ShardIndex]) -> tuple[Column, Column]:
    """The values that occur once in a point, and when."""
    every = np.concatenate([i.values for i in indexes])
    at = np.concatenate([i.values_ns for i in indexes])
    found, first, count = np.unique(every, return_index=True, return_counts=True)
    once = count == 1
    return found[once], at[first[once]]


def _apart(
    planned: Sequence[PlannedPoint],
    values: Sequence[tuple[Column, Column]],
    one: int,
    other: int,
    offset_ns: int | None,
) -> PointClock | None:
    """What is added to the times of a point to have those of another one, on the other side."""
    if planned[one].on_balancer and planned[one].files == planned[other].files:
        return PointClock(0, 0)
    if offset_ns is not None:
        return PointClock(offset_ns if planned[one].side is Side.CLIENT else -offset_ns, _SLACK_NS)
    (here, here_ns), (there, there_ns) = values[one], values[other]
    _, mine, its = np.intersect1d(here, there, assume_unique=True, return_indices=True)
    if len(mine) < MIN_VALUES:
        return None
    apart = np.sort(here_ns[mine] - there_ns[its])
    cut = len(apart) * _TAILS // 100
    inner = apart[cut : len(apart) - cut]
    return PointClock(median_low(apart), int(inner[-1] - inner[0]) + _SLACK_NS)


def borders(
    indexes: Sequence[Sequence[ShardIndex]], clocks: Sequence[PointClock], exchanges: int
) -> list[Border]:
    """Where to cut, so that a slice has about `exchanges` of each side."""
    begins, ends = [], []
    width_ns = max(clock.width_ns for clock in clocks)
    for of_point, clock in zip(indexes, clocks, strict=True):
        for index in of_point:
            begins += [index.first_ns + clock.shift_ns, index.bare_ns + clock.shift_ns]
            ends += [index.last_ns + clock.shift_ns, index.bare_ns + clock.shift_ns + _BARE_NS]
    begin, end = np.concatenate(begins), np.concatenate(ends)
    end = np.maximum(end, begin)
    count = -(-len(begin) // (2 * exchanges))
    if count < 2:
        return []
    sides = [np.sort(begin), np.sort(end)]
    busy_from, busy_to = union(begin - width_ns, end + width_ns)
    quiet_from, quiet_to = busy_to[:-1] + 1, busy_from[1:] - 1
    found: list[Border] = []
    for k in range(1, count):
        ranks = [len(begin) * (k + near) / count for near in (-_NEAR, 0, _NEAR)]
        low, wanted, high = (int(sides[0][min(int(rank), len(begin) - 1)]) for rank in ranks)
        border = _quiet(quiet_from, quiet_to, low, wanted, high)
        if border is None:
            border = _least_busy(sides, begin, end, low, high, width_ns)
        if not found or border.at_ns > found[-1].at_ns:
            found.append(border)
    return _apart_from_each_other(found)


def _quiet(begin: Column, end: Column, low: int, wanted: int, high: int) -> Border | None:
    """The middle of the quiet time that is nearest to where a border is wanted."""
    middle = (begin + end) // 2
    near = np.flatnonzero((middle > low) & (middle < high))
    if not len(near):
        return None
    return Border(int(middle[near[np.abs(middle[near] - wanted).argmin()]]), 0)


def _least_busy(
    sides: Sequence[Column], begin: Column, end: Column, low: int, high: int, width_ns: int
) -> Border:
    tried = np.linspace(low, high, _TRIED).astype(np.int64)
    under_way = np.searchsorted(sides[0], tried, "right") - np.searchsorted(sides[1], tried)
    at = int(tried[under_way.argmin()])
    meanwhile = (begin <= at + width_ns) & (end >= at - width_ns)
    longest = int((end - begin)[meanwhile].max(initial=0))
    return Border(at, longest + 2 * width_ns + _BARE_NS)


def _apart_from_each_other(found: Sequence[Border]) -> list[Border]:
    """The borders, each looking no farther than half the way to the next one."""
    at = [b.at_ns for b in found]
    out = []
    for k, border in enumerate(found):
        room = [abs(at[k] - at[near]) // 2 for near in (k - 1, k + 1) if 0 <= near < len(at)]
        out.append(border._replace(around_ns=min([border.around_ns, *room])))
    return out


def slice_of(borders_found: Sequence[Border], times_ns: Column) -> Column:
    """The slice of each time, by the clock of the first client point."""
    at = np.array([b.at_ns for b in borders_found], np.int64)
    found: Column = np.searchsorted(at, times_ns, "right")
    return found
