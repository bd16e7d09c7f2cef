"""The column idioms the TCP stage is built from, each linear or one sort, none with a Python object
per row.

Rows and connections are numbered in 32 bits: a column of them is half of what numpy makes by
itself, and there are as many as packets.
"""

from __future__ import annotations

import numpy as np

from lbtrace.tables.packets import Column

CHUNK_ROWS = 1 << 18  # at a time, where what is in between would be larger than what comes out
NONE = -1  # "no such row"


def stable_order(keys: Column, size: int) -> Column:
    """The rows sorted by key (0 … size − 1), equal keys in their old order: i64.

    numpy sorts 16-bit keys by radix; for wider ones one sort of (key, row) packed in 64 bits beats
    a stable argsort.
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
    """For each key the first of its rows (in the order given), NONE without: i32 of `size`."""
    out = np.full(size, NONE, np.int32)
    out[keys[::-1]] = rows[::-1]  # with repeated indices numpy keeps the last value assigned
    return out


def last_of(keys: Column, rows: Column, size: int) -> Column:
    """For each key the last of its rows (in the order given), NONE without: i32 of `size`."""
    out = np.full(size, NONE, np.int32)
    out[keys] = rows
    return out


def taken(values: Column, rows: Column, missing: int) -> Column:
    """`values[rows]`, `missing` where there is no row. Columns that cannot hold `missing` become
    i64.
    """
    kind = np.int64 if missing < 0 and values.dtype.kind == "u" else values.dtype
    out = np.full(len(rows), missing, kind)
    there = np.flatnonzero(rows >= 0)
    out[there] = values[rows[there]]
    return out


def counted(keys: Column, size: int) -> Column:
    """How often each key occurs: u32 of `size`."""
    return np.bincount(keys, minlength=size).astype(np.uint32)
