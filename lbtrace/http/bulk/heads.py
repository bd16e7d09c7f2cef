"""Bursts of a batch → heads and bodies; the texts of heads as numbers. The reference in Python;
`lbtrace.http.bulk.compiled_heads` does the same with the compiled core.

    the bytes of many bursts ─▶ start lines, header blocks, bodies ─▶ numbers, and what the start
    lines and the blocks say of framing

Invariant: what is found of a burst does not depend on the others, but for the numbers; and a number
names its text.
"""

from __future__ import annotations

from itertools import pairwise
from operator import itemgetter
from typing import Final, NamedTuple, Protocol

import numpy as np

from lbtrace.http.bulk.burst_bytes import BurstBytes
from lbtrace.http.bulk.head_dictionary import HeadDictionary
from lbtrace.http.bulk.start_lines import StartLines, request_kinds, status_kinds
from lbtrace.http.h1.head import CRLF, HEAD_END
from lbtrace.tables.exchanges import HeadTexts
from lbtrace.tables.packets import Column

LONG_HEAD: Final = 1 << 13  # bytes; a longer head is not remembered, and is left to the readers


class CutHeads(NamedTuple):
    """Bursts of one side, cut: a value of each column for each burst."""

    head: Column  # i64, bytes of the head, with the empty line
    start: Column  # i64, number of the start line
    kind: Column  # u8, flags of the start line (`start_lines`)
    block: Column  # i64, number of the header block
    flags: Column  # u8, flags of the block (`head_dictionary`)
    length: Column  # i64, Content-Length of the block, meaningful where it is SIZED
    bodies: list[bytes]  # what stands behind the heads


class HeadReader(Protocol):
    """The heads of a capture that were seen so far."""

    def cut(self, side: int, data: BurstBytes, burst: Column) -> CutHeads:
        """Cut some bursts of clients (side 0) or servers (1).

        A head that does not end in its burst, or is too long to be remembered, counts as empty.
        """

    def start(self, side: int, number: int) -> bytes:
        """A start line as sent."""

    def block(self, number: int) -> bytes:
        """The field lines of a block as sent, each with CRLF in front."""

    def coding(self, block: int) -> str:
        """The Content-Encoding of a block in lower case, "" without."""

    def texts(self) -> HeadTexts:
        """All texts, by number."""


class PlainHeads:
    """`HeadReader` in Python."""

    def __init__(self) -> None:
        self._dictionary = HeadDictionary()
        self._starts = StartLines(request_kinds), StartLines(status_kinds)
        self.block, self.coding = self._dictionary.text, self._dictionary.coding

    def cut(self, side: int, data: BurstBytes, burst: Column) -> CutHeads:
        """See `HeadReader`."""
        text, bounds = data.joined(burst)
        parts = [text[a:b].partition(HEAD_END) for a, b in pairwise(bounds.tolist())]
        heads = [head.partition(CRLF) for head, _, _ in parts]
        starts, blocks = [start for start, _, _ in heads], [block for _, _, block in heads]
        head = np.fromiter(map(len, map(itemgetter(0), parts)), np.int64, len(parts))
        head += len(HEAD_END)
        for k in np.flatnonzero((head > data.size[burst]) | (head > LONG_HEAD)).tolist():
            starts[k] = blocks[k] = b""
        block = self._dictionary.blocks(blocks, side)
        start, kind = self._starts[side].of(starts)
        flags, length = self._dictionary.flags(block), self._dictionary.lengths(block)
        return CutHeads(head, start, kind, block, flags, length, [body for _, _, body in parts])

    def start(self, side: int, number: int) -> bytes:
        """See `HeadReader`."""
        return self._starts[side].texts[number]

    def texts(self) -> HeadTexts:
        """See `HeadReader`."""
        return self._dictionary.heads(self._starts[0].texts, self._starts[1].texts)
