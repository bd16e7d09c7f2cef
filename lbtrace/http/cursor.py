"""The pieces of one stream → a position in its bytes, with a window of joined bytes from there on.

In: the pieces of a stream (rows of a StreamTable). Out: `data`, the window, which begins at stream
offset `base` and grows only when a parser looks further. All positions are stream offsets, so that
the piece that carried a byte (its frame, time and acknowledgement) can be found again.

Invariant: `data` holds the bytes [base, base + len(data)) of the stream without a gap, and `row` is
the first piece that is not wholly in it. Large bodies never enter the window: `take` feeds them to
a sink piece by piece, without copying.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final, Protocol

import numpy as np

from lbtrace.model.http import Mark
from lbtrace.tables.packets import Buffer, Column, StreamTable

_LEAST: Final = 1 << 12  # bytes joined first
_MOST: Final = 1 << 16  # and at a time, where more and more are looked at


class Sink(Protocol):
    """Where the bytes of a body go."""

    def update(self, data: Buffer, /) -> None:
        """The next bytes."""


class StreamPieces:
    """The columns of a StreamTable as memory views."""

    __slots__ = (
        "_behind_gap", "ack", "buffer", "buffers", "clean", "end", "fin", "first", "frame",
        "known_start", "length", "payload", "repeated", "reset", "start", "time_ns",
    )  # fmt: skip

    def __init__(self, table: StreamTable) -> None:
        self.first = view(table.first, np.int64)
        self.start = view(table.start, np.int64)
        self.length = view(table.length, np.uint32)
        self.payload = view(table.payload, np.int64)
        self.buffer = view(table.buffer, np.uint8)
        self.frame = view(table.frame, np.uint32)
        self.time_ns = view(table.time_ns, np.int64)
        self.ack = view(table.ack, np.int64)
        self.repeated = view(table.repeated, np.bool_)
        self.clean = view(table.clean, np.bool_)
        self.known_start = view(table.known_start, np.bool_)
        self.end = view(table.end, np.int64)
        self.fin = view(table.fin, np.int64)
        self.reset = view(table.reset, np.bool_)
        self._behind_gap: list[int] | None = None  # pieces in front of which bytes are missing
        self.buffers: list[Buffer] = [
            b if isinstance(b, memoryview) else memoryview(b) for b in table.buffers
        ]

    def cut_mark(self, stream: int) -> Mark:
        """What cut short a last message that does not end. Where more was sent than was captured,
        neither a FIN nor a RST behind it shows that the message was cut short.
        """
        if self._sent(stream) > self._captured(stream):
            return Mark.LOST
        return self.ended_by(stream)

    def ended_by(self, stream: int) -> Mark:
        """What a stream ended by."""
        if self.reset[stream]:
            return Mark.RESET
        return Mark.CLOSED if self.fin[stream] >= 0 else Mark.CAPTURE_ENDED

    def _sent(self, stream: int) -> int:
        """The offset behind the last byte that is known to have been sent."""
        return max(self.end[stream], self.fin[stream])

    def _captured(self, stream: int) -> int:
        """The offset behind the last byte that was captured."""
        first, last = self.first[stream], self.first[stream + 1]
        return self.start[last - 1] + self.length[last - 1] if first < last else 0

    def is_whole(self, stream: int) -> bool:
        """Whether a stream that has no gap between its pieces was captured from its first byte to
        the last one that is known to have been sent.
        """
        first, last = self.first[stream], self.first[stream + 1]
        begins = first < last and self.known_start[stream] and not self.start[first]
        return bool(begins) and self._captured(stream) >= self._sent(stream)

    def gaps(self, stream: int) -> tuple[list[int], list[int]]:
        """The gaps of a stream, as their begins and their ends; what is missing behind its last
        captured byte is one of them, and so is what its FIN shows to have been sent.
        """
        start, length = self.start, self.length
        if self._behind_gap is None:
            every = np.asarray(start)
            before = np.append(0, every + np.asarray(length))[:-1]
            opens = np.asarray(self.first)
            before[opens[opens < len(before)]] = 0
            self._behind_gap = np.flatnonzero(every > before).tolist()
        first, last = self.first[stream], self.first[stream + 1]
        rows = self._behind_gap[
            bisect_left(self._behind_gap, first) : bisect_left(self._behind_gap, last)
        ]
        begins = [start[row - 1] + length[row - 1] if row > first else 0 for row in rows]
        ends = [start[row] for row in rows]
        at, sent = self._captured(stream), self._sent(stream)
        if sent > at:
            begins.append(at)
            ends.append(sent)
        return begins, ends


def view(column: Column, kind: type[np.generic]) -> memoryview:
    """A column as a memory view. Indexing one gives a Python int, several times faster than a numpy
    scalar.
    """
    return np.ascontiguousarray(column, dtype=kind).data


class Cursor:
    """A position in a stream. `pos` is an index in `data`; the stream offset is `base + pos`."""

    __slots__ = ("base", "data", "end_row", "first_row", "pieces", "pos", "row", "stream", "want")

    def __init__(self, pieces: StreamPieces, stream: int) -> None:
        self.pieces = pieces
        self.stream = stream
        self.first_row: int = pieces.first[stream]
        self.end_row: int = pieces.first[stream + 1]
        self.row = self.first_row
        self.base: int = pieces.start[self.row] if self.row < self.end_row else 0
        self.data = b""
        self.pos = 0
        self.want = _LEAST
        self.extend()

    @property
    def offset(self) -> int:
        """The position, as a stream offset."""
        return self.base + self.pos

    def extend(self) -> bool:
        """Join more pieces to the window and drop the bytes before `pos`; False when a gap or the
        end follows.
        Amortised linear: the window at least doubles.
        """
        p = self.pieces
        row, stop = self.row, self.end_row
        at = self.base + len(self.data)
        if row >= stop or p.start[row] != at:
            return False
        kept = self.data[self.pos :] if self.pos < len(self.data) else b""
        want = max(self.want, len(kept))
        self.want = min(2 * want, _MOST)
        start, length, payload, buffer, buffers = p.start, p.length, p.payload, p.buffer, p.buffers
        parts: list[Buffer] = [kept] if kept else []
        got = 0
        while row < stop and got < want and start[row] == at:
            n = length[row]
            o = payload[row]
            parts.append(buffers[buffer[row]][o : o + n])
            at += n
            got += n
            row += 1
        self.base += self.pos
        self.pos = 0
        self.data = b"".join(parts)
        self.row = row
        return True

    def forget(self) -> None:
        """Let go of the window, when nothing is read any more. The offset stays."""
        self.base, self.pos, self.data = self.offset, 0, b""

    def ended(self) -> bool:
        """True when no byte of the stream follows, not even after a gap."""
        return self.pos >= len(self.data) and self.row >= self.end_row

    def at_gap(self) -> bool:
        """True when the next byte of the stream is not in the capture but a later one is."""
        return (
            self.pos >= len(self.data)
            and self.row < self.end_row
            and self.pieces.start[self.row] > self.offset
        )

    def line(self, limit: int) -> bytes | None:
        """The next line with its line end, at most `limit` bytes; None (and no move) when it does
        not end before a gap, the end, or the limit.
        """
        searched = 0
        while True:
            at = self.data.find(b"\n", self.pos + searched, self.pos + limit)
            if at >= 0:
                line = self.data[self.pos : at + 1]
                self.pos = at + 1
                return line
            searched = len(self.data) - self.pos
            if searched >= limit or not self.extend():
                return None

    def peek(self, size: int) -> bytes:
        """Up to `size` bytes from here on, fewer before a gap or the end."""
        while len(self.data) - self.pos < size and self.extend():
            pass
        return self.data[self.pos : self.pos + size]

    def take(self, size: int, sink: Sink | None) -> int:
        """Move `size` bytes on, across gaps if need be, and feed those before the first gap to
        `sink`. Returns how many of them are in the capture.

        Stops at the last byte of the stream. Afterwards the cursor may stand in a gap.
        """
        here = len(self.data) - self.pos
        if size <= here:
            if sink is not None:
                sink.update(self.data[self.pos : self.pos + size])
            self.pos += size
            return size
        if sink is not None and here:
            sink.update(memoryview(self.data)[self.pos :])
        p = self.pieces
        target = self.offset + size
        at = self.base + len(self.data)
        taken = here
        row, stop = self.row, self.end_row
        start, length, payload, buffer, buffers = p.start, p.length, p.payload, p.buffer, p.buffers
        while row < stop:
            begin = start[row]
            if begin >= target:
                break
            n = length[row]
            if begin != at:
                sink = None
            if begin + n > target:
                inside = target - begin
                o = payload[row]
                if sink is not None:
                    sink.update(buffers[buffer[row]][o : o + inside])
                self.row = row + 1
                self.base, self.pos = target, 0
                self.data = bytes(buffers[buffer[row]][o + inside : o + n])
                return taken + inside
            if sink is not None:
                o = payload[row]
                sink.update(buffers[buffer[row]][o : o + n])
            taken += n
            at = begin + n
            row += 1
        self.row = row
        self.base, self.pos, self.data = (target if row < stop else at), 0, b""
        return taken

    def move_to(self, offset: int) -> None:
        """Move to a stream offset at or after `base`, where a byte was captured."""
        if self.base <= offset < self.base + len(self.data):
            self.pos = offset - self.base
            return
        row = bisect_right(self.pieces.start, offset, self.first_row, self.end_row) - 1
        p = self.pieces
        inside = offset - p.start[row]
        o = p.payload[row]
        self.row = row + 1
        self.base, self.pos = offset, 0
        self.data = bytes(p.buffers[p.buffer[row]][o + inside : o + p.length[row]])

    def skip(self, offset: int) -> None:
        """Move to a stream offset ahead, where a piece ends and before which no byte is missing."""
        self.pos = offset - self.base
        if self.pos > len(self.data):
            self.row = bisect_left(self.pieces.start, offset, self.row, self.end_row)
            self.base, self.pos, self.data, self.want = offset, 0, b"", _LEAST

    def row_at(self, offset: int) -> int:
        """The piece that carried the byte at `offset`."""
        return bisect_right(self.pieces.start, offset, self.first_row, self.end_row) - 1

    def rows_ahead(self, after: int = -1) -> range:
        """The pieces that begin at or behind the cursor, and behind offset `after`."""
        if self.first_row == self.end_row:
            return range(0)
        start = self.pieces.start
        here = max(self.offset if after < 0 else after, start[self.first_row])
        row = self.row_at(here)
        return range(row + 1 if start[row] < here or start[row] == after else row, self.end_row)
