"""How evenly times come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.tables.pace import pace

SECOND = 1_000_000_000


@given(st.integers(0, 10**18), st.integers(1000, 10**12), st.integers(3, 40))
def test_a_clock_is_even(start: int, period: int, count: int) -> None:
    assert pace([start + n * period for n in range(count)]) == (period, True)


@pytest.mark.parametrize("times", [[], [5], [5, 7]])
def test_two_times_have_no_pace(times: list[int]) -> None:
    assert pace(times) == (None, False)


def test_times_at_one_moment_have_none_either() -> None:
    assert pace([7, 7, 7, 7]) == (0, False)


@pytest.mark.parametrize(("late", "even"), [(0.04, True), (0.06, False)])
def test_of_a_few_times_each_must_come_on_time(late: float, even: bool) -> None:
    """Three distances, of which the last is longer."""
    times = [0, SECOND, 2 * SECOND, 3 * SECOND + int(late * SECOND)]
    assert pace(times) == (SECOND, even)


@pytest.mark.parametrize(("lost", "even"), [(1, True), (2, True)])
def test_of_many_times_some_may_be_missing(lost: int, even: bool) -> None:
    times = [n * SECOND for n in range(20) if n not in range(5, 5 + lost)]
    assert pace(times) == (SECOND, even)


@pytest.mark.parametrize(("odd", "even"), [(2, True), (3, False)])
def test_of_many_times_three_quarters_must_come_on_time(odd: int, even: bool) -> None:
    """Of eight distances; the odd ones are half a second too long."""
    gaps = [SECOND + (n < odd) * SECOND // 2 for n in range(8)]
    times = [sum(gaps[:n]) for n in range(9)]
    assert pace(times) == (SECOND, even)
