"""Frames numbered through the files of a capture point → the file, and the number in that file,
which is the one that Wireshark shows.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from lbtrace.model.trace import Trace
from lbtrace.render.json.text import NULL
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import NO_FRAME


class FrameWriter:
    """The frames of one trace."""

    def __init__(self, trace: Trace) -> None:
        self._starts = [file.first_frame for file in trace.files]
        self._start_column = np.array(self._starts, np.int64)
        self.single = len(self._starts) <= 1

    def split(self, frame: int) -> tuple[int, int]:
        """(index of the file, number in that file)."""
        if self.single:
            return 0, frame
        file = max(bisect_right(self._starts, frame) - 1, 0)
        return file, frame - self._starts[file] + 1

    def keys(self, name: str, frame: int | None) -> str:
        """'"first_frame":5,"first_file":0' for the name "first"; null for no frame."""
        file, number = (NULL, NULL) if frame is None else self.split(frame)
        return f'"{name}_frame":{number},"{name}_file":{file}'

    def files(self, frames: Column) -> Column:
        """The index of the file that each frame is in."""
        if self.single:
            return np.zeros(len(frames), np.int64)
        return np.maximum(np.searchsorted(self._start_column, frames, "right") - 1, 0)

    def numbers(self, frames: Column, files: Column) -> Column:
        """The number of each frame in its file; NO_FRAME stays."""
        if self.single:
            return frames
        numbered: Column = frames - self._start_column[files] + 1
        return np.where(frames == NO_FRAME, NO_FRAME, numbered)
