"""Header lines, texts and sets of marks → numbers, the same on both sides.

Equal lines have equal numbers, on the client side and on the backend side. What a line or a text
means is worked out once for each distinct one; exchanges are then compared as columns of numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeVar

import numpy as np

from lbtrace.http_fields.lines import lowered
from lbtrace.model.http import HeaderLine, Mark
from lbtrace.tables.columns import Column

_T = TypeVar("_T")

MARKS: Final = {mark: 1 << i for i, mark in enumerate(Mark)}  # a set of marks is a number


def bits_of(marks: Iterable[Mark]) -> int:
    """Marks → the number that stands for them in a column."""
    return sum({MARKS[mark] for mark in marks})


def marked(sets: Column, *marks: Mark) -> Column:
    """Which of the sets of marks in a column have one of these marks."""
    found: Column = (sets & bits_of(marks)) != 0
    return found


class _Bits(dict[tuple[Mark, ...], int]):
    def __missing__(self, marks: tuple[Mark, ...]) -> int:
        found = self[marks] = bits_of(marks)
        return found


def numbering() -> defaultdict[Any, int]:
    """Things → numbers from 0, in the order of their first use."""
    made: defaultdict[Any, int] = defaultdict()
    made.default_factory = made.__len__
    return made


def numbers(words: defaultdict[_T, int], things: Iterable[_T], count: int = -1) -> Column:
    """The number of each thing."""
    return np.fromiter(map(words.__getitem__, things), np.int64, count)


def joint(*columns: Column) -> Column:
    """One number per row of the columns: equal rows, equal numbers."""
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        distinct, place = np.unique(column, return_inverse=True)
        code = np.unique(code * len(distinct) + place, return_inverse=True)[1]
    return code


@dataclass(eq=False)
class Words:
    """The numbers of lines, texts and marks of both sides. The properties are for when both sides
    have been read.
    """

    lines: defaultdict[HeaderLine, int] = field(default_factory=numbering)
    texts: defaultdict[str | None, int] = field(
        default_factory=numbering
    )  # targets, methods, versions, digests; 0 is None
    marks: _Bits = field(default_factory=_Bits)

    def __post_init__(self) -> None:
        self.texts[None]

    @cached_property
    def line_list(self) -> list[HeaderLine]:
        """Number → line."""
        return list(self.lines)

    @cached_property
    def text_list(self) -> list[str]:
        """Number → text; "" for None."""
        return ["", *list(self.texts)[1:]]  # type: ignore[list-item]

    @cached_property
    def value_of(self) -> Column:
        """Per line a number for its value."""
        values = [line[1] for line in self.line_list]
        return numbers(numbering(), values, len(values))

    @cached_property
    def name_of(self) -> Column:
        """Per line a number for the name of its field as it is spelled."""
        names = [line[0] for line in self.line_list]
        return numbers(numbering(), names, len(names))

    @cached_property
    def field_value_of(self) -> Column:
        """Per line a number for its field, in any letter case, and its value."""
        return joint(self.field_of, self.value_of)

    @cached_property
    def field_values(self) -> list[str]:
        """Per number of `field_value_of` the value."""
        first = np.unique(self.field_value_of, return_index=True)[1].tolist()
        return [self.line_list[n].value for n in first]

    def fields_named(self, wanted: Callable[[str], bool]) -> Column:
        """Per line whether its field is wanted. `wanted` gets names in lower case."""
        of = self.field_of
        return np.fromiter(map(wanted, self.fields), bool, len(self.fields))[of]

    @property
    def fields(self) -> defaultdict[str, int]:
        """Field names in lower case → numbers."""
        return self._fields[0]

    @property
    def field_of(self) -> Column:
        """Per line, the number of its field name in lower case."""
        return self._fields[1]

    @cached_property
    def _fields(self) -> tuple[defaultdict[str, int], Column]:
        names = numbering()
        return names, numbers(
            names, [lowered(line[0]) for line in self.line_list], len(self.line_list)
        )
