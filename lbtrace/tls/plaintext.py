"""What was opened, stream by stream → a StreamTable of it.

Each byte of text lies in the record at the place of the byte that it was encrypted to. So a piece
of text has the frame and the time of the segment that carried it, and is cut where segments are. An
acknowledgement counts encrypted bytes; in the table it counts the text of the records that it
covers.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from lbtrace.tables.columns import Column, running, spans
from lbtrace.tables.packets import StreamTable

_ITEMS: Final = (
    "start", "length", "payload", "buffer", "frame", "time_ns", "ack", "repeated",
)  # fmt: skip


class Plaintext:
    """The text of one stream, as it is opened. `begin`: what lies in front of TLS, and stays.

    `at`: the offset behind the text so far. Spans are (offset in the text, offset in the stream,
    length); their bytes follow each other in `data`. Marks are (offset in the stream, offset in the
    text, bytes of a record that are no text): who has all bytes up to the first has the text up to
    the second. The third is -1, but where records are missing.
    """

    __slots__ = ("at", "begin", "clean", "data", "end", "marks", "spans")

    def __init__(self, begin: int) -> None:
        self.begin = self.at = self.end = begin
        self.data = bytearray()
        self.spans = array("q")
        self.marks = array("q", (begin, begin, -1))
        self.clean = True

    def add(self, text: bytes, where: int) -> None:
        """Text that goes on, and where its bytes lie in the stream."""
        if text:
            self.spans.extend((self.at, where, len(text)))
            self.data += text
            self.at += len(text)

    def skip(self, size: int) -> None:
        """Text that is not there."""
        if size > 0:
            self.at += size
            self.clean = False

    def add_parts(self, parts: list[tuple[int, int, bytes]], size: int, body: int) -> None:
        """What is there of `size` bytes of text: (offset in it, offset behind `body`, bytes)."""
        base = self.at
        for offset, where, text in parts:
            self.skip(base + offset - self.at)
            self.add(text, body + where)
        self.skip(base + size - self.at)

    def mark(self, where: int) -> None:
        """A record ends at this offset of the stream."""
        self.marks.extend((where, self.at, -1))

    def lose(self, begin: int, end: int, size: int, overhead: int) -> None:
        """Records from offset `begin` to `end` of the stream are missing, with so much text."""
        self.marks.extend((begin, self.at, overhead))
        self.skip(size)
        self.mark(end)

    def last(self) -> int:
        """The offset behind the last byte that is there."""
        return self.spans[-3] + self.spans[-1] if self.spans else self.begin

    def state(self) -> tuple[int, int, int, int]:
        """To come back to."""
        return self.at, len(self.data), len(self.spans), len(self.marks)

    def forget(self, state: tuple[int, int, int, int]) -> None:
        """Take back all text behind a state."""
        self.at, size, spans_, marks = state
        del self.data[size:], self.spans[spans_:], self.marks[marks:]


def opened_table(table: StreamTable, texts: Mapping[int, Plaintext]) -> StreamTable:
    """The table, with these streams replaced by their text. Streams go in pairs: both ends of a
    connection, or neither.
    """
    number = len(table.buffers)
    buffer = bytearray()
    changed: dict[int, tuple[Column, ...]] = {}
    for stream, text in texts.items():
        changed[stream] = _rows(table, stream, text, texts[stream ^ 1], len(buffer), number)
        buffer += text.data
        text.data = bytearray()
    counts = np.diff(table.first)
    for stream, rows in changed.items():
        counts[stream] = len(rows[0])
    first = running(counts)
    columns = {
        name: _merged(getattr(table, name), table.first, first, k, changed)
        for k, name in enumerate(_ITEMS)
    }
    end, fin, clean = table.end.copy(), table.fin.copy(), table.clean.copy()
    for stream, text in texts.items():
        end[stream] = text.end
        clean[stream] &= text.clean
        if fin[stream] >= 0:
            fin[stream] = text.end + max(int(table.fin[stream] - table.end[stream]), 0)
    buffers = [*table.buffers, bytes(buffer)]
    changes: dict[str, Any] = {"first": first, "end": end, "fin": fin, "clean": clean, **columns}
    return replace(table, buffers=buffers, **changes)


def _merged(
    column: Column,
    before: Column,
    first: Column,
    k: int,
    changed: Mapping[int, tuple[Column, ...]],
) -> Column:
    """Column number `k`: that of the table where a stream is as it was."""
    out = np.empty(int(first[-1]), column.dtype)
    same = np.ones(len(first) - 1, bool)
    same[list(changed)] = False
    kept = np.flatnonzero(same)
    sizes = (before[1:] - before[:-1])[kept]
    out[spans(first[:-1][kept], sizes)] = column[spans(before[:-1][kept], sizes)]
    for stream, rows in changed.items():
        out[first[stream] : first[stream + 1]] = rows[k]
    return out


def _rows(
    table: StreamTable, stream: int, text: Plaintext, other: Plaintext, base: int, number: int
) -> tuple[Column, ...]:
    """The pieces of a stream. `base`: where its text begins in the new buffer, which is buffer
    `number`.
    """
    low, high = int(table.first[stream]), int(table.first[stream + 1])
    starts = table.start[low:high]
    sizes = table.length[low:high].astype(np.int64)
    kept = starts < text.begin
    front = (
        starts[kept],
        np.minimum(sizes[kept], text.begin - starts[kept]),
        table.payload[low:high][kept],
        table.buffer[low:high][kept],
    )
    at, where, length = np.frombuffer(text.spans, np.int64).reshape(-1, 3).T
    offset = running(length)[:-1] + base
    row, inside, size = _cut(starts, sizes, where, length)
    span = np.repeat(np.arange(len(where)), inside)
    begin = np.maximum(where[span], starts[row])
    moved = begin - where[span]
    new = (
        at[span] + moved,
        size,
        offset[span] + moved,
        np.full(len(span), number),
    )
    of = np.append(np.flatnonzero(kept), row)
    ack = _acknowledged(table.ack[low:high][of], other)
    rest = (
        table.frame[low:high][of],
        table.time_ns[low:high][of],
        ack,
        table.repeated[low:high][of],
    )
    return (*(np.append(a, b) for a, b in zip(front, new, strict=True)), *rest)


def _cut(
    starts: Column, sizes: Column, where: Column, length: Column
) -> tuple[Column, Column, Column]:
    """Spans of a stream, cut where its pieces are: the pieces that each lies in, one after the
    other; in how many pieces each lies; and the bytes in each.
    """
    if not len(where):
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, nothing
    first = np.searchsorted(starts, where, "right") - 1
    last = np.searchsorted(starts, where + length - 1, "right") - 1
    count = last - first + 1
    row = spans(first, count)
    begin = np.maximum(np.repeat(where, count), starts[row])
    end = np.minimum(np.repeat(where + length, count), starts[row] + sizes[row])
    return row, count, end - begin


def _acknowledged(ack: Column, other: Plaintext) -> Column:
    """Acknowledgements of encrypted bytes → of text: that of all whole records. Among records that
    are missing, one is taken to end where an acknowledgement does.
    """
    where, text, overhead = np.frombuffer(other.marks, np.int64).reshape(-1, 3).T
    place = np.maximum(np.searchsorted(where, ack, "right") - 1, 0)
    behind = np.append(text[1:], other.end)[place]
    inside = np.clip(ack - where[place] - overhead[place], 0, behind - text[place])
    inside[overhead[place] < 0] = 0
    out: Column = np.where(ack < other.begin, ack, np.minimum(text[place] + inside, other.end))
    return out
