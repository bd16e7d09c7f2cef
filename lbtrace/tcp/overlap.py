"""Segments of a stream that were sent twice, in part or whole → which of them each byte is taken
from: the first captured.

Segments are sorted by start; a run of segments in which each begins before the highest end so far
is a *cluster*. A cluster of one (nearly all) is a piece. Larger ones are swept once from left to
right with a heap of the segments that cover the place, earliest captured on top: O(n log n) in the
segments. The bytes of a cluster are laid down once, to compare those that were sent again.

Invariant: the pieces of a cluster cover exactly the union of its captured bytes, in order, without
overlap.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lbtrace.tables.columns import highest_before
from lbtrace.tables.packets import Buffer, Column, SegmentTable


class Conflict(NamedTuple):
    """A segment whose bytes differ from what was captured before for the same place in the
    stream.
    """

    row: int
    stream: int


@dataclass(slots=True)
class Placed:
    """Segments with payload, at their places in their streams: grouped by stream, in capture
    order.
    """

    row: Column
    stream: Column
    start: Column  # i64
    end: Column  # i64, after the last byte that was on the wire
    cut: Column  # i64, bytes of payload before offset 0; `start` is behind them
    captured: Column  # i64, bytes from `start` on that are in the capture

    def only(self, which: Column) -> Placed:
        """These of the segments."""
        return Placed(*(getattr(self, column.name)[which] for column in fields(Placed)))


@dataclass(slots=True)
class Gaps:
    """Places of streams that no segment covers, though a later place is covered."""

    stream: Column
    start: Column  # i64
    end: Column  # i64


@dataclass(slots=True)
class Resolved:
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
    gaps: Gaps
    conflicts: list[Conflict]


def resolve_overlaps(table: SegmentTable, placed: Placed) -> Resolved:
    """Segments → from which of them each byte is taken."""
    count = len(placed.row)
    order = _by_start(placed.stream, placed.start)
    start, end = placed.start[order], placed.end[order]
    covered = highest_before(placed.stream[order], end, 0)
    joins = start < covered
    fresh = np.zeros(count, np.int64)
    fresh[order] = np.maximum(end - np.maximum(start, covered), 0)
    gap = start > covered
    alone = ~joins
    alone[:-1] &= ~joins[1:]
    lone = order[alone & (placed.captured[order] > 0)]
    result = Resolved(
        index=lone,
        start=placed.start[lone],
        skip=np.zeros(len(lone), np.int64),
        length=placed.captured[lone],
        shared=np.zeros(len(lone), bool),
        seen_before=np.zeros(count, bool),
        fresh=fresh,
        gaps=Gaps(placed.stream[order][gap], covered[gap], start[gap]),
        conflicts=[],
    )
    if joins.any():
        _resolve_clusters(table, placed, order, joins, result)
    return result


def _by_start(stream: Column, start: Column) -> Column:
    """The order of segments by stream, then start."""
    if len(stream) < 2:
        return np.arange(len(stream))
    in_order = (stream[1:] > stream[:-1]) | (
        (stream[1:] == stream[:-1]) & (start[1:] >= start[:-1])
    )
    if bool(in_order.all()):
        return np.arange(len(stream))
    span = int(start.max()) - int(start.min()) + 1
    if span * (int(stream.max()) + 1) >= 1 << 63:
        return np.lexsort((start, stream))
    # mostly in order already, so that a stable sort is a merge
    return np.argsort(stream.astype(np.int64) * span + start, kind="stable")


class _Pieces(NamedTuple):
    """Pieces of clusters, as columns: the segment, start, end, and whether others cover it too."""

    segment: Column
    start: Column
    end: Column
    shared: Column


def _resolve_clusters(
    table: SegmentTable, placed: Placed, order: Column, joins: Column, result: Resolved
) -> None:
    """Sweep each cluster and put its pieces among those of the lone segments."""
    heads = np.flatnonzero(~joins)
    sizes = np.diff(np.append(heads, len(order)))
    many = sizes > 1
    clustered = order[np.repeat(many, sizes)]
    pieces = _sweep_all(placed, clustered, sizes[many])
    won = np.bincount(pieces.segment, pieces.end - pieces.start, minlength=len(placed.row))
    lost = won[clustered] < placed.captured[clustered]
    result.seen_before[clustered] = lost
    _compare(table, placed, clustered[lost & (placed.captured[clustered] > 0)], pieces, result)

    index = np.concatenate((result.index, pieces.segment))
    start = np.concatenate((result.start, pieces.start))
    length = np.concatenate((result.length, pieces.end - pieces.start))
    shared = np.concatenate((result.shared, pieces.shared))
    weave = _by_start(placed.stream[index], start)
    result.index, result.start = index[weave], start[weave]
    result.length, result.shared = length[weave], shared[weave]
    result.skip = result.start - placed.start[result.index]


def _sweep_all(placed: Placed, clustered: Column, sizes: Column) -> _Pieces:
    """The pieces of clusters of these sizes, whose segments are given one cluster after another."""
    columns = (clustered, placed.start[clustered], placed.captured[clustered])
    segments = list(zip(*(c.tolist() for c in columns), strict=True))
    pieces: list[tuple[int, int, int, bool]] = []
    at = 0
    for size in sizes.tolist():
        _sweep(segments[at : at + size], pieces)
        at += size
    return _Pieces(
        np.array([p[0] for p in pieces], np.int64),
        np.array([p[1] for p in pieces], np.int64),
        np.array([p[2] for p in pieces], np.int64),
        np.array([p[3] for p in pieces], bool),
    )


def _sweep(segments: list[tuple[int, int, int]], pieces: list[tuple[int, int, int, bool]]) -> None:
    """One cluster, sorted by start: (number in capture order, start, captured bytes) → appended to
    `pieces`.
    """
    edges = sorted({edge for _, s, c in segments for edge in (s, s + c) if c})
    covering: list[tuple[int, int]] = []  # (number, end of its captured bytes), earliest on top
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


class _Run(NamedTuple):
    """Contiguous pieces of a stream, laid down in one place."""

    stream: int
    start: int
    end: int
    lies: int  # where its first byte lies


def _compare(
    table: SegmentTable, placed: Placed, losers: Column, pieces: _Pieces, result: Resolved
) -> None:
    """Find the segments whose bytes differ from those taken: each cluster's bytes are laid down
    once, in one buffer. `losers` are the segments of which not all bytes are taken.
    """
    octets = _Octets(table, placed)
    laid = bytearray()
    runs: list[_Run] = []
    for i, begin, stop in zip(*(c.tolist() for c in pieces[:3]), strict=True):
        stream = int(placed.stream[i])
        if runs and runs[-1].stream == stream and runs[-1].end == begin:
            runs[-1] = runs[-1]._replace(end=stop)
        else:
            runs.append(_Run(stream, begin, stop, len(laid)))
        laid += octets.of(i, begin, stop)
    losers = losers[np.lexsort((placed.start[losers], placed.stream[losers]))]
    run = 0
    view = memoryview(laid)
    for i in losers.tolist():
        stream, begin = int(placed.stream[i]), int(placed.start[i])
        stop = begin + int(placed.captured[i])
        while (runs[run].stream, runs[run].end) <= (stream, begin):
            run += 1
        at = runs[run].lies + begin - runs[run].start
        if view[at : at + stop - begin] != octets.of(i, begin, stop):
            result.conflicts.append(Conflict(int(placed.row[i]), stream))


class _Octets:
    """The captured bytes of segments, by offsets in their streams."""

    def __init__(self, table: SegmentTable, placed: Placed) -> None:
        self.buffers = table.buffers
        self.buffer = table.buffer[placed.row]
        # where offset 0 of the stream would be
        self.origin = table.payload[placed.row].astype(np.int64) + placed.cut - placed.start

    def of(self, segment: int, begin: int, stop: int) -> Buffer:
        """Those from offset `begin` to `stop`."""
        origin = int(self.origin[segment])
        return self.buffers[int(self.buffer[segment])][origin + begin : origin + stop]
