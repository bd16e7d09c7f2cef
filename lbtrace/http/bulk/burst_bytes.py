"""The bytes of bursts, where they are: in the pieces of streams, which lie in the mapped files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from lbtrace import compiled
from lbtrace.http.bulk.bursts import Bursts
from lbtrace.tables.columns import running, spans
from lbtrace.tables.packets import Column, StreamTable

LARGE: Final = 1 << 18  # bytes of a burst: of a longer one only the beginning is joined
BEGINNING: Final = 1 << 16


class BurstBytes:
    """The bytes of the bursts of a capture."""

    def __init__(self, streams: StreamTable, bursts: Bursts) -> None:
        self.views = tuple(memoryview(buffer) for buffer in streams.buffers)
        self._streams, self._bursts, self.size = streams, bursts, bursts.size
        self.before = running(streams.length[bursts.row])
        """Bytes before each piece of the bursts."""

        self.columns = tuple(
            map(
                np.ascontiguousarray,
                (
                    streams.buffer,
                    streams.payload,
                    streams.length,
                    bursts.row,
                    bursts.first,
                    bursts.size,
                ),
            )
        )
        """Per piece of a stream the buffer it is in, where it begins there, and its length; the
        pieces of all bursts, where those of each begin, and its size.
        """

    def joined(self, burst: Column) -> tuple[bytes, Column]:
        """The bytes of some bursts, and where each begins in them (with the end of all); of a large
        burst only its beginning.
        """
        streams, bursts = self._streams, self._bursts
        count = bursts.first[burst + 1] - bursts.first[burst]
        places = spans(bursts.first[burst], count)
        rows = bursts.row[places]
        length = streams.length[rows].astype(np.int64)
        first = running(count)
        large = bursts.size[burst] > LARGE
        if large.any():
            inside = self.before[places] - np.repeat(self.before[bursts.first[burst]], count)
            left_out = np.repeat(large, count) & (inside >= BEGINNING)
            rows, length = rows[~left_out], length[~left_out]
            first = first - running(left_out)[first]
        return self.pieces(rows), running(length)[first]

    def pieces(self, rows: Column, skipped: Column | int = 0) -> bytes:
        """The bytes of some pieces of streams, joined, each without its first `skipped` bytes."""
        if compiled.core is None:
            return b"".join([view[a:b] for view, a, b in self._places(rows, skipped)])
        begin = self._streams.payload[rows].astype(np.int64)
        end = begin + self._streams.length[rows]
        buffer = self._streams.buffer[rows].astype(np.int64)
        return compiled.core.gathered(self.views, buffer, begin + skipped, end)

    def _places(self, rows: Column, skipped: Column | int) -> Iterator[tuple[memoryview, int, int]]:
        """The buffer of each of these pieces, where it begins there, without its first `skipped`
        bytes, and where it ends.
        """
        begin = self._streams.payload[rows]
        views = map(self.views.__getitem__, self._streams.buffer[rows].tolist())
        return zip(
            views,
            (begin + skipped).tolist(),
            (begin + self._streams.length[rows]).tolist(),
            strict=True,
        )
