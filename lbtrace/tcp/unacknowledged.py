"""Streams and what their peers acknowledged → the segments of which nothing was acknowledged.

    seq 1:1449 ──▶ seq 1:1449 ──▶ seq 1:1449 ──▶ …    sent again and again, and never acknowledged

A host gives up after a while; a flow that was forgotten on the way, or a segment that is too large
for it, looks like this. Sizes are as sent, whatever the snapshot length left of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lbtrace.tables.columns import group_starts
from lbtrace.tables.packets import FIN, Column, SegmentTable
from lbtrace.tcp.acknowledged import Acknowledged
from lbtrace.tcp.columns import counted, first_of, last_of
from lbtrace.tcp.reassemble import Assembly

NOTHING: Final = np.iinfo(np.uint32).max


@dataclass(slots=True)
class Unacknowledged:
    """Per stream whose peer acknowledged anything, about segments with payload."""

    sent: Column  # u32, how often segments were sent of which no byte was acknowledged
    first: Column  # i32, row of the first of these; NONE without
    last: Column  # i32, row of the last
    idle_ns: Column  # i64, for how long the connection had been silent before the first; 0 without
    least: Column  # u32, the smallest payload at the first unacknowledged byte, 0 without
    most_taken: Column  # u32, the largest payload that was acknowledged as a whole


def unacknowledged(
    table: SegmentTable, stream: Column, assembly: Assembly, acked: Acknowledged
) -> Unacknowledged:
    """What was never acknowledged, and the largest that was."""
    streams = len(assembly.base)
    open_ = (acked.end >= 0) & (assembly.end > acked.end)
    pieces, size = assembly.pieces, table.wire_length[assembly.pieces.row]
    most_taken = np.zeros(streams, np.uint32)
    if len(size):
        starts = group_starts(pieces.stream)
        most_taken[pieces.stream[starts]] = np.maximum.reduceat(size, starts)
    most_taken[open_ | (acked.end < 0)] = 0
    some = np.flatnonzero(open_[pieces.stream])
    again = np.flatnonzero(open_[stream[assembly.repeat_row]])
    rows = np.concatenate((pieces.row[some], assembly.repeat_row[again])).astype(np.int64)
    begin = np.concatenate(
        (pieces.start[some] - pieces.skip[some], _begins(table, assembly)[again])
    )
    order = np.argsort(rows, kind="stable")
    order = order[group_starts(rows[order])]
    rows, begin = rows[order], begin[order]
    of, size = stream[rows], table.wire_length[rows]
    taken = (size > 0) & (begin + size <= acked.end[of])
    np.maximum.at(most_taken, of[taken], size[taken])
    left = (size > 0) & (begin >= acked.end[of])
    of, rows, size, begin = of[left], rows[left], size[left], begin[left]
    # what lies further on may have arrived: it is not acknowledged before what is missing
    missing = begin == acked.end[of]
    least = np.full(streams, NOTHING, np.uint32)
    np.minimum.at(least, of[missing], size[missing])
    least[least == NOTHING] = 0
    sent, first = counted(of, streams), first_of(of, rows, streams)
    return Unacknowledged(
        sent,
        first,
        last_of(of, rows, streams),
        _silences(table, stream, first),
        least,
        most_taken,
    )


def _begins(table: SegmentTable, assembly: Assembly) -> Column:
    """Per repeat the offset it begins at. A FIN takes one place at its end."""
    rows = assembly.repeat_row
    fin = (table.flags[rows] & FIN) != 0
    begins: Column = assembly.repeat_end - table.wire_length[rows] - fin
    return begins


def _silences(table: SegmentTable, stream: Column, rows: Column) -> Column:
    """Per stream for how long its connection had been silent before this row; 0 without a row."""
    out = np.zeros(len(rows), np.int64)
    streams = np.flatnonzero(rows >= 0)
    if not len(streams):
        return out
    concerned = np.zeros(len(rows) // 2, bool)
    concerned[streams >> 1] = True
    every = np.flatnonzero(concerned[stream >> 1])
    # by connection, then in capture order
    key = (stream[every] >> 1).astype(np.int64) * len(table) + every
    key.sort()
    at = np.searchsorted(key, (streams >> 1) * len(table) + rows[streams])
    before = key[np.maximum(at - 1, 0)]
    same = (at > 0) & (before // len(table) == streams >> 1)
    silent = table.time_ns[rows[streams]] - table.time_ns[before % len(table)]
    out[streams[same]] = np.maximum(silent[same], 0)
    return out
