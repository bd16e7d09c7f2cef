"""What every table is made of: columns, and what is asked of them again and again. Nothing here knows a packet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Column: TypeAlias = NDArray[Any]
_Row = TypeVar("_Row", bound=tuple[object, ...])


def rows_of(kind: type[_Row], columns: Iterable[Iterable[object]]) -> list[_Row]:
    """Columns (as lists, one per field of the NamedTuple `kind`, in order) → one value per row.

    What `kind._make` does, without a Python call per row.
    """
    made: Callable[[Iterable[object]], _Row] = partial(tuple.__new__, kind)
    return list(map(made, zip(*columns, strict=True)))


def running(sizes: Column) -> Column:
    """Running sums, from 0: one entry more than `sizes`, so that part i is `sums[i]` to `sums[i + 1]`."""
    sums = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=sums[1:])
    return sums


def spans(begin: Column, size: Column) -> Column:
    """`begin[0] … begin[0] + size[0] − 1, begin[1] …`: the places of all spans, one span after the other."""
    end = np.cumsum(size)
    places: Column = np.arange(int(end[-1]) if len(end) else 0) + np.repeat(begin - (end - size), size)
    return places
