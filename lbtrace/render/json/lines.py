"""Columns → lines of JSON that all have the same keys.

A line is a row of parts: a text that all lines have in common, or a column of which each line takes
its item. The compiled core has the same parts (`lbtrace.compiled`); this is the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Final, Protocol

import numpy as np

from lbtrace import compiled
from lbtrace.render.json.text import named, numbers
from lbtrace.tables.columns import Column

IN_CACHE: Final = 128  # lines that the core writes at a time: they stay in a cache of the processor


class JsonLines(Protocol):
    """Lines that grow by a part at a time."""

    def common(self, text: str, /) -> None:
        """The same in every line."""

    def numbers(self, column: Column, missing: int | None = None, /) -> None:
        """A column of numbers; null for the one that is missing."""

    def named(self, texts: list[str], column: Column, /) -> None:
        """A column of indices into a list of texts."""

    def joined(self, between: str, /) -> str:
        """The lines, with a text between each two of them."""

    def pieces(self, between: str, /) -> Iterator[str]:
        """`joined`, in pieces of some lines each, without the text between the pieces."""


class PlainLines:
    """`JsonLines` in Python."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._text = ""
        self._columns: list[list[str] | repeat[str]] = []
        # columns of numbers that were written, and their texts: two are often equal
        self._known: dict[tuple[int | None, int, int], tuple[Column, list[str]]] = {}

    def common(self, text: str, /) -> None:
        """See `JsonLines`."""
        self._text += text

    def numbers(self, column: Column, missing: int | None = None, /) -> None:
        """See `JsonLines`."""
        if _all_equal(column):
            self.common(numbers(column[:1], missing)[0])
            return
        key = missing, int(column[0]), int(column[-1])
        known, texts = self._known.get(key, (None, []))
        if known is None or not np.array_equal(column, known):
            texts = numbers(column, missing)
            self._known[key] = column, texts
        self._column(texts)

    def named(self, texts: list[str], column: Column, /) -> None:
        """See `JsonLines`."""
        if _all_equal(column):
            self.common(texts[int(column[0])])
        else:
            self._column(named(texts, column))

    def joined(self, between: str, /) -> str:
        """See `JsonLines`."""
        last = repeat(self._text, self._count)
        return between.join(map("".join, zip(*self._columns, last, strict=True)))

    def pieces(self, between: str, /) -> Iterator[str]:
        """See `JsonLines`."""
        yield self.joined(between)

    def _column(self, texts: list[str]) -> None:
        self._columns += (repeat(self._text, self._count), texts)
        self._text = ""


class CompiledLines:
    """`JsonLines` with the compiled core."""

    def __init__(self, core: compiled.Core, count: int) -> None:
        self._lines, self._count = core.Lines(count), count
        self.common, self.joined = self._lines.common, self._lines.joined

    def numbers(self, column: Column, missing: int | None = None, /) -> None:
        """See `JsonLines`."""
        if _all_equal(column):
            self.common(numbers(column[:1], missing)[0])
        else:
            self._lines.numbers(np.ascontiguousarray(column), missing)

    def named(self, texts: list[str], column: Column, /) -> None:
        """See `JsonLines`."""
        if _all_equal(column):
            self.common(texts[int(column[0])])
        else:
            self._lines.named(texts, np.ascontiguousarray(column))

    def pieces(self, between: str, /) -> Iterator[str]:
        """See `JsonLines`."""
        for row in range(0, self._count, IN_CACHE):
            yield self._lines.joined(between, None, row, row + IN_CACHE)


def json_lines(count: int) -> JsonLines:
    """Some lines, at least one, written by the compiled core if it is there."""
    core = compiled.core
    return PlainLines(count) if core is None else CompiledLines(core, count)


def _all_equal(column: Column) -> bool:
    first = column[0]
    return bool(first == column[-1] and (column == first).all())  # most differ at their ends
