"""Texts of heads → numbers, many at a time: each distinct header block and field line is looked at
once.

A capture has hundreds of thousands of heads and few distinct lines. The heads of a batch go through
one `map` over a dictionary (`TextNumbers`), the new blocks among them are cut into lines by one
`split`, the new lines among these are examined, and what a head says about framing is summed up
over its lines by numpy. So the cost of a head is that of a look-up, and that of a line, of hashing
it.

Invariant: a block whose flags do not have ODD consists of well-formed field lines (RFC 9112 §5), of
which those that bear on framing are told by the other flags; `lbtrace.http.h1.head` and
`lbtrace.http.h1.framing` say the same of it, and find nothing odd.
"""

from __future__ import annotations

import re
from array import array
from itertools import compress, count
from typing import Final

import numpy as np

from lbtrace.tables.exchanges import Heads
from lbtrace.tables.packets import Column

ODD, CHUNKED, UPGRADE, CODED, SIZED = 1, 2, 4, 8, 16  # what the lines of a block say
REMEMBERED: Final = (
    1 << 15
)  # texts a TextNumbers knows before it forgets them all: what recurs is met again
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_WATCHED: Final = frozenset(
    {b"content-length", b"transfer-encoding", b"upgrade", b"content-encoding"}
)
_NEW: Final = 1 << 29  # provisional numbers: this and the place in the batch
# where fewer texts than one of so many had been met before, so many batches are taken for new
# without a look
_WORTH: Final = 16
_MANY: Final = 1000  # texts that say so
_UNKNOWN: Final = b"?"  # stands for a block without lines; no field line
_DIGITS: Final = re.compile(rb"[0-9]{1,18}").fullmatch
_LOOSE: Final = (
    b":  ",
    b": \t",
    b" \r\n",
    b"\t\r\n",
)  # a field line that is not `name: value` shows one of these, or no ": "


class TextNumbers:
    """Texts → numbers, in order of first appearance; a text that was forgotten gets another
    number.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self.remembered = remembered
        self._known: dict[bytes, int] = {}
        # batches that are not looked up, because hardly a text of the last one had been met before
        self._unseen = 0

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
    """All blocks and lines met so far."""

    def __init__(self) -> None:
        self._blocks = TextNumbers(), TextNumbers()  # of requests, of responses
        self._lines = TextNumbers(2 * REMEMBERED)
        self._names = _Names()
        self.raw: list[bytes] = []  # line → as sent
        self._flags = bytearray()  # line → ODD, CHUNKED, …
        self._lengths: dict[int, int] = {}  # line → Content-Length
        self._codings: dict[int, str] = {}  # line → Content-Encoding
        self._loose: set[int] = set()
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
        """What the lines of these blocks say about framing (u8)."""
        return np.frombuffer(self._block_flags, np.uint8)[blocks]

    def lengths(self, blocks: Column) -> Column:
        """The Content-Length of these blocks (i64), meaningful where they are SIZED."""
        return np.frombuffer(self._block_length, np.int64)[blocks]

    def coding(self, block: int) -> str:
        """The Content-Encoding of a block in lower case, "" without."""
        codings = map(self._codings.get, self._line[self._first[block] : self._first[block + 1]])
        return ", ".join(coding for coding in codings if coding is not None)

    def text(self, block: int) -> bytes:
        """The field lines of a block as sent, each with CRLF in front."""
        return b"".join(
            [
                b"\r\n" + self.raw[line]
                for line in self._line[self._first[block] : self._first[block + 1]]
            ]
        )

    def heads(self, requests: list[bytes], statuses: list[bytes]) -> Heads:
        """All of it, with the start lines."""
        first, line = np.frombuffer(self._first, np.int64), np.frombuffer(self._line, np.int32)
        return Heads(self.raw, frozenset(self._loose), first, line, requests, statuses)

    def _add(self, blocks: list[bytes]) -> None:
        """Number the lines of new blocks."""
        lines, new = self._lines.of(b"\r\n".join(blocks).split(b"\r\n"), len(self.raw))
        self._examine(new)
        end = np.cumsum(
            [block.count(b"\r\n") + 1 for block in blocks]
        )  # of each block, the line behind it
        flags = np.frombuffer(self._flags, np.uint8)[lines]
        said = np.flatnonzero(flags)  # few lines say anything
        told = np.zeros(len(end), np.uint8)
        length = np.zeros(len(end), np.int64)
        saying = np.searchsorted(end, said, "right")  # the block of each
        np.bitwise_or.at(told, saying, flags[said])
        for once in (SIZED, CHUNKED):
            which = np.flatnonzero(flags[said] & once)
            of = saying[which]
            told[of[1:][of[1:] == of[:-1]]] |= ODD
            if once == SIZED:
                length[of] = [self._lengths[line] for line in lines[said[which]].tolist()]
        self._block_length.frombytes(length.tobytes())
        self._block_flags += told.tobytes()
        self._first.frombytes((end + len(self._line)).tobytes())
        self._line.frombytes(lines.astype(np.int32).tobytes())

    def _examine(self, lines: list[bytes]) -> None:
        """Flags of new lines. Those that are `name: value` with a known name, nearly all, cost no
        call each.
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
            told = list(range(size))
        else:
            names = self._names
            parts = [line.partition(b": ") for line in lines]
            told = [k for k, (name, colon, _) in enumerate(parts) if not (colon and names[name])]
        for k in told:
            self._flags[known + k] = self._told(lines[k], known + k)

    def _told(self, line: bytes, number: int) -> int:
        """What one line says: the flags; a Content-Length and a Content-Encoding are noted."""
        name, colon, value = line.partition(b":")
        if not colon or not _TOKEN(name) or b"\r" in value or b"\n" in value or b"\0" in value:
            return ODD
        text = value.strip(b" \t")
        if value != b" " + text:
            self._loose.add(number)
        match name.lower():
            case b"content-length":
                if not _DIGITS(text):
                    return ODD
                self._lengths[number] = int(text)
                return SIZED
            case b"transfer-encoding":
                return CHUNKED if text.lower() == b"chunked" else ODD
            case b"upgrade":
                return UPGRADE
            case b"content-encoding":
                self._codings[number] = text.decode("latin-1").lower()
                return CODED
        return 0


class _Names(dict[bytes, bool]):
    """Field names → whether they are well-formed and not watched."""

    def __missing__(self, name: bytes) -> bool:
        if len(self) >= REMEMBERED:
            self.clear()
        plain = self[name] = _TOKEN(name) is not None and name.lower() not in _WATCHED
        return plain
