"""Columns, and the operations that all tables need. Nothing here knows a packet."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lbtrace import compiled

Column: TypeAlias = NDArray[Any]
_TABLE = 32  # places of a table per row: so many are filled sooner than the rows are sorted


def running(sizes: Column) -> Column:
    """Running sums from 0, one entry more than `sizes`: part i is `sums[i]` to `sums[i + 1]`."""
    sums = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=sums[1:])
    return sums


def spans(begin: Column, size: Column) -> Column:
    """The indices of all spans, one span after the other: `begin[0]`, …, `begin[0] + size[0] − 1`,
    `begin[1]`, …
    """
    end = np.cumsum(size)
    count = int(end[-1]) if len(end) else 0
    indices: Column = np.arange(count) + np.repeat(begin - (end - size), size)
    return indices


def parts_of(column: Column, begin: Column, size: Column) -> Column:
    """The entries of a column in all spans, one span after the other: `column[spans(begin,
    size)]`.
    """
    core = compiled.core
    if core is None or not column.flags.c_contiguous:
        found: Column = column[spans(begin, size)]
        return found
    begin, size = (np.ascontiguousarray(spanned, np.int64) for spanned in (begin, size))
    out: Column = np.empty(int(size.sum()), column.dtype)
    core.ranges(column, begin, size, out, out.itemsize)
    return out


def distinct_in_order(high: Column, low: Column) -> tuple[Column, Column]:
    """Values of two integers each → the rows at which each of them stands for the first time, in
    that order; and for each row, which of these its value is.

    Values that differ mostly differ in `high`: then sorting by it is enough.
    """
    order = np.argsort(high)
    new = _differs(high[order])
    if (~new & _differs(low[order])).any():
        order = np.lexsort((low, high))
        new = _differs(high[order]) | _differs(low[order])
    starts = np.flatnonzero(new)
    first = np.minimum.reduceat(order, starts) if len(starts) else starts
    turn = np.argsort(first)
    rank = np.empty(len(first), np.int64)
    rank[turn] = np.arange(len(first))
    which = np.empty(len(order), np.int64)
    which[order] = np.repeat(rank, np.diff(starts, append=len(order)))
    return first[turn], which


def _differs(column: Column) -> Column:
    """Per row whether its value is not that of the row before; true of the first."""
    found = np.ones(len(column), bool)
    found[1:] = column[1:] != column[:-1]
    return found


def group_starts(group: Column) -> Column:
    """The rows at which a new group begins, where equal values are adjacent."""
    if not len(group):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))


def highest_so_far(group: Column, values: Column) -> Column:
    """Per row the highest of the values (i64) up to it in its group, whose rows are adjacent."""
    starts = group_starts(group)
    if not len(starts):
        return values
    low, span = int(values.min()), int(values.max()) - int(values.min()) + 1
    if span * len(starts) >= 1 << 63:  # no number is so large: their ranks are smaller
        known, rank = np.unique(values, return_inverse=True)
        found: Column = known[highest_so_far(group, rank)]
        return found
    lift = np.repeat(np.arange(len(starts)) * span - low, np.diff(starts, append=len(values)))
    highest: Column = np.maximum.accumulate(values + lift) - lift
    return highest


def highest_before(group: Column, values: Column, without: int) -> Column:
    """Per row the highest of the values (i64) before it in its group; `without` for the first."""
    before = np.full(len(values), without, np.int64)
    before[1:] = highest_so_far(group, values)[:-1]
    before[group_starts(group)] = without
    return before


def distinct(values: Column) -> Column:
    """The values that occur, ascending.

    `np.unique` by sorting: since numpy 2.3 it hashes, at up to twenty times the cost (0007).
    """
    found = np.sort(values, axis=None)
    fresh = np.ones(len(found), bool)
    fresh[1:] = found[1:] != found[:-1]
    out: Column = found[fresh]
    return out


def ranks(values: Column) -> Column:
    """Per row the place of its value among the values that occur, ascending.

    Where the values are few enough for a table, no row is sorted.
    """
    if values.dtype == bool:
        values = values.astype(np.int64)
    signed = values.dtype.kind == "i"  # else texts, or anything else that can be sorted
    low, high = (int(values.min(initial=0)), int(values.max(initial=-1))) if signed else (-1, 0)
    if low < 0 or high >= _TABLE * (len(values) + 1):
        found: Column = np.unique(values, return_inverse=True)[1]
        return found
    there = np.zeros(high + 1, bool)
    there[values] = True
    count = np.int32 if high < np.iinfo(np.int32).max else np.int64  # the table may be large
    place: Column = np.cumsum(there, dtype=count)[values].astype(np.int64)
    place -= 1
    return place


def median_low(values: Column) -> int:
    """The median of integers, the lower of two: a value that occurs."""
    middle = (len(values) - 1) // 2
    return int(np.partition(values, middle)[middle])


def among(values: Column, others: Column) -> Column:
    """Which values are one of the others."""
    ascending = np.sort(others)
    if not len(ascending):
        return np.zeros(len(values), bool)
    at = np.searchsorted(ascending, values)
    at[at == len(ascending)] = 0
    found: Column = ascending[at] == values
    return found


def union(begin: Column, end: Column) -> tuple[Column, Column]:
    """Intervals from `begin` to `end`, both included (empty ones, which end before they begin, are
    left out) → the same moments as disjoint intervals, ascending.
    """
    there = begin <= end
    begin, end = begin[there], end[there]
    if not len(begin):
        return begin, end
    order = np.argsort(begin)
    begin, reach = begin[order], np.maximum.accumulate(end[order])
    first = np.flatnonzero(np.concatenate(([True], begin[1:] > reach[:-1])))
    return begin[first], reach[np.append(first[1:] - 1, len(begin) - 1)]


def parted(which: Column, count: int) -> list[Column]:
    """Rows that are each of one of `count` kinds → the rows of every kind, in order."""
    order = np.argsort(which, kind="stable")
    return np.split(order, np.cumsum(np.bincount(which, minlength=count))[:-1]) if count else []


@dataclass(frozen=True, slots=True, eq=False)
class RowsByKey:
    """Rows by a number that each of them has: the rows with key k are `order[first[k]:first[k +
    1]]`, in order.
    """

    order: Column
    first: Column  # keys + 1

    @classmethod
    def of(cls, keys: Column, count: int) -> RowsByKey:
        """The rows of a column of keys from 0 up to `count`."""
        return cls(
            np.argsort(keys, kind="stable"), running(np.bincount(keys, minlength=count)[:count])
        )

    def __getitem__(self, key: int) -> list[int]:
        """The rows of one key; `lists` for many."""
        rows: list[int] = self.order[self.first[key] : self.first[key + 1]].tolist()
        return rows

    @property
    def sizes(self) -> Column:
        """Per key, how many rows have it."""
        return np.diff(self.first)

    def lists(self, keys: Column) -> list[list[int]]:
        """The rows of each of these keys."""
        begin = self.first[keys]
        size = self.first[1:][keys] - begin
        rows = self.order[spans(begin, size)].tolist()
        return [rows[a:b] for a, b in pairwise(running(size).tolist())]


def first_met(values: Column) -> tuple[Column, Column]:
    """(the rows where a value occurs for the first time; per row the place of its value among
    these).
    """
    which = ranks(values)
    first = np.zeros(int(which.max(initial=-1)) + 1, np.int64)
    first[which[::-1]] = np.arange(len(which))[::-1]
    order = np.argsort(first)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return first[order], place[which]
