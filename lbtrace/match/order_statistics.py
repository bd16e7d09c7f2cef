"""Exchanges that nothing tells apart → the clock offsets under which every backend exchange has a
client exchange around it.

Who is whose is not known, but when both sides are completely captured and have as many exchanges of
a kind, every backend exchange was caused by one of the clients'. Two things follow for each backend
point, whatever the offsets of the other points are:

    ends       the k-th request of a point's is caused by one that is at least the k-th of the
               client's, so it comes no earlier than that; and likewise its answers from the end
               backwards (order statistics keep dominance)
    inside     each backend exchange lies inside some client exchange; the offsets that allow it are
               a union of intervals, and the true offset lies in all of these unions

What is left is taken as one interval, from the least to the greatest offset that is allowed: where
two fit, it spans both. A clock may run fast or slow by DRIFT_PPM over the capture; every bound is
that much wider.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lbtrace.match.clock import Bounds
from lbtrace.tables.columns import Column, union

DRIFT_PPM = 100
SAMPLE = 60  # backend exchanges per set that must lie inside
AROUND = (
    20_000  # client exchanges that may lie around one of them; with more of them it is passed over
)

Times = tuple[
    Column, Column, Column, Column
]  # client starts, client replies, backend starts, backend replies


def surrounded(sets: Sequence[Times]) -> Bounds | None:
    """The sets of one backend point, each with all client exchanges that may be around → Bounds on
    δ; None when none is left.

    Each set must be complete: its backend exchanges, and those of other points that look the same,
    are as many as its client exchanges.
    """
    first = min(int(x.min()) for _, _, x, _ in sets)
    span = max(int(y.max()) for _, _, _, y in sets) - first
    slack = span * DRIFT_PPM // 1_000_000
    low = max(_least(np.sort(a), np.sort(x)) for a, _, x, _ in sets) - slack
    high = min(_most(np.sort(p), np.sort(y)) for _, p, _, y in sets) + slack
    allowed = [(low, high)] if low <= high else []
    for times in sets:
        for ranges in _inside(times, low, high, slack):
            allowed = _both(allowed, ranges)
    if not allowed:
        return None
    count = sum(len(x) for _, _, x, _ in sets)
    return Bounds(*(np.full(count, v, np.int64) for v in (first, allowed[0][0], allowed[-1][1])))


def _least(a: Column, x: Column) -> int:
    return int((a[: len(x)] - x).max())


def _most(p: Column, y: Column) -> int:
    return int((p[len(p) - len(y) :] - y).min())


def _inside(times: Times, low: int, high: int, slack: int) -> list[list[tuple[int, int]]]:
    """Per backend exchange of a sample: the offsets between low and high under which it lies inside
    some client exchange.
    """
    a, p, x, y = times
    order = np.argsort(a)
    a, p = a[order], p[order]
    out = []
    for b in np.unique(np.linspace(0, len(x) - 1, min(len(x), SAMPLE)).astype(np.int64)).tolist():
        near = np.flatnonzero((a <= x[b] + high + slack) & (p >= y[b] + low - slack))
        if len(near) > AROUND:
            continue
        begin, end = union(a[near] - x[b] - slack, p[near] - y[b] + slack)
        out.append(list(zip(begin.tolist(), end.tolist(), strict=True)))
    return out


def _both(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The intersection of two unions of disjoint intervals in order."""
    out = []
    i = j = 0
    while i < len(one) and j < len(other):
        left, right = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if left <= right:
            out.append((left, right))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return out
