"""The control frames of HTTP/2 connections, and the times for which flow control let nothing
through, as columns (RFC 9113 §5.2, §6).

Invariant: `list(ControlFrames.of(frames)) == list(frames)`, and so for stalls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from lbtrace.model.http2 import ControlFrame, ControlKind, WindowStall
from lbtrace.tables.columns import Column
from lbtrace.tables.rows import rows_of
from lbtrace.tables.table import RowTable, column, shared, table

EPOCH: Final = "ns since the epoch"
NONE: Final = -1


@table
class ControlFrames(RowTable[ControlFrame]):
    """One row per control frame, as in `ControlFrame`: by connection; of each connection those of
    the client first, in the order of its stream, then those of the server.
    """

    frame: Column = column("u4", "frame that holds its last byte")
    time_ns: Column = column("i8", "time of it", EPOCH)
    connection: Column = column("i4", "id of the connection")
    from_client: Column = column("?", "the client sent it")
    kind: Column = column("u1", "its type, as `ControlKind`")
    stream: Column = column("u4", "its stream, 0 for the connection")
    ack: Column = column("?", "it acknowledges a SETTINGS or PING")
    code: Column = column("i8", "error code, or which setting", none=NONE)
    value: Column = column("i8", "last stream, value of the setting, or increment", none=NONE)
    text: Column = column("i4", "debug data of GOAWAY", "index in `texts`")
    texts: Sequence[str] = shared("debug data; the first is empty")

    @classmethod
    def of(cls, frames: Sequence[ControlFrame]) -> ControlFrames:
        """The columns of frames made elsewhere."""
        if isinstance(frames, cls):
            return frames
        texts: dict[str, int] = {"": 0}
        text = [texts.setdefault(f.text, len(texts)) for f in frames]
        names = ControlFrame._fields[:-1]
        return cls(
            **cls.columns_of(frames, names),
            text=cls.declared["text"].column(text),
            texts=list(texts),
        )

    @classmethod
    def together(cls, parts: Sequence[ControlFrames]) -> ControlFrames:
        """The frames of all parts, whose texts are numbered apart."""
        texts: dict[str, int] = {"": 0}
        moved = []
        for part in parts:
            text = np.array([texts.setdefault(t, len(texts)) for t in part.texts], np.int32)
            moved.append(part.with_columns(text=text[part.text]) if len(part) else part)
        every = list(texts)
        return cls.joined([part.with_columns(texts=every) for part in moved])

    def make(self, rows: Column) -> list[ControlFrame]:
        """The frames of these rows."""
        columns: list[list[Any]] = self.values(ControlFrame._fields[:-1], rows)
        texts = [self.texts[i] for i in self.text[rows].tolist()]
        return rows_of(ControlFrame, (*columns, texts))

    def of_kind(self, kind: ControlKind) -> ControlFrames:
        """Those of one type."""
        return self.where(self.kind == kind)


@table
class WindowStalls(RowTable[WindowStall]):
    """One row per time without flow-control window, as in `WindowStall`, by connection."""

    connection: Column = column("i4", "id of the connection")
    from_client: Column = column("?", "the client had to wait")
    stream: Column = column("u4", "whose window it was, 0 for that of the connection")
    frame: Column = column("u4", "frame that used up the window")
    begin_ns: Column = column("i8", "time of it", EPOCH)
    end_frame: Column = column("u4", "frame that gave more")
    end_ns: Column = column("i8", "time of it", EPOCH)

    @classmethod
    def of(cls, stalls: Sequence[WindowStall]) -> WindowStalls:
        """The columns of stalls made elsewhere."""
        if isinstance(stalls, cls):
            return stalls
        return cls(**cls.columns_of(stalls, WindowStall._fields))

    def make(self, rows: Column) -> list[WindowStall]:
        """The stalls of these rows."""
        return rows_of(WindowStall, self.values(WindowStall._fields, rows))

    @property
    def for_ns(self) -> Column:
        """How long each lasted."""
        lasted: Column = np.maximum(self.end_ns - self.begin_ns, 0)
        return lasted
