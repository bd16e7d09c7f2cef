"""The control frames of one direction, as they were noted → rows with frames and times (RFC 9113
§6).

While a direction is read, each control frame and each DATA frame becomes six integers
(`ControlNotes`): nothing else of it is kept. Frames and times are looked up once the direction is
read, and only for what is handed on. A frame is where its last byte is.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import islice
from struct import Struct
from typing import Final, NamedTuple

import numpy as np

from lbtrace.http.cursor import Cursor
from lbtrace.http.h2.frames import (
    ACK,
    DATA,
    END_STREAM,
    GOAWAY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    FrameHead,
)
from lbtrace.model.http2 import DEFAULT_WINDOW, ControlKind, Setting
from lbtrace.tables.columns import Column
from lbtrace.tables.control_frames import NONE, ControlFrames

KINDS: Final = frozenset(map(int, ControlKind))
_WIDTH: Final = 6
_MOST_SETTINGS: Final = 64  # of a frame
_TEXT: Final = 128  # bytes of debug data that are kept
_NUMBER = Struct(">I").unpack_from
_GOAWAY = Struct(">II").unpack_from
_SETTING = Struct(">HI").iter_unpack


class Note(NamedTuple):
    """A frame as it is noted. `flag`: ACK, or END_STREAM of DATA; the value of DATA is its
    length.
    """

    offset: int  # of its last byte in the stream
    kind: int
    flag: int
    stream: int
    code: int
    value: int


class ControlNotes:
    """The control frames and the DATA frames of one direction, in order."""

    def __init__(self) -> None:
        self._rows = array("q")
        self._texts: dict[int, str] = {}  # by the number of the note
        self.kept = 0  # control frames, and settings beyond the first of a frame
        self.data = 0  # bytes of DATA frames, padding included
        self.window = (
            DEFAULT_WINDOW  # the smallest that its sender ever gave a stream to begin with
        )

    @classmethod
    def told(
        cls, notes: bytes, texts: Iterable[tuple[int, bytes]], kept: int, data: int, window: int
    ) -> ControlNotes:
        """Those that the compiled core made, as the attributes here."""
        made = cls()
        made._rows.frombytes(notes)
        made._texts = {which: text.decode("latin-1") for which, text in texts}
        made.kept, made.data, made.window = kept, data, window
        return made

    @property
    def resets(self) -> set[int]:
        """The streams that were reset."""
        rows = self.table()
        return set(rows[rows[:, 1] == RST_STREAM, 3].tolist())

    def add(self, head: FrameHead, payload: bytes, offset: int) -> None:
        """A whole frame of one of KINDS, whose last byte is at `offset`."""
        kind, flag, stream = head.kind, head.flags & ACK, head.stream
        if kind == SETTINGS:
            self._settings(flag, payload, offset)
            return
        code = value = NONE
        if kind == RST_STREAM:
            (code,) = _NUMBER(payload)
        elif kind == WINDOW_UPDATE:
            value = _NUMBER(payload)[0] & 0x7FFFFFFF
        elif kind == GOAWAY:
            last, code = _GOAWAY(payload)
            value = last & 0x7FFFFFFF
            if len(payload) > 8:
                self._texts[len(self)] = payload[8 : 8 + _TEXT].decode("latin-1")
        self.kept += 1
        self._rows.extend((offset, kind, flag, stream, code, value))

    def _settings(self, flag: int, payload: bytes, offset: int) -> None:
        if not payload:
            self.kept += 1
            self._rows.extend((offset, SETTINGS, flag, 0, NONE, NONE))
        for code, value in islice(_SETTING(payload), _MOST_SETTINGS):
            self.kept += 1
            self._rows.extend((offset, SETTINGS, flag, 0, code, value))
            if code == Setting.INITIAL_WINDOW_SIZE:
                self.window = min(self.window, value)

    def add_data(self, head: FrameHead, offset: int) -> None:
        """A DATA frame whose last byte is at `offset`."""
        self.data += head.size
        self._rows.extend((offset, DATA, head.flags & END_STREAM, head.stream, NONE, head.size))

    def __len__(self) -> int:
        return len(self._rows) // _WIDTH

    def table(self) -> Column:
        """One row per note, its columns as in `Note`."""
        return np.frombuffer(self._rows, np.int64).reshape(-1, _WIDTH)

    def frames(
        self, cursor: Cursor, connection: int, from_client: bool, texts: list[str]
    ) -> ControlFrames:
        """The control frames. `cursor`: any of the stream they are on; `texts`: those of the
        capture, which grow.
        """
        rows = self.table()
        steers = rows[:, 1] != DATA
        offset, kind, flag, stream, code, value = rows[steers].T
        pieces, at = cursor.pieces, pieces_at(cursor, offset)
        text = np.zeros(len(rows), np.int32)
        text[list(self._texts)] = len(texts) + np.arange(len(self._texts))
        texts += self._texts.values()
        return ControlFrames(
            frame=np.asarray(pieces.frame)[at],
            time_ns=np.asarray(pieces.time_ns)[at],
            connection=np.full(len(at), connection, np.int32),
            from_client=np.full(len(at), from_client),
            kind=kind.astype(np.uint8),
            stream=stream.astype(np.uint32),
            ack=flag != 0,
            code=code,
            value=value,
            text=text[steers],
            texts=texts,
        )


def pieces_at(cursor: Cursor, offsets: Column) -> Column:
    """The pieces that carried the bytes at these offsets."""
    first = cursor.first_row
    start = np.asarray(cursor.pieces.start)[first : cursor.end_row]
    found: Column = first - 1 + np.searchsorted(start, offsets, "right")
    return found
