"""The bytes of an event stream → how many events (HTML, §9.2.5), counted as they pass.

An event is a block of lines that ends with an empty one and has a line of data. Nothing of it is
kept.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from lbtrace.http.digest import BodyDigest
from lbtrace.tables.columns import Column
from lbtrace.tables.packets import Buffer

_LINE_END: Final = re.compile(rb"\r\n|[\r\n]")
_BOM: Final = b"\xef\xbb\xbf"
_DATA_FIELD: Final = re.compile(rb"data(?::|\Z)").match
_KEPT: Final = len(_BOM) + len(b"data:")  # bytes of a line that say what it is


class EventCounter:
    """A sink that counts the events that pass."""

    __slots__ = ("_begun", "_data", "_line", "_return", "events")

    def __init__(self) -> None:
        self.events = 0
        self._line = b""  # the beginning of the line that is not at its end
        self._begun = self._data = self._return = False

    def update(self, data: Buffer, /) -> None:
        """The next bytes of the body."""
        text = bytes(data)
        if self._return and text.startswith(b"\n"):
            text = text[1:]  # the second half of CR LF
            self._return = False
        if not text:
            return
        self._return = text.endswith(b"\r")
        lines = _LINE_END.split(text)
        lines[0] = self._line + lines[0][:_KEPT]
        for line in lines[:-1]:
            self._ends(line)
        self._line = lines[-1][:_KEPT]

    def _ends(self, line: bytes) -> None:
        if not self._begun:
            line = line.removeprefix(_BOM)
        self._begun = True
        if not line:
            self.events += self._data
            self._data = False
        elif _DATA_FIELD(line):
            self._data = True


class EventDigest(BodyDigest):
    """The digest of a body without coding that counts its events as they pass."""

    __slots__ = ("counter",)

    def __init__(self) -> None:
        super().__init__("")
        self.counter = EventCounter()

    def update(self, data: Buffer, /) -> None:
        """The next bytes of the body."""
        super().update(data)
        self.counter.update(data)


def longest_silence(times: Column) -> int:
    """The longest time between two that follow each other; what came late came with the others."""
    waits = np.diff(np.maximum.accumulate(times))
    return int(waits.max()) if len(waits) else 0
