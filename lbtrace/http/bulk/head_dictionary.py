"""Texts of heads → numbers, thousands at a time; each distinct block and line is parsed once.

A capture has hundreds of thousands of heads and few distinct lines. The heads of a batch go through
one `map` over a dictionary (`TextNumbers`). One `split` cuts the new blocks among them into lines,
only the new lines are looked at, and numpy sums up what the lines of a block state about framing.
So a head costs one look-up, and a line costs its hash.

Invariant: a block without the flag ODD consists of well-formed field lines (RFC 9112 §5). Its other
flags are what `lbtrace.http.h1.framing` finds in it, and `lbtrace.http.h1.head` finds no weird.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import compress, count
from typing import Final

import numpy as np

from lbtrace.http.h1.body_length import CHUNKED, ENCODED, SIZED
from lbtrace.http.h1.framing import WATCHED, framing_fields
from lbtrace.http.h1.head import field_line
from lbtrace.http.h1.start_line import TOKEN
from lbtrace.tables.exchanges import HeadTexts
from lbtrace.tables.packets import Column

# Flags of a line or block, beside FRAMING, the facts of `body_length`: only the plain reader knows
# what to make of it; it has an Upgrade; it has a Content-Encoding.
ODD, UPGRADE, CODED = 1, 2, 4
LOOSE: Final = 64  # of a line for the compiled core: it is not exactly `name: value`
FRAMING: Final = ENCODED | CHUNKED | SIZED
# texts that a TextNumbers knows before it forgets them all; a text that recurs gets a new number
REMEMBERED: Final = 1 << 15
WATCHED_NAMES: Final = tuple(sorted(name.encode() for name in WATCHED))
_WATCHED: Final = frozenset(WATCHED_NAMES)
_NEW: Final = 1 << 29  # provisional numbers: this and the place in the batch
# When fewer than one in _WORTH texts of a batch of at least _MANY had been seen before, the next
# _WORTH batches are taken for new without a look-up.
_WORTH: Final = 16
_MANY: Final = 1000
_UNKNOWN: Final = b"?"  # stands for a block without lines; no field line
# a field line that is not exactly `name: value` holds one of these, or no ": "
_LOOSE: Final = (b":  ", b": \t", b" \r\n", b"\t\r\n")


class TextNumbers:
    """Texts → numbers, in order of first appearance; a text that was forgotten gets another
    number.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self.remembered = remembered
        self._known: dict[bytes, int] = {}
        self._unseen = 0  # batches that are still taken for new (see _WORTH)

    def of(self, texts: list[bytes], given: int) -> tuple[Column, list[bytes]]:
        """The number of each text (i64), and the texts that are new: these have the numbers from
        `given` on.
        """
        size = len(texts)
        if self._unseen:
            self._unseen -= 1
            return np.arange(given, given + size), texts
        numbers = np.fromiter(map(self._known.setdefault, texts, count(_NEW)), np.int64, size)
        fresh = numbers == np.arange(_NEW, _NEW + size)
        new = list(compress(texts, fresh.tolist()))
        if not new:
            return numbers, new
        places = np.cumsum(fresh) + (given - 1)
        provisional = numbers >= _NEW
        numbers[provisional] = places[numbers[provisional] - _NEW]
        if _WORTH * len(new) > (_WORTH - 1) * size >= _MANY:
            self._unseen = _WORTH
            self._known.clear()
        elif len(self._known) > self.remembered:
            self._known.clear()
        else:
            self._known.update(zip(new, range(given, given + len(new)), strict=True))
        return numbers, new


