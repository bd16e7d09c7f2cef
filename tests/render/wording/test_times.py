"""Times of day."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.render.wording import times

NOON = 1_628_146_869_000_000_000  # 2021-08-05 07:01:09 UTC
S = 1_000_000_000
SEOUL = ZoneInfo("Asia/Seoul")


@pytest.mark.parametrize(
    ("ns", "zone", "text"),
    [
        (NOON, UTC, "07:01:09.000"),
        (NOON + 999_999_999, UTC, "07:01:09.999"),
        (NOON + 1_000_000, SEOUL, "16:01:09.001"),
        (-1, UTC, "23:59:59.999"),
        (10**30, UTC, f"{10**21} s after 1970"),
    ],
)
def test_a_time_of_day(ns: int, zone: tzinfo, text: str) -> None:
    assert times.clock(ns, zone) == text


@pytest.mark.parametrize(
    ("last", "zone", "text"),
    [
        (NOON + 2 * S, UTC, "2021-08-05 07:01:09–07:01:11 UTC (2 s)"),
        (NOON + 17 * 3600 * S, UTC, "2021-08-05 07:01:09–2021-08-06 00:01:09 UTC (17 h)"),
        (NOON + 8 * 3600 * S, SEOUL, "2021-08-05 16:01:09–2021-08-06 00:01:09 Asia/Seoul (8 h)"),
        (NOON, timezone(timedelta(hours=9)), "2021-08-05 16:01:09–16:01:09 UTC+09:00 (0 s)"),
        (-1, UTC, "2021-08-05 07:01:09–1969-12-31 23:59:59 UTC (-18 844 days)"),
    ],
)
def test_a_window_names_its_day_and_zone(last: int, zone: tzinfo, text: str) -> None:
    assert times.window(NOON, last, zone) == text


def test_a_window_out_of_the_calendar_is_seconds() -> None:
    text = times.window(NOON, 10**30)
    assert text.startswith(f"1628146869–{10**21} s after 1970 (")


@given(st.integers())
def test_every_number_is_some_time(ns: int) -> None:
    assert times.clock(ns)
    assert times.window(ns, ns + 1)
