"""Streams with damage → for how long a lost segment held its stream up.

    sent twice      the time between the copies: it was lost beyond the capture, or its
                    acknowledgement was
    came late       the time since later bytes were there: it was lost before the capture

Only the longest of each stream is kept. Streams without damage have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lbtrace.tables.columns import among, highest_before
from lbtrace.tables.packets import Column, SegmentTable
from lbtrace.tcp.columns import NONE
from lbtrace.tcp.reassemble import Assembly

_MOST: Final = 1 << 63  # numbers that streams and offsets are packed in


@dataclass(slots=True)
class Delays:
    """Per stream."""

    longest_ns: Column  # i64, 0 without
    row: Column  # i32, of the segment that came so late; NONE without


def delays(table: SegmentTable, stream: Column, assembly: Assembly, repeats: Column) -> Delays:
    """The longest delay of each stream. `repeats`: rows of segments that were sent again before
    they were acknowledged.
    """
    streams = len(assembly.base)
    out = Delays(np.zeros(streams, np.int64), np.full(streams, NONE, np.int32))
    held = np.flatnonzero(assembly.dirty[assembly.pieces.stream])
    pieces = assembly.pieces
    row, start = pieces.row[held].astype(np.int64), pieces.start[held]
    group = pieces.stream[held].astype(np.int64)
    time_ns = table.time_ns[row]
    if not len(held) or streams * (int(start.max()) + 2) >= _MOST:
        return out  # without damage; or with damaged numbers, farther apart than any traffic
    again, since = _sent_twice(table, stream, assembly, repeats, (group, start, time_ns))
    of = np.concatenate((group, stream[again].astype(np.int64)))
    rows = np.concatenate((row, again))
    late = np.concatenate((time_ns - _earliest_after(group, time_ns), since))
    late, rows, of = (column[late > 0] for column in (late, rows, of))
    order = np.argsort(late, kind="stable")  # the last one assigned is the longest
    out.longest_ns[of[order]] = late[order]
    out.row[of[order]] = rows[order]
    return out


def _earliest_after(group: Column, time_ns: Column) -> Column:
    """Per piece the earliest time of the pieces behind it in its stream; its own for the last."""
    earliest = -highest_before(group[::-1], -time_ns[::-1], 0)[::-1]
    last = np.append(group[1:] != group[:-1], True)
    return np.where(last, time_ns, earliest)


def _sent_twice(
    table: SegmentTable,
    stream: Column,
    assembly: Assembly,
    repeats: Column,
    pieces: tuple[Column, Column, Column],
) -> tuple[Column, Column]:
    """The repeats of payload, and how long after the first copy of their last byte each came."""
    group, start, time_ns = pieces
    wanted = among(assembly.repeat_row, repeats) & (table.wire_length[assembly.repeat_row] > 0)
    rows, end = assembly.repeat_row[wanted].astype(np.int64), assembly.repeat_end[wanted]
    reach = int(start.max()) + 2
    place = stream[rows].astype(np.int64) * reach + np.clip(end - 1, 0, reach - 1)
    at = np.searchsorted(group * reach + start, place, "right") - 1
    known = (at >= 0) & (group[np.maximum(at, 0)] == stream[rows])
    rows, at = rows[known], at[known]
    return rows, table.time_ns[rows] - time_ns[at]
