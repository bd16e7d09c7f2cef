"""Three column idioms the TCP stage is built from, each linear or one sort, none with a Python object per row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

import numpy as np

from lbtrace.tables import Column

_Row = TypeVar("_Row", bound=tuple[object, ...])
NONE = -1  # "no such row"


def stable_order(keys: Column, size: int) -> Column:
    """The rows sorted by key (0 … size − 1), equal keys in their old order: i64.

    numpy sorts 16-bit keys by radix; for wider ones one sort of (key, row) packed in 64 bits beats a stable argsort.
    """
    if len(keys) < 2 or bool((keys[1:] >= keys[:-1]).all()):
        return np.arange(len(keys))
    if size <= 1 << 16:
        return np.argsort(keys.astype(np.uint16), kind="stable")
    shift = np.int64(max(len(keys) - 1, 1).bit_length())
    packed = (keys.astype(np.int64) << shift) | np.arange(len(keys))
    packed.sort()
    packed &= (np.int64(1) << shift) - 1
    return packed


def first_of(keys: Column, rows: Column, size: int) -> Column:
    """For each key the first of its rows (in the order given), NONE without: i64 of `size`."""
    out = np.full(size, NONE, np.int64)
    out[keys[::-1]] = rows[::-1]  # with repeated indices numpy keeps the last value assigned
    return out


def last_of(keys: Column, rows: Column, size: int) -> Column:
    """For each key the last of its rows (in the order given), NONE without: i64 of `size`."""
    out = np.full(size, NONE, np.int64)
    out[keys] = rows
    return out


def optional(values: Column, rows: Column) -> list[int | None]:
    """`values[rows]` as a list, None where there is no row."""
    missing = rows < 0
    if missing.all():
        return [None] * len(rows)
    return masked(values[np.maximum(rows, 0)], missing)


def masked(values: Column, missing: Column) -> list[int | None]:
    """The values as a list, None where `missing`."""
    listed: list[int | None] = values.tolist()
    for i in np.flatnonzero(missing).tolist():
        listed[i] = None
    return listed


def rows_of(kind: type[_Row], columns: Iterable[Iterable[object]]) -> list[_Row]:
    """Columns (as lists, one per field of the NamedTuple `kind`, in order) → one value per row.

    What `kind._make` does, without a Python call per row.
    """
    made: Callable[[Iterable[object]], _Row] = partial(tuple.__new__, kind)
    return list(map(made, zip(*columns, strict=True)))
