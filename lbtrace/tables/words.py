"""Header lines, texts and sets of marks → numbers, the same on both sides.

Equal lines have equal numbers, on the client side and on the backend side. What a line or a text
means is worked out once for each distinct one; exchanges are then compared as columns of numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeVar, cast, overload

import numpy as np

from lbtrace import compiled
from lbtrace.http_fields.lines import lowered
from lbtrace.model.http import HeaderLine, Mark
from lbtrace.tables.columns import Column, ranks
from lbtrace.tables.digest_numbers import DigestNumbers
from lbtrace.tables.rows import Rows, rows_of

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


def closed(known: defaultdict[Any, int]) -> None:
    """No new thing gets a number. Until then a `numbering` refers to itself, and nobody frees it
    where Python does not look for cycles.
    """
    known.default_factory = None


def numbers(words: Mapping[_T, int], things: Iterable[_T], count: int = -1) -> Column:
    """The number of each thing. The compiled core numbers lists in a `numbering`."""
    if compiled.core is not None and type(words) is defaultdict and isinstance(things, list):
        return column_of(compiled.core.numbered(words, things))
    return np.fromiter(map(words.__getitem__, things), np.int64, count)


def column_of(numbers: bytes) -> Column:
    """A column of the compiled core."""
    return np.frombuffer(numbers, np.int64)


def joint(*columns: Column) -> Column:
    """One number per row of the columns: equal rows, equal numbers; in the order of the rows'
    values.
    """
    code = ranks(columns[0])
    for column in columns[1:]:
        place = ranks(column)
        code = ranks(code * (int(place.max(initial=-1)) + 1) + place)
    return code


# What stands for a line: its bytes if they tell all of it, else itself (`_shortest`)
_Sent = bytes | HeaderLine


def _shortest(line: HeaderLine) -> _Sent:
    """A line → what stands for it. Bytes do not tell a line that was folded, or one of HTTP/2 whose
    name begins with a colon.
    """
    name, colon, value = line.raw.partition(":")
    if name and colon and (name, value.strip(" \t")) == (line.name, line.value):
        with suppress(UnicodeEncodeError):
            return line.raw.encode("latin-1")
    return line


class Distinct(list[bytes]):
    """Texts of which no two are equal."""


class _SentNumbers:
    """What stands for lines → numbers. Lines that are all distinct are numbered by their places; a
    dictionary of them is made when others come to them.
    """

    def __init__(self) -> None:
        self._places: Distinct | None = None
        self._numbers: defaultdict[_Sent, int] = numbering()

    def of(self, lines: list[bytes]) -> Column:
        """The number of each line."""
        if isinstance(lines, Distinct) and self._places is None and not self._numbers:
            self._places = lines
            return np.arange(len(lines))
        return numbers(self.numbers, lines)

    @property
    def numbers(self) -> defaultdict[_Sent, int]:
        """The dictionary."""
        if self._places is not None:
            numbers(self._numbers, self._places)
            self._places = None
        return self._numbers

    def close(self) -> None:
        """No new line gets a number (`closed`)."""
        closed(self._numbers)

    def __iter__(self) -> Iterator[_Sent]:
        return iter(self._numbers if self._places is None else self._places)


class _LineNumbers(dict[HeaderLine, int]):
    """Lines → their numbers in `sent`."""

    def __init__(self, sent: _SentNumbers) -> None:
        self._sent = sent

    def __missing__(self, line: HeaderLine) -> int:
        found = self[line] = self._sent.numbers[_shortest(line)]
        return found


class LineList(Rows[HeaderLine]):
    """Number → line. Most lines are only counted: a line is made when it is looked at."""

    def __init__(self, sent: Iterable[_Sent]) -> None:
        self._sent = list(sent)

    def __len__(self) -> int:
        return len(self._sent)

    def make(self, rows: Column) -> list[HeaderLine]:
        """The lines with these numbers."""
        held = list(map(self._sent.__getitem__, rows.tolist()))
        texts = [sent.decode("latin-1") if sent.__class__ is bytes else "" for sent in held]
        parts = [text.partition(":") for text in texts]
        shared: dict[str, str] = {}
        names = [part[0] for part in parts]
        values = [part[2].strip(" \t") for part in parts]
        made = rows_of(HeaderLine, (map(shared.setdefault, names, names), values, texts))
        return [
            sent if isinstance(sent, HeaderLine) else line
            for sent, line in zip(held, made, strict=True)
        ]

    @property
    def names(self) -> tuple[list[str], Column]:
        """The names of the fields as they are spelled, and per line the number of its own. No line
        is made for it.
        """
        if compiled.core is not None and self._are_bytes:
            names, of = compiled.core.names(cast(list[bytes], self._sent))
            return [name.decode("latin-1") for name in names], column_of(of)
        known, number = _texts(
            [s.partition(b":")[0] if isinstance(s, bytes) else s.name for s in self._sent]
        )
        return list(known), number

    @property
    def values(self) -> tuple[dict[str, int], Column]:
        """The same of their values, which come with their numbers, in order."""
        if compiled.core is not None and self._are_bytes:
            values, of = compiled.core.values(cast(list[bytes], self._sent))
            return values, column_of(of)
        return _texts(
            [
                s.partition(b":")[2].strip(b" \t") if isinstance(s, bytes) else s.value
                for s in self._sent
            ]
        )

    @cached_property
    def _are_bytes(self) -> bool:
        return {*map(type, self._sent)} <= {bytes}


def _texts(held: Sequence[bytes | str]) -> tuple[dict[str, int], Column]:
    """Texts, or the bytes of texts → the distinct texts with their numbers, and the number of
    each.
    """
    known = numbering()
    of = numbers(known, held, len(held))
    texts = numbering()  # one may stand there as bytes and as text
    again = numbers(texts, [t.decode("latin-1") if isinstance(t, bytes) else t for t in known])
    return dict(texts), again[of]


class _FieldValues(Sequence[str]):
    """Values of which few are looked at, by numbers of their own."""

    def __init__(self, values: list[str], of: Column) -> None:
        self._values, self._of = values, of

    def __len__(self) -> int:
        return len(self._of)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._values[i] for i in self._of[index].tolist()]
        return self._values[int(self._of[index])]


@dataclass(eq=False)
class Words:
    """The numbers of lines, texts and marks of both sides. The properties are for when both sides
    have been read.
    """

    sent_lines: _SentNumbers = field(default_factory=_SentNumbers)
    texts: defaultdict[str | None, int] = field(
        default_factory=numbering
    )  # targets, methods, versions; 0 is None
    digests: DigestNumbers = field(default_factory=DigestNumbers)
    marks: _Bits = field(default_factory=_Bits)

    def __post_init__(self) -> None:
        self.texts[None]
        self.lines = _LineNumbers(self.sent_lines)
        """Line → number, where it does not stand there as bytes."""

    def close(self) -> None:
        """No new line or text gets a number (`closed`)."""
        self.sent_lines.close()
        closed(self.texts)

    @property
    def sent(self) -> defaultdict[_Sent, int]:
        """What stands for each line → its number."""
        return self.sent_lines.numbers

    @cached_property
    def line_list(self) -> LineList:
        """Number → line."""
        return LineList(self.sent_lines)

    @cached_property
    def text_list(self) -> list[str]:
        """Number → text; "" for None."""
        return ["", *list(self.texts)[1:]]  # type: ignore[list-item]

    @cached_property
    def _values(self) -> tuple[dict[str, int], Column]:
        return self.line_list.values

    @cached_property
    def values(self) -> list[str]:
        """The distinct values of all lines."""
        return list(self._values[0])

    def value_numbers(self) -> dict[str, int]:
        """The numbers of the values, for whoever goes on with it; what is added to it stays
        there.
        """
        self.values  # noqa: B018 - listed while nothing is added
        return self._values[0]

    @property
    def value_of(self) -> Column:
        """Per line the number of its value in `values`."""
        return self._values[1]

    @property
    def name_of(self) -> Column:
        """Per line a number for the name of its field as it is spelled."""
        return self.spelled[1]

    @cached_property
    def spelled(self) -> tuple[list[str], Column]:
        """The names of the fields as they are spelled, and per line the number of its own."""
        return self.line_list.names

    @cached_property
    def field_value_of(self) -> Column:
        """Per line a number for its field, in any letter case, and its value."""
        return joint(self.field_of, self.value_of)

    @cached_property
    def field_values(self) -> Sequence[str]:
        """Per number of `field_value_of` the value."""
        of = np.zeros(int(self.field_value_of.max(initial=-1)) + 1, np.int32)
        of[self.field_value_of] = self.value_of
        return _FieldValues(self.values, of)

    def said(self, line: int) -> tuple[str, str]:
        """A line → the name of its field in lower case, and its value."""
        return self._field_names[self.field_of[line]], self.values[self.value_of[line]]

    @cached_property
    def _field_names(self) -> list[str]:
        return list(self.fields)

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
        names, spelled = numbering(), self.spelled
        return names, numbers(names, map(lowered, spelled[0]), len(spelled[0]))[spelled[1]]
