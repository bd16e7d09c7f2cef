"""Stream offsets of a message → the frames and times it was seen at, and how its stream ended."""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

from lbtrace.http.cursor import Cursor
from lbtrace.model.http import Mark


class MessagePlace(NamedTuple):
    """Where and when a message was seen: its first byte, the end of its head, its last byte. Times
    are ns since the epoch. `repeated`: a segment of it was sent again or arrived late.
    """

    row: int  # the piece it begins in
    first_frame: int
    head_frame: int
    last_frame: int
    first_ns: int
    head_ns: int
    last_ns: int
    repeated: bool


def place(cursor: Cursor, offset: int, head_end: int, end: int) -> MessagePlace:
    """The place of the bytes [offset, end), of which the head ends at `head_end`. Where pieces came
    out of order, a part ends with the last of its pieces to arrive.
    """
    p, row_at = cursor.pieces, cursor.row_at
    first = row_at(offset)
    head, last = row_at(max(head_end - 1, offset)), row_at(max(end - 1, offset))
    frame, time = p.frame, p.time_ns
    if p.clean[cursor.stream] or first == last:
        frames, times = (frame[head], frame[last]), (time[head], time[last])
        repeated = bool(p.repeated[first]) and not p.clean[cursor.stream]
    else:
        frames = max(frame[first : head + 1]), max(frame[first : last + 1])
        times = max(time[first : head + 1]), max(time[first : last + 1])
        repeated = any(p.repeated[first : last + 1])
    return MessagePlace(first, frame[first], *frames, time[first], *times, repeated)


class Delivery:
    """Places on a stream whose messages overlap (HTTP/2). A byte has arrived when it and all bytes
    before it have, as TCP delivers it.

    So a place costs the same however many messages overlap; `place` looks at every piece of a
    message.
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
        """The same as the function `place`, in order of delivery."""
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
    """How a stream ended. `cut_mark`: what cut short a message that does not end. `fin`: the offset
    of its FIN, -1 without. `end`: the offset behind the last byte known to have been sent. `holed`:
    bytes of it are missing.
    """

    cut_mark: Mark
    fin: int
    end: int
    holed: bool

    @classmethod
    def of(cls, cursor: Cursor) -> Ending:
        """The ending of the stream of a cursor."""
        p, s = cursor.pieces, cursor.stream
        fin, end = p.fin[s], p.end[s]
        first, last = cursor.first_row, cursor.end_row
        captured = sum(p.length[first:last])
        return cls(p.cut_mark(s), fin, end, captured < max(end, fin))
