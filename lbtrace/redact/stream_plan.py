"""What becomes of the bytes of one stream: some stay, some get other bytes of the same length, and
all that nobody vouches for is blanked.

A reader of the stream says what it has read: `keep` for bytes that may stay, `put` for a text with
its credentials masked, `scramble` for content. Invariant: a byte that was neither kept nor put is
blanked, and counted.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from lbtrace.redact.same_length import Scramble


class Stretch(NamedTuple):
    """The bytes [begin, end) of a stream, and what stands in their place: `fixed` bytes, letters of
    `scramble` (from its offset `origin` on), or themselves.
    """

    begin: int
    end: int
    fixed: bytes | None = None
    scramble: Scramble | None = None
    origin: int = 0

    def behind(self, begin: int) -> Stretch:
        """What of it lies behind an offset."""
        cut = begin - self.begin
        fixed = None if self.fixed is None else self.fixed[cut:]
        return Stretch(begin, self.end, fixed, self.scramble, self.origin + cut)

    def content(self, begin: int, end: int, now: bytes) -> bytes:
        """What stands at [begin, end), which is inside; `now` stands there now."""
        if self.fixed is not None:
            return self.fixed[begin - self.begin : end - self.begin]
        if self.scramble is not None:
            shift = self.origin - self.begin
            return self.scramble.letters(begin + shift, end + shift)
        return now


class StreamPlan:
    """The stretches of one stream, in order."""

    def __init__(self, blank: Scramble) -> None:
        self._blank = blank
        self._stretches: list[Stretch] = []
        self._begins: list[int] = []
        self._marks: list[Stretch] = []  # on top of the others
        self._mark_begins: list[int] = []

    def keep(self, begin: int, end: int) -> None:
        """These bytes stay."""
        self._add(Stretch(begin, end))

    def put(self, begin: int, text: bytes) -> None:
        """This text stands from `begin` on."""
        self._add(Stretch(begin, begin + len(text), text))

    def scramble(self, begin: int, end: int, letters: Scramble, origin: int = 0) -> None:
        """Letters stand in place of these bytes."""
        self._add(Stretch(begin, end, None, letters, origin))

    def mark(self, begin: int, text: bytes) -> None:
        """This text stands from `begin` on, unless the bytes there were already replaced."""
        if all(
            s.fixed is None and s.scramble is None for s in self._over(begin, begin + len(text))
        ):
            self._marks.append(Stretch(begin, begin + len(text), text))
            self._mark_begins.append(begin)

    def _add(self, stretch: Stretch) -> None:
        before = self._stretches[-1].end if self._stretches else stretch.begin
        if stretch.begin < before:  # two readings of one byte: the first one holds
            stretch = stretch.behind(before)
        if stretch.end > stretch.begin:
            self._stretches.append(stretch)
            self._begins.append(stretch.begin)

    def _over(self, begin: int, end: int) -> list[Stretch]:
        first = max(bisect_right(self._begins, begin) - 1, 0)
        last = bisect_right(self._begins, end - 1)
        return [s for s in self._stretches[first:last] if s.end > begin]

    def applied(self, begin: int, data: bytes) -> tuple[bytes, int]:
        """The bytes from offset `begin` on → what stands in their place, and how many were
        blanked.
        """
        end = begin + len(data)
        parts: list[bytes] = []
        at, blanked = begin, 0
        for stretch in self._over(begin, end):
            if stretch.begin > at:
                parts.append(self._blank.letters(at, stretch.begin))
                blanked += stretch.begin - at
                at = stretch.begin
            stop = min(stretch.end, end)
            parts.append(stretch.content(at, stop, data[at - begin : stop - begin]))
            at = stop
        if at < end:
            parts.append(self._blank.letters(at, end))
            blanked += end - at
        return self._marked(begin, b"".join(parts)), blanked

    def _marked(self, begin: int, data: bytes) -> bytes:
        end = begin + len(data)
        first = max(bisect_right(self._mark_begins, begin) - 1, 0)
        marks = self._marks[first : bisect_right(self._mark_begins, end - 1)]
        if not marks:
            return data
        changed = bytearray(data)
        for mark in marks:
            low, high = max(mark.begin, begin), min(mark.end, end)
            if low < high and mark.fixed is not None:
                changed[low - begin : high - begin] = mark.fixed[
                    low - mark.begin : high - mark.begin
                ]
        return bytes(changed)
