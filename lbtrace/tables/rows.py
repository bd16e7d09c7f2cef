"""Rows of columns → objects: without a Python call per row, and only for the rows in use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from typing import Generic, TypeVar, overload

import numpy as np

from lbtrace.tables.columns import Column

_T = TypeVar("_T")
_Row = TypeVar("_Row", bound=tuple[object, ...])
_FEW = 16  # one of so many rows made alone costs as much as all at once
_SHORT = 256  # a table of so few rows is quickly made


def rows_of(kind: type[_Row], columns: Iterable[Iterable[object]]) -> list[_Row]:
    """Columns (as lists, one per field of the NamedTuple `kind`, in order) → one value per row.

    What `kind._make` does, without a Python call per row.
    """
    made: Callable[[Iterable[object]], _Row] = partial(tuple.__new__, kind)
    return list(map(made, zip(*columns, strict=True)))


class OnDemand(Generic[_T]):
    """Rows → objects, made when they are first used and kept: one by one at first, all at once when
    there are many.
    """

    def __init__(self, count: int, make: Callable[[Column], list[_T]]) -> None:
        """`make`: rows → their objects, in that order."""
        self._count, self._make = count, make
        self._one: dict[int, _T] = {}
        self._all: list[_T] | None = None

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> list[_T]: ...
    def __getitem__(self, index: int | slice) -> _T | list[_T]:
        if self._all is not None:
            return self._all[index]
        if isinstance(index, slice):
            return [self[row] for row in range(self._count)[index]]
        row = range(self._count)[index]
        found = self._one.get(row)
        if found is None:
            if len(self._one) * _FEW + _SHORT > self._count:
                return self.all()[row]
            found = self._one[row] = self._make(np.array([row]))[0]
        return found

    def all(self) -> list[_T]:
        """All of them, in order."""
        if self._all is None:
            self._all = self._make(np.arange(self._count))
            self._one.clear()
        return self._all


class Rows(Sequence[_T]):
    """A sequence whose objects are made of columns when they are first used."""

    def make(self, rows: Column) -> list[_T]:
        """The objects of these rows, in that order."""
        raise NotImplementedError

    @cached_property
    def _made(self) -> OnDemand[_T]:
        return OnDemand(len(self), self.make)

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> list[_T]: ...
    def __getitem__(self, index: int | slice) -> _T | list[_T]:
        return self._made[index]

    def __iter__(self) -> Iterator[_T]:
        return iter(self._made.all())

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Sequence) and len(self) == len(other) and list(self) == list(other)
        )
