"""Exchanges that nothing tells apart, of captures whose own clocks agree → bounds on δ.

Two machines mostly have the same time, to some milliseconds. That is not supposed here, it is seen:
with no offset or a small one, backend exchanges lie inside client exchanges with the same request.

Invariant: the bounds hold 0. Times can show that clocks agree, and not by how little they differ.

The capture of other traffic would begin at any moment, so that every offset would be as likely.
Then the share of all offsets that have as many inside is the probability that chance did it.
Bursts, crowds, and scripts that repeat themselves fit at many offsets, and so show less. Offsets
are tried from 0 outwards, and the more of them were tried, the less a find is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import numpy as np

from lbtrace.match.clock import MOST_BITS, Bounds
from lbtrace.match.order_statistics import Times
from lbtrace.model.pairing import TimesAlone
from lbtrace.tables.columns import Column, union

NEAR_NS = 50_000_000  # clocks that are farther apart do not agree
RUNS_ON_NS = 5_000_000_000  # a capture runs for longer than its packets show
MOST_EDGES = 1_000_000  # client exchanges times backend exchanges that are looked at
TICK_NS = 1000  # packets are stamped with microseconds
SIGNIFICANT = 10.0  # bits: 1 in 1024


def agreeing(sets: Sequence[Times]) -> Bounds | None:
    """The sets of one client point and one backend point → Bounds on δ; None when their clocks do
    not agree, or when that may be chance.
    """
    if sum(len(a) * len(x) for a, _, x, _ in sets) > MOST_EDGES:
        return None
    spans = [union(a - x[n], p - y[n]) for a, p, x, y in sets for n in range(len(x))]
    low, high = (np.concatenate(columns) for columns in zip(*spans, strict=True))
    edges, depth = _depth(low, high)
    near = np.flatnonzero((edges[:-1] <= NEAR_NS) & (edges[1:] >= -NEAR_NS))
    best = int(depth[near].max(initial=0))
    fewer = min(sum(len(times[side]) for times in sets) for side in (0, 2))
    if best * 10 < fewer * 9:
        return None
    there = near[depth[near] == best]
    away = np.maximum(np.maximum(edges[there], -edges[there + 1]), 0)
    at, widths = int(there[away.argmin()]), np.diff(edges) + TICK_NS
    tried = 1 + 2 * int(away.min()) / int(widths[at])
    every = abs(_span(sets, 0) - _span(sets, 2)) + 2 * RUNS_ON_NS  # where one lies in the other
    chance = int(widths[depth >= best].sum()) * tried / every
    bits = -log2(min(max(chance, 2.0**-MOST_BITS), 1.0))
    if bits < SIGNIFICANT:
        return None
    width = 2 * int(np.median(high - low))
    elsewhere = np.abs(edges[:-1] - edges[at]) > width
    # Copies begin or end behind what they copy, and another client may ask the same right behind:
    # more of them may fit beside the true offset than there. Half as many fit there, or it is 0.
    fit = np.flatnonzero(~elsewhere & (depth >= (best + 1) // 2))
    left, right = min(int(edges[fit[0]]), 0), max(int(edges[fit[-1] + 1]), 0)
    other = int(np.where(elsewhere, depth, 0).argmax())
    most = int(depth[other]) if elsewhere[other] else 0
    sample = sum(len(x) for _, _, x, _ in sets)
    alone = TimesAlone(sample, best, most, int(edges[other]) if most else None, bits)
    begun = min(int(x.min()) for _, _, x, _ in sets)
    columns = (np.full(best, v, np.int64) for v in (begun, left, right))
    return Bounds(*columns, times_alone=alone)


def _depth(low: Column, high: Column) -> tuple[Column, Column]:
    """Intervals → the ends of the parts that they divide all offsets into, and how many intervals
    each part lies in.
    """
    edges = np.concatenate([low, high])
    steps = np.concatenate([np.ones(len(low), np.int64), -np.ones(len(high), np.int64)])
    order = np.lexsort((-steps, edges))
    return edges[order], np.cumsum(steps[order])[:-1]


def _span(sets: Sequence[Times], side: int) -> int:
    """From the first request of a side to its last answer."""
    first = min(int(times[side].min()) for times in sets)
    return max(int(times[side + 1].max()) for times in sets) - first
