"""Stream offsets → frames and times, and how a stream ended."""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

from lbtrace.http.cursor import Cursor
from lbtrace.model.http import Mark


class MessagePlace(NamedTuple):
    """Where and when a message was seen. `repeated`: a segment of it was sent again or arrived
    late.
    """

    row: int
    first_frame: int
    head_frame: int
    last_frame: int
    first_ns: int
    head_ns: int
    last_ns: int
    repeated: bool


def place(cursor: Cursor, offset: int, head_end: int, end: int) -> MessagePlace:
    """Frames and times of the bytes [offset, end) whose head ends at `head_end`; when pieces came
    out of order, a part ends with its last arrival.
    """
    p = cursor.pieces
    row_at = cursor.row_at
    first = row_at(offset)
    head = row_at(max(head_end - 1, offset))
    last = row_at(max(end - 1, offset))
    frame, time = p.frame, p.time_ns
    if first == last or p.clean[cursor.stream]:
        repeated = bool(p.repeated[first]) and not p.clean[cursor.stream]
        return MessagePlace(
            first,
            frame[first],
            frame[head],
            frame[last],
            time[first],
            time[head],
            time[last],
            repeated,
        )
    return MessagePlace(
        first,
        frame[first],
        max(frame[first : head + 1]),
        max(frame[first : last + 1]),
        time[first],
        max(time[first : head + 1]),
        max(time[first : last + 1]),
        any(p.repeated[first : last + 1]),
    )


class Delivery:
    """Places on a stream whose messages overlap (HTTP/2): a byte counts as there when it and all
    before it have arrived, as TCP delivers it.

    That makes a place cost the same however many messages overlap, where `place` looks at every
    piece of a message.
    """

    def __init__(self, cursor: Cursor) -> None:
        p, low, high = cursor.pieces, cursor.first_row, cursor.end_row
        self.cursor = cursor
        self.low = low
        self.clean = bool(p.clean[cursor.stream])
        if not self.clean:
            self.frame = list(accumulate(p.frame[low:high], max))
            self.time = list(accumulate(p.time_ns[low:high], max))
            self.repeated = list(accumulate(p.repeated[low:high], initial=0))

    def place(self, offset: int, head_end: int, end: int) -> MessagePlace:
        """As the function `place`."""
        if self.clean:
            return place(self.cursor, offset, head_end, end)
        p, row_at, low = self.cursor.pieces, self.cursor.row_at, self.low
        first = row_at(offset)
        head = row_at(max(head_end - 1, offset)) - low
        last = row_at(max(end - 1, offset)) - low
        repeated = self.repeated[last + 1] > self.repeated[first - low]
        return MessagePlace(
            first,
            p.frame[first],
            self.frame[head],
            self.frame[last],
            p.time_ns[first],
            self.time[head],
            self.time[last],
            repeated,
        )


class Ending(NamedTuple):
    """How a stream ended: `cut_mark` says what cut short a message that does not end; `holed`:
    bytes of it are missing.
    """

    cut_mark: Mark
    fin: int
    end: int
    holed: bool

    @classmethod
    def of(cls, cursor: Cursor) -> Ending:
        """Of the stream of a cursor."""
        p, s = cursor.pieces, cursor.stream
        fin, end = p.fin[s], p.end[s]
        first, last = cursor.first_row, cursor.end_row
        captured = sum(p.length[first:last])
        return cls(p.cut_mark(s), fin, end, captured < end)
