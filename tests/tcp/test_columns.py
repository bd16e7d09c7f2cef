"""The columns' idioms, against plain lists."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.tcp.columns import NONE, counted, first_of, last_of, stable_order, taken

keys = st.lists(st.integers(0, 9), max_size=30)


@given(keys, st.sampled_from([10, (1 << 16) + 1, 1 << 30]))
def test_rows_by_key_in_their_old_order(found: list[int], size: int) -> None:
    """Keys of 16 bits and wider ones: up to the largest."""
    scale = size // 10
    order = stable_order(np.array(found, np.int64) * scale, size)
    assert order.tolist() == sorted(range(len(found)), key=lambda row: found[row])


def test_the_largest_key_of_16_bits_and_the_one_after_it() -> None:
    for top in ((1 << 16) - 1, 1 << 16):
        assert stable_order(np.array([top, 0, top, 1]), top + 1).tolist() == [1, 3, 0, 2]


@given(keys)
def test_the_first_and_last_row_of_each_key_and_how_many(found: list[int]) -> None:
    rows = np.arange(100, 100 + len(found))
    column = np.array(found, np.int64)
    for key in range(10):
        mine = [row for k, row in zip(found, rows.tolist(), strict=True) if k == key]
        assert first_of(column, rows, 10)[key] == (mine[0] if mine else NONE)
        assert last_of(column, rows, 10)[key] == (mine[-1] if mine else NONE)
        assert counted(column, 10)[key] == len(mine)


def test_what_is_missing_is_marked_where_it_can_be() -> None:
    values = np.array([7, 8], np.uint32)
    assert taken(values, np.array([1, NONE, 0]), -1).tolist() == [8, -1, 7]
    assert taken(values, np.array([1, NONE]), 0).dtype == np.uint32
