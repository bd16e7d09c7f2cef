"""`lbtrace.http.bulk.heads` with the compiled core: C cuts the bursts and numbers the texts.

What a text means is still decided in Python, and once for each distinct text: the flags of start
lines by `start_lines`, those of field lines that are odd or bear on framing by `head_dictionary`.
A text is never forgotten, so it has one number.
"""

from __future__ import annotations

import os

import numpy as np

from lbtrace import compiled
from lbtrace.http.bulk.head_dictionary import LOOSE, WATCHED_NAMES, LineFacts
from lbtrace.http.bulk.heads import LONG_HEAD, CutHeads, HeadReader, PlainHeads
from lbtrace.http.bulk.start_lines import request_kinds, status_kinds
from lbtrace.http.h1.head import CRLF
from lbtrace.tables.exchanges import HeadTexts
from lbtrace.tables.packets import Column

_KINDS = (request_kinds, status_kinds)


def heads() -> HeadReader:
    """The heads of a capture, read by the compiled core if it is there."""
    return PlainHeads() if compiled.core is None else CompiledHeads(compiled.core)


class CompiledHeads:
    """`HeadReader` with the compiled core."""

    def __init__(self, core: compiled.Core) -> None:
        self._facts = LineFacts()
        # no secret: it only makes the places of texts in a table hard to foresee
        seed = int.from_bytes(os.urandom(8), "little")
        self._heads = core.Heads(WATCHED_NAMES, self._facts.examined, seed)
        self._lines, *self._starts = self._heads.texts()
        self._kinds = bytearray(), bytearray()  # of the start lines of each side

    def cut(self, side: int, text: bytes, bounds: Column, size: Column) -> CutHeads:
        """See `HeadReader`."""
        count = len(size)
        head, start, block, length = (np.empty(count, np.int64) for _ in range(4))
        flags = np.empty(count, np.uint8)
        bodies = self._heads.cut(
            side, text, LONG_HEAD, bounds, size, head, start, block, flags, length
        )
        kinds, starts = self._kinds[side], self._starts[side]
        kinds += _KINDS[side](starts[len(kinds) :])
        kind = np.frombuffer(kinds, np.uint8)[start]
        return CutHeads(head, start, kind, block, flags, length, bodies)

    def start(self, side: int, number: int) -> bytes:
        """See `HeadReader`."""
        return self._starts[side][number]

    def block(self, number: int) -> bytes:
        """See `HeadReader`."""
        return b"".join([CRLF + self._lines[line] for line in self._heads.block(number)])

    def coding(self, block: int) -> str:
        """See `HeadReader`."""
        return self._facts.coding(self._heads.block(block))

    def texts(self) -> HeadTexts:
        """See `HeadReader`."""
        first, line, flags = self._heads.columns()
        loose = np.flatnonzero(np.frombuffer(flags, np.uint8) & LOOSE).tolist()
        return HeadTexts(
            self._lines,
            frozenset(loose),
            np.frombuffer(first, np.int64),
            np.frombuffer(line, np.int32),
            *self._starts,
        )
