"""`lbtrace.http.bulk.heads` with the compiled core: C cuts the bursts and numbers the texts.

What a text means is still decided in Python, and once for each distinct text: the flags of start
lines that are not surely ordinary by `start_lines`, those of field lines that are odd or bear on
framing by `head_dictionary`.
A text is never forgotten, so it has one number.
"""

from __future__ import annotations

import os

import numpy as np

from lbtrace import compiled
from lbtrace.http.bulk.burst_bytes import BEGINNING, LARGE, BurstBytes
from lbtrace.http.bulk.head_dictionary import LOOSE, WATCHED_NAMES, LineFacts
from lbtrace.http.bulk.heads import LONG_HEAD, CutHeads, HeadReader, PlainHeads
from lbtrace.http.bulk.start_lines import request_kinds, status_kinds
from lbtrace.http.h1.head import CRLF
from lbtrace.tables.exchanges import HeadTexts
from lbtrace.tables.packets import Column
from lbtrace.tables.words import Distinct

_KINDS = (request_kinds, status_kinds)


def _classified(side: int, line: bytes) -> int:
    """The flags of a start line."""
    return _KINDS[side]([line])[0]


def heads() -> HeadReader:
    """The heads of a capture, read by the compiled core if it is there."""
    return PlainHeads() if compiled.core is None else CompiledHeads(compiled.core)


class CompiledHeads:
    """`HeadReader` with the compiled core."""

    def __init__(self, core: compiled.Core) -> None:
        self._facts = LineFacts()
        # no secret: it only makes the places of texts in a table hard to foresee
        seed = int.from_bytes(os.urandom(8), "little")
        self._heads = core.Heads(WATCHED_NAMES, self._facts.examined, _classified, seed)

    def cut(self, side: int, data: BurstBytes, burst: Column) -> CutHeads:
        """See `HeadReader`."""
        count = len(burst)
        head, start, block, length = (np.empty(count, np.int64) for _ in range(4))
        kind, flags = (np.empty(count, np.uint8) for _ in range(2))
        found = head, start, kind, block, flags, length
        given = (*data.columns[:5], burst, data.columns[5])
        bodies = self._heads.cut(side, LONG_HEAD, LARGE, BEGINNING, data.views, given, found)
        return CutHeads(*found, bodies)

    def start(self, side: int, number: int) -> bytes:
        """See `HeadReader`."""
        return self._heads.text(1 + side, number)

    def block(self, number: int) -> bytes:
        """See `HeadReader`."""
        return b"".join([CRLF + self._heads.text(0, k) for k in self._heads.block(number)])

    def coding(self, block: int) -> str:
        """See `HeadReader`."""
        return self._facts.coding(self._heads.block(block))

    def texts(self) -> HeadTexts:
        """See `HeadReader`."""
        lines, requests, statuses = self._heads.texts()
        first, line, flags = self._heads.columns()
        loose = np.flatnonzero(np.frombuffer(flags, np.uint8) & LOOSE).tolist()
        return HeadTexts(
            Distinct(lines) if self._heads.distinct() else lines,
            frozenset(loose),
            np.frombuffer(first, np.int64),
            np.frombuffer(line, np.int32),
            requests,
            statuses,
        )
