"""The few questions that all tables ask of columns, against the loops they stand for."""

from __future__ import annotations

import statistics
from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.tables.columns import (
    RowsByKey,
    among,
    distinct,
    first_met,
    group_starts,
    highest_before,
    highest_so_far,
    median_low,
    parted,
    parts_of,
    ranks,
    running,
    spans,
    union,
)
from tests.compiled import on_both


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9))))
def test_spans_are_the_ranges_one_after_the_other(parts: list[tuple[int, int]]) -> None:
    begin, size = (np.array([part[k] for part in parts], np.int64) for k in (0, 1))
    assert spans(begin, size).tolist() == [at for b, n in parts for at in range(b, b + n)]


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9))),
    st.sampled_from(["i8", "i4", "u1", "?", "S16"]),
    st.integers(1, 2),
)
def test_parts_of_a_column_are_its_entries_in_spans(
    parts: list[tuple[int, int]], kind: str, each: int
) -> None:
    """`each`: of two, the column is every second entry of another one."""
    column = np.arange(60 * each).astype(kind)[::each]
    begin, size = (np.array([part[k] for part in parts], np.int64) for k in (0, 1))
    for found in on_both(lambda: parts_of(column, begin, size)):
        assert found.dtype == column.dtype
        assert found.flags.writeable
        assert found.tolist() == column[spans(begin, size)].tolist()


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1))
def test_the_lower_median_is_a_value_that_occurs(values: list[int]) -> None:
    assert median_low(np.array(values)) == statistics.median_low(values)


@given(st.lists(st.integers(0, 99)))
def test_running_sums_begin_with_nothing(sizes: list[int]) -> None:
    assert running(np.array(sizes, np.int64)).tolist() == list(accumulate(sizes, initial=0))


@given(st.lists(st.integers(0, 2)))
def test_a_group_starts_where_the_value_before_is_another(values: list[int]) -> None:
    expected = [i for i, value in enumerate(values) if i == 0 or values[i - 1] != value]
    assert group_starts(np.array(values, np.int64)).tolist() == expected


@given(
    st.lists(
        st.lists(st.integers(-9, 9) | st.integers(-(1 << 62), 1 << 62), min_size=1, max_size=6),
        max_size=6,
    )
)
def test_the_highest_of_each_group_so_far_however_far_apart(groups: list[list[int]]) -> None:
    group = np.repeat(np.arange(len(groups)), [len(values) for values in groups])
    values = np.array([value for held in groups for value in held], np.int64)
    so_far = [list(accumulate(held, max)) for held in groups]
    assert highest_so_far(group, values).tolist() == [v for held in so_far for v in held]
    before = [value for held in so_far for value in (-1, *held[:-1])]
    assert highest_before(group, values, -1).tolist() == before


@given(st.lists(st.integers(-3, 3)))
def test_values_are_told_in_the_order_they_are_first_met(values: list[int]) -> None:
    first, which = first_met(np.array(values, np.int64))
    assert [values[at] for at in first.tolist()] == list(dict.fromkeys(values))
    assert [values[first[k]] for k in which.tolist()] == values
    assert all(values[at] not in values[:at] for at in first.tolist())


values = st.lists(st.integers(-9, 9) | st.integers(-(2**60), 2**60))


@given(values)
def test_distinct_values_in_order(held: list[int]) -> None:
    assert distinct(np.array(held, np.int64)).tolist() == sorted(set(held))


@given(values)
def test_the_rank_of_a_value_is_its_place_among_those_that_occur(held: list[int]) -> None:
    for each in (held, list(map(abs, held))):  # by sorting, and with a table if they are small
        expected = [sorted(set(each)).index(v) for v in each]
        assert ranks(np.array(each, np.int64)).tolist() == expected
    texts = list(map(str, held))
    assert ranks(np.array(texts)).tolist() == [sorted(set(texts)).index(t) for t in texts]
    assert ranks(np.array(held, np.int64) > 0).tolist() == [
        int(v > 0 and min(held) <= 0) for v in held
    ]


@given(values, values)
def test_which_values_are_among_others(held: list[int], others: list[int]) -> None:
    assert among(np.array(held, np.int64), np.array(others, np.int64)).tolist() == [
        v in set(others) for v in held
    ]


@given(st.lists(st.integers(0, 4)), st.integers(5, 7))
def test_parts_have_the_rows_of_their_kind(which: list[int], count: int) -> None:
    parts = parted(np.array(which, np.int64), count)
    assert [part.tolist() for part in parts] == [
        [row for row, kind in enumerate(which) if kind == k] for k in range(count)
    ]


@given(st.lists(st.integers(0, 4)), st.integers(5, 7))
def test_rows_by_key_are_the_rows_that_have_it(keys: list[int], count: int) -> None:
    rows = RowsByKey.of(np.array(keys, np.int64), count)
    expected = [[row for row, key in enumerate(keys) if key == k] for k in range(count)]
    assert [rows[k] for k in range(count)] == expected
    assert rows.sizes.tolist() == list(map(len, expected))
    asked = np.array([*reversed(range(count)), 0])
    assert rows.lists(asked) == [*reversed(expected), expected[0]]


INTERVALS = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)))


def _union(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    begin, end = (np.array([one[k] for one in intervals], np.int64) for k in (0, 1))
    first, last = union(begin, end)
    return list(zip(first.tolist(), last.tolist(), strict=True))


@given(INTERVALS)
def test_a_union_holds_the_moments_of_its_intervals_and_no_others(
    intervals: list[tuple[int, int]],
) -> None:
    for moment in np.arange(-10, 10, 0.5).tolist():  # also between two whole numbers
        inside = any(begin <= moment <= end for begin, end in intervals)
        assert any(begin <= moment <= end for begin, end in _union(intervals)) == inside


@given(INTERVALS)
def test_the_intervals_of_a_union_are_apart_and_ascend(intervals: list[tuple[int, int]]) -> None:
    edges = [edge for interval in _union(intervals) for edge in interval]
    assert edges == sorted(edges)
    assert all(end < begin for end, begin in zip(edges[1::2], edges[2::2], strict=False))


def test_a_union_joins_what_touches_and_not_what_is_next() -> None:
    assert _union([(3, 4), (1, 2), (2, 3), (5, 6)]) == [(1, 4), (5, 6)]
