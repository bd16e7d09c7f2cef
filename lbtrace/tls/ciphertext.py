"""One stream of a StreamTable → its bytes by offset, with the holes that the capture has.

Nothing is joined that is not asked for: a record is put together when it is read.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

import numpy as np

from lbtrace.tables.packets import Buffer, Column, StreamTable

_RECORD: Final = re.compile(rb"(?=([\x14-\x17]\x03[\x00-\x03][\x00-\x41].))", re.DOTALL)
_AT_ONCE: Final = 1 << 16  # bytes that are searched at a time
HEAD: Final = 5
_LONGEST: Final = (1 << 14) + 2048  # bytes of a protected record (RFC 5246 §6.2.3)


class StreamBytes:
    """The columns of a StreamTable that say where its bytes are, as memory views."""

    __slots__ = (
        "buffer", "buffers", "end", "first", "frame", "length", "payload", "start", "time_ns",
    )  # fmt: skip

    def __init__(self, table: StreamTable) -> None:
        self.first = _view(table.first, np.int64)
        self.start = _view(table.start, np.int64)
        self.length = _view(table.length, np.uint32)
        self.payload = _view(table.payload, np.int64)
        self.buffer = _view(table.buffer, np.uint8)
        self.frame = _view(table.frame, np.uint32)
        self.time_ns = _view(table.time_ns, np.int64)
        self.end = _view(table.end, np.int64)
        self.buffers: list[Buffer] = [memoryview(data) for data in table.buffers]


def _view(column: Column, kind: type[np.generic]) -> memoryview:
    return np.ascontiguousarray(column, dtype=kind).data


def size_of(head: bytes) -> int:
    """How many bytes follow the head of a record; -1 when it is none."""
    if len(head) < HEAD or head[1] != 3 or not 20 <= head[0] <= 24:
        return -1
    size = int.from_bytes(head[3:5], "big")
    return size if size <= _LONGEST else -1


class Ciphertext:
    """The bytes of one stream."""

    __slots__ = ("_bytes", "_end_row", "_first_row", "captured_end", "end", "stream")

    def __init__(self, of: StreamBytes, stream: int) -> None:
        self._bytes, self.stream = of, stream
        self._first_row: int = of.first[stream]
        self._end_row: int = of.first[stream + 1]
        last = self._end_row - 1
        there = last >= self._first_row
        self.captured_end: int = of.start[last] + of.length[last] if there else 0
        self.end: int = max(of.end[stream], self.captured_end)

    def get(self, at: int, size: int) -> bytes:
        """Up to `size` bytes from `at` on, fewer in front of a hole or the end."""
        of = self._bytes
        row = self._row(at)
        if row < self._first_row or at >= of.start[row] + of.length[row]:
            return b""
        inside = at - of.start[row]
        begin = of.payload[row] + inside
        first = of.buffers[of.buffer[row]][begin : begin + min(of.length[row] - inside, size)]
        if len(first) == size:
            return bytes(first)
        parts: list[Buffer] = [first]
        got, row = len(first), row + 1
        while got < size and row < self._end_row and of.start[row] == at + got:
            take = min(of.length[row], size - got)
            begin = of.payload[row]
            parts.append(of.buffers[of.buffer[row]][begin : begin + take])
            got, row = got + take, row + 1
        return b"".join(parts)

    def next(self, at: int) -> int | None:
        """The first captured byte from `at` on."""
        of = self._bytes
        row = self._row(at)
        if row >= self._first_row and at < of.start[row] + of.length[row]:
            return at
        return int(of.start[row + 1]) if row + 1 < self._end_row else None

    def parts(self, at: int, size: int) -> list[tuple[int, bytes]]:
        """What is captured of `size` bytes from `at` on: (offset from `at`, bytes)."""
        found: list[tuple[int, bytes]] = []
        here = self.next(at)
        while here is not None and here < at + size:
            found.append((here - at, self.get(here, at + size - here)))
            here = self.next(here + len(found[-1][1]))
        return found

    def heads(self, at: int) -> Iterator[int]:
        """Where heads of records may begin, behind `at`."""
        here = self.next(at)
        while here is not None:
            data = self.get(here, _AT_ONCE)
            for found in _RECORD.finditer(data):
                if size_of(found[1]) >= 0:
                    yield here + found.start()
            # a head may lie across the end of what was searched
            more = len(data) == _AT_ONCE
            here = self.next(here + len(data) - (HEAD - 1 if more else 0))

    def place(self, at: int) -> tuple[int, int]:
        """The frame that carried the byte at `at`, and its time."""
        row = max(self._row(at), self._first_row)
        return self._bytes.frame[row], self._bytes.time_ns[row]

    def _row(self, at: int) -> int:
        """The piece that begins last at or in front of `at`."""
        return bisect_right(self._bytes.start, at, self._first_row, self._end_row) - 1
