"""Segments of a stream that were sent twice, in part or whole → who wins each byte: the first
captured.

Segments are sorted by start; a run of segments in which each begins before the highest end so far
is a *cluster*. A cluster of one (nearly all) is a piece. Larger ones are swept once from left to
right with a heap of the segments that cover the place, earliest captured on top: O(n log n) in the
segments, and the bytes of a cluster are laid down once to compare what disagrees.

Invariant: the pieces of a cluster cover exactly the union of its captured bytes, in order, without
overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lbtrace.tables.packets import Column, SegmentTable


class Conflict(NamedTuple):
    """A segment whose bytes differ from what was captured before for the same place in the
    stream.
    """

    row: int
    stream: int


@dataclass(slots=True)
class Settled:
    """Pieces by stream and start, each from segment `index` (of those given), and per segment given
    what became of it.
    """

    index: Column
    start: Column
    skip: Column  # bytes of the segment before the piece
    length: Column
    shared: Column  # bool: bytes of the piece were in another segment too
    seen_before: Column  # bool per segment: some of its bytes were captured before
    fresh: Column  # per segment: bytes on the wire that no segment before it in offset order covers
    conflicts: list[Conflict]


def settle(
    table: SegmentTable,
    rows: Column,
    of: Column,
    start: Column,
    end: Column,
    cut: Column,
    captured: Column,
) -> Settled:
    """Segments (grouped by stream, in capture order) → Settled.

    Each covers start … end of its stream on the wire, of which the first `captured` bytes are in
    the capture, in the buffer from the row's payload + `cut`.
    """
    count = len(rows)
    order = _by_start(of, start)
    o, s, e = of[order], start[order], end[order]
    covered = np.zeros(count, np.int64)  # highest end among the segments before, in offset order
    if count:
        first = np.concatenate(([True], o[1:] != o[:-1]))
        group = np.cumsum(first) - 1
        lift = group * np.int64(int(e.max()) + 1)
        highest = np.maximum.accumulate(e + lift) - lift
        covered[1:] = highest[:-1]
        covered[first] = 0
    joins = s < covered
    fresh = np.zeros(count, np.int64)
    fresh[order] = np.maximum(e - np.maximum(s, covered), 0)
    has = captured[order] > 0
    alone = ~joins
    alone[:-1] &= ~joins[1:]
    lone = order[alone & has]
    result = Settled(
        index=lone,
        start=start[lone],
        skip=np.zeros(len(lone), np.int64),
        length=captured[lone],
        shared=np.zeros(len(lone), bool),
        seen_before=np.zeros(count, bool),
        fresh=fresh,
        conflicts=[],
    )
    if joins.any():
        _sweep_all(table, rows, of, start, cut, captured, order, joins, result)
    return result


def _by_start(of: Column, start: Column) -> Column:
    if len(of) < 2 or bool(
        ((of[1:] > of[:-1]) | ((of[1:] == of[:-1]) & (start[1:] >= start[:-1]))).all()
    ):
        return np.arange(len(of))
    span = int(start.max()) - int(start.min()) + 1
    if span * (int(of.max()) + 1) >= 1 << 63:
        return np.lexsort((start, of))
    return np.argsort(
        of.astype(np.int64) * span + start, kind="stable"
    )  # mostly in order already: it is a merge


def _sweep_all(
    table: SegmentTable,
    rows: Column,
    of: Column,
    start: Column,
    cut: Column,
    captured: Column,
    order: Column,
    joins: Column,
    result: Settled,
) -> None:
    """Sweep each cluster and weave its pieces among those of the lone segments."""
    heads = np.flatnonzero(~joins)
    sizes = np.diff(np.append(heads, len(order)))
    many = sizes > 1
    pieces: list[tuple[int, int, int, bool]] = []  # (segment, start, end, shared)
    clustered = order[np.repeat(many, sizes)]
    segments = list(
        zip(
            clustered.tolist(), start[clustered].tolist(), captured[clustered].tolist(), strict=True
        )
    )
    at = 0
    for size in sizes[many].tolist():
        _sweep(segments[at : at + size], pieces)
        at += size
    index = np.array([p[0] for p in pieces], np.int64)
    begin = np.array([p[1] for p in pieces], np.int64)
    stop = np.array([p[2] for p in pieces], np.int64)
    shared = np.array([p[3] for p in pieces], bool)

    won = np.bincount(index, stop - begin, minlength=len(rows)).astype(np.int64)
    result.seen_before[clustered] = won[clustered] < captured[clustered]
    _compare(table, rows, of, start, cut, captured, clustered, (index, begin, stop), result)

    index = np.concatenate((result.index, index))
    length = np.concatenate((result.length, stop - begin))
    begin = np.concatenate((result.start, begin))
    shared = np.concatenate((result.shared, shared))
    weave = _by_start(of[index], begin)
    result.index, result.start, result.length, result.shared = (
        index[weave],
        begin[weave],
        length[weave],
        shared[weave],
    )
    result.skip = result.start - start[result.index]


def _sweep(segments: list[tuple[int, int, int]], pieces: list[tuple[int, int, int, bool]]) -> None:
    """One cluster, sorted by start: (number in capture order, start, captured bytes) → appended to
    `pieces`.
    """
    edges = sorted({edge for _, s, c in segments for edge in (s, s + c) if c})
    covering: list[
        tuple[int, int]
    ] = []  # (number, end of its captured bytes), earliest captured on top
    ends: list[int] = []  # of all segments that cover the place
    coming = [(s, number, s + c) for number, s, c in segments if c]
    next_in = 0
    last = (-1, 0, 0, False)
    for here, there in pairwise(edges):
        while next_in < len(coming) and coming[next_in][0] <= here:
            _, number, stop = coming[next_in]
            heappush(covering, (number, stop))
            heappush(ends, stop)
            next_in += 1
        while covering and covering[0][1] <= here:
            heappop(covering)
        while ends and ends[0] <= here:
            heappop(ends)
        if not covering:
            continue
        number, shared = covering[0][0], len(ends) > 1
        if last[0] == number and last[2] == here:
            last = (number, last[1], there, last[3] or shared)
            pieces[-1] = last
        else:
            last = (number, here, there, shared)
            pieces.append(last)


def _compare(
    table: SegmentTable,
    rows: Column,
    of: Column,
    start: Column,
    cut: Column,
    captured: Column,
    clustered: Column,
    won: tuple[Column, Column, Column],
    result: Settled,
) -> None:
    """Find the segments whose bytes differ from the winners': each cluster's bytes are laid down
    once, in one buffer per cluster.
    """
    at = table.payload[rows].astype(np.int64) + cut
    which = table.buffer[rows]

    def octets(i: int, begin: int, stop: int) -> bytes | memoryview:
        offset = int(at[i]) + begin - int(start[i])
        return table.buffers[int(which[i])][offset : offset + stop - begin]

    laid = bytearray()
    pieces = list(zip(*(c.tolist() for c in won), strict=True))
    keys = [(int(of[i]), begin, stop) for i, begin, stop in pieces]
    runs: list[
        tuple[tuple[int, int], int, int]
    ] = []  # ((stream, start of a contiguous run), its end, where it lies)
    for (stream, begin, stop), (i, _, _) in zip(keys, pieces, strict=True):
        if runs and runs[-1][0][0] == stream and runs[-1][1] == begin:
            runs[-1] = (runs[-1][0], stop, runs[-1][2])
        else:
            runs.append(((stream, begin), stop, len(laid)))
        laid += octets(i, begin, stop)
    winners = np.bincount(won[0], won[2] - won[1], minlength=len(rows))
    losers = clustered[(winners[clustered] < captured[clustered]) & (captured[clustered] > 0)]
    losers = losers[np.lexsort((start[losers], of[losers]))]
    run = 0
    view = memoryview(laid)
    for i in losers.tolist():
        stream, begin, stop = int(of[i]), int(start[i]), int(start[i] + captured[i])
        while runs[run][0][0] < stream or (runs[run][0][0] == stream and runs[run][1] <= begin):
            run += 1
        (_, run_start), _, lies = runs[run]
        lo = lies + begin - run_start
        if view[lo : lo + stop - begin] != octets(i, begin, stop):
            result.conflicts.append(Conflict(int(rows[i]), stream))
