"""Plain packets by the compiled core: TCP over whole IP headers without extensions, right behind a
link header of fixed size.

What comes out equals, row for row, what `fast_path` makes of the same packets; all others are left
to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lbtrace import compiled
from lbtrace.decode.dispatch import FastLink
from lbtrace.decode.rows import SegmentRows
from lbtrace.tables.columns import Column
from lbtrace.tables.packets import Buffer

# the columns that the core fills, in its order; PLACE and LEFT are places in the batch
_PLACE: Final = "record"
_FILLED: Final = (
    _PLACE, "source_a", "source_b", "target_a", "target_b", "ports", "seq", "ack", "flags",
    "window", "ttl", "ip_id", "tcp", "payload", "length", "wire_length",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlainPackets:
    """Records of one link type in one buffer: its number, and of each its row, where it is, and its
    bytes in the capture and on the wire (i64).
    """

    data: Buffer
    buffer: int
    record: Column
    offset: Column
    captured: Column
    wire: Column

    def rows(self, core: compiled.Core, link: FastLink) -> tuple[SegmentRows, Column]:
        """The rows of those that are plain, and the places of the others."""
        count = len(self.record)
        columns = {name: np.empty(count, SegmentRows.declared[name].dtype) for name in _FILLED}
        left = np.empty(count, np.int64)
        found = core.segments(
            self.data,
            np.ascontiguousarray(self.offset, np.int64),
            self.captured,
            self.wire,
            link.header_bytes,
            link.kind_at,
            (*columns.values(), left),
        )
        columns = {name: column[:found] for name, column in columns.items()}
        columns[_PLACE] = self.record[columns[_PLACE]]
        rows = SegmentRows(
            **columns,
            buffer=np.full(found, self.buffer, np.uint8),
            network=np.zeros(found, np.uint16),
        )
        return rows, left[: count - found]
