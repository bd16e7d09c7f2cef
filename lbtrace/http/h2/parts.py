"""A direction of HTTP/2 → in how many parts its messages came.

Streams take turns on a connection, so a pause of the connection is not one of each stream, and a
stream may pause while others go on. A pause of a stream is one between two of its frames, or inside
one of them. It is as long as a pause of a connection is (`tables.pace.PAUSE_NS`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from lbtrace.http.h2.control import pieces_at
from lbtrace.http.h2.frames import DATA, HEAD
from lbtrace.tables.columns import Column, running
from lbtrace.tables.pace import PAUSE_NS

if TYPE_CHECKING:
    from lbtrace.http.h2.direction import Http2Direction, StreamHalf


def parts_of(side: Http2Direction) -> Iterator[tuple[int, int]]:
    """(stream, in how many parts it came) of each message that took as long as a pause or longer;
    any other one came in one part.
    """
    cursor = side.cursor
    rows = slice(cursor.first_row, cursor.end_row)
    times = np.asarray(cursor.pieces.time_ns)[rows]
    if not len(times) or times.max() - times.min() < PAUSE_NS:
        return
    halves = [half for half in side.halves.values() if half.end > half.begin]
    ends = np.array([(half.begin, half.end - 1) for half in halves], np.int64).reshape(-1, 2)
    first, last = (pieces_at(cursor, column) - cursor.first_row for column in ends.T)
    slow = np.flatnonzero(times[last] - times[first] >= PAUSE_NS).tolist()
    if not slow:
        return
    frames = side.control.table()
    frames = frames[frames[:, 1] == DATA]
    frames = frames[np.argsort(frames[:, 3], kind="stable")]
    paused = running(np.diff(times) >= PAUSE_NS)
    for half in (halves[i] for i in slow):
        begin, end = np.searchsorted(frames[:, 3], (half.stream, half.stream + 1))
        spans = _spans(half, frames[begin:end])
        at = pieces_at(cursor, spans.reshape(-1)).reshape(-1, 2) - cursor.first_row
        inside = paused[at[:, 1]] - paused[at[:, 0]]
        between = times[at[1:, 0]] - times[at[:-1, 1]] >= PAUSE_NS
        yield half.stream, 1 + int(inside.sum() + between.sum())


def _spans(half: StreamHalf, data: Column) -> Column:
    """Where a message is in the stream of its direction: the first byte and the last one of each of
    its frames. Between the ends of its head others may stand, behind an interim response.
    """
    last = np.minimum(data[:, 0], half.end - 1)
    first = np.minimum(data[:, 0] - data[:, 5] - (HEAD - 1), last)
    alone = (half.begin, max(half.head_end - 1, half.begin)), (half.end - 1,)
    points = np.repeat(np.concatenate([np.array(each, np.int64) for each in alone]), 2)
    spans = np.concatenate((points.reshape(-1, 2), np.stack((first, last), axis=1)))
    ordered: Column = spans[np.lexsort((spans[:, 1], spans[:, 0]))]
    return ordered
