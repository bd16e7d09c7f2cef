"""Times of day in a selection."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.selection import Moment, Selection

S = 1_000_000_000
HOUR, DAY = 3600 * S, 86_400 * S
NOON = 1_628_164_800 * S  # 2021-08-05 12:00:00 UTC
SEOUL = ZoneInfo("Asia/Seoul")


@pytest.mark.parametrize(
    ("hour", "first", "last", "at"),
    [
        (13, NOON, NOON + 2 * HOUR, NOON + HOUR),
        (11, NOON, NOON + 2 * HOUR, NOON - HOUR),  # before the capture: nothing is left out
        (1, NOON, NOON + 20 * HOUR, NOON + 13 * HOUR),  # past midnight
        (12, NOON + S - 1, NOON + 2 * DAY, NOON),  # the second in which it began
        (12, NOON + S, NOON + 2 * DAY, NOON + DAY),
    ],
)
def test_a_time_of_day_is_on_a_day_of_the_capture(
    hour: int, first: int, last: int, at: int
) -> None:
    assert Moment(hour * HOUR, True).within(first, last, UTC) == at


def test_a_time_of_day_is_that_of_the_zone() -> None:
    assert Moment(21 * HOUR, True).within(NOON, NOON + HOUR, SEOUL) == NOON


def test_a_date_needs_no_capture() -> None:
    assert Moment(NOON, False).within(0, 1, SEOUL) == NOON


@given(st.integers(0, DAY - 1), st.integers(), st.integers(0, 10 * DAY))
def test_any_capture_has_some_time(ns: int, first: int, length: int) -> None:
    assert Moment(ns, True).within(first, first + length, UTC) % S == ns % S


def test_without_a_condition_it_is_none() -> None:
    assert not Selection()
    assert not Selection(zone=SEOUL)
    assert Selection(problems=True)
    assert Selection(methods=("GET",))