class HeadDictionary:
    """All blocks and lines seen so far."""

    def __init__(self) -> None:
        self._blocks = TextNumbers(), TextNumbers()  # of requests, of responses
        self._lines = TextNumbers(2 * REMEMBERED)
        self._names = _Names()
        self.raw: list[bytes] = []  # line → as sent
        self._flags = bytearray()  # line → ODD, SIZED, …
        self._facts = LineFacts()
        self._first = array("q", [0])  # block → its first line in `_line`
        self._line = array("i")
        self._block_flags = bytearray()
        self._block_length = array("q")

    def blocks(self, texts: list[bytes], side: int) -> Column:
        """Field lines of heads of requests (side 0) or responses (1), joined by CRLF → the number
        of each block.
        """
        numbers, new = self._blocks[side].of(
            [text or _UNKNOWN for text in texts], len(self._block_flags)
        )
        if new:
            self._add(new)
        return numbers

    def flags(self, blocks: Column) -> Column:
        """The flags of these blocks (u8)."""
        return np.frombuffer(self._block_flags, np.uint8)[blocks]

    def lengths(self, blocks: Column) -> Column:
        """The Content-Length of these blocks (i64), meaningful where they are SIZED."""
        return np.frombuffer(self._block_length, np.int64)[blocks]

    def coding(self, block: int) -> str:
        """The Content-Encoding of a block in lower case, "" without."""
        return self._facts.coding(self._line[self._first[block] : self._first[block + 1]])

    def text(self, block: int) -> bytes:
        """The field lines of a block as sent, each with CRLF in front."""
        return b"".join(
            [
                b"\r\n" + self.raw[line]
                for line in self._line[self._first[block] : self._first[block + 1]]
            ]
        )

    def heads(self, requests: list[bytes], statuses: list[bytes]) -> HeadTexts:
        """All of it, with the start lines."""
        first, line = np.frombuffer(self._first, np.int64), np.frombuffer(self._line, np.int32)
        loose = frozenset(self._facts.loose)
        return HeadTexts(self.raw, loose, first, line, requests, statuses)

    def _add(self, blocks: list[bytes]) -> None:
        """Number the lines of new blocks."""
        lines, new = self._lines.of(b"\r\n".join(blocks).split(b"\r\n"), len(self.raw))
        self._examine(new)
        end = np.cumsum(
            [block.count(b"\r\n") + 1 for block in blocks]
        )  # of each block, the line behind it
        flags = np.frombuffer(self._flags, np.uint8)[lines]
        flagged = np.flatnonzero(flags)  # few lines have a flag
        found = np.zeros(len(end), np.uint8)
        length = np.zeros(len(end), np.int64)
        block = np.searchsorted(end, flagged, "right")  # of each flagged line
        np.bitwise_or.at(found, block, flags[flagged])
        for once in (SIZED, ENCODED):
            which = np.flatnonzero(flags[flagged] & once)
            of = block[which]
            found[of[1:][of[1:] == of[:-1]]] |= ODD
            if once == SIZED:
                length[of] = [self._facts.lengths[line] for line in lines[flagged[which]].tolist()]
        found[(found & SIZED != 0) & (found & ENCODED != 0)] |= ODD
        self._block_length.frombytes(length.tobytes())
        self._block_flags += found.tobytes()
        self._first.frombytes((end + len(self._line)).tobytes())
        self._line.frombytes(lines.astype(np.int32).tobytes())

    def _examine(self, lines: list[bytes]) -> None:
        """Set the flags of new lines. Lines that are `name: value` with a name seen before, which
        are nearly all, cost no call each.
        """
        known = len(self.raw)
        self.raw += lines
        self._flags += bytes(len(lines))
        text = b"\r\n".join((*lines, b""))
        size = len(lines)
        strange = (
            b"\0" in text
            or not text.count(b"\r\n") == text.count(b"\r") == text.count(b"\n") == size
        )
        if strange or any(mark in text for mark in _LOOSE):
            which = list(range(size))
        else:
            names = self._names
            parts = [line.partition(b": ") for line in lines]
            which = [k for k, (name, colon, _) in enumerate(parts) if not (colon and names[name])]
        for k in which:
            self._flags[known + k] = self._facts.flags(lines[k], known + k)


class LineFacts:
    """What single field lines state, by the number of the line."""

    def __init__(self) -> None:
        self.lengths: dict[int, int] = {}  # Content-Length
        self.codings: dict[int, str] = {}  # Content-Encoding
        self.loose: set[int] = set()  # lines that are not exactly `name: value`

    def flags(self, line: bytes, number: int) -> int:
        """The flags of a new line; its Content-Length and Content-Encoding are noted."""
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN(name) or b"\r" in value or b"\n" in value or b"\0" in value:
            return ODD
        if value != b" " + value.strip(b" \t"):
            self.loose.add(number)
        if name.lower() not in _WATCHED:
            return 0
        stated = framing_fields((field_line(line),), ())
        if stated.weirds:
            return ODD
        if stated.declared is not None:
            self.lengths[number] = stated.declared
        if stated.coding:
            self.codings[number] = stated.coding
        return stated.facts | UPGRADE * bool(stated.upgrade) | CODED * bool(stated.coding)

    def examined(self, line: bytes, number: int) -> tuple[int, int]:
        """The flags of a new line, LOOSE among them, and its Content-Length (0 without)."""
        flags = self.flags(line, number)
        return flags | LOOSE * (number in self.loose), self.lengths.get(number, 0)

    def coding(self, lines: Iterable[int]) -> str:
        """The Content-Encoding that these lines state together in lower case, "" without."""
        codings = map(self.codings.get, lines)
        return ", ".join(coding for coding in codings if coding is not None)


class _Names(dict[bytes, bool]):
    """Field names → whether they are well-formed and do not bear on framing."""

    def __missing__(self, name: bytes) -> bool:
        if len(self) >= REMEMBERED:
            self.clear()
        plain = self[name] = TOKEN(name) is not None and name.lower() not in _WATCHED
        return plain
