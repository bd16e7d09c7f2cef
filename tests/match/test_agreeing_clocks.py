"""Captures whose own clocks agree, and captures of other traffic that ran meanwhile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.match.agreeing_clocks import NEAR_NS, SIGNIFICANT, agreeing
from lbtrace.match.order_statistics import Times
from lbtrace.tables.columns import Column

MS = 1_000_000
SECOND = 1000 * MS
THEN = 1_700_000_000 * SECOND


def asked_and_answered(at: Column, took: int = 2 * MS, way: int = MS // 2) -> Times:
    """Requests that clients sent at these moments, and what the balancer made of them."""
    return at, at + took, at + way, at + took - way


def at_random(seed: int, count: int, within: int = 60 * SECOND) -> Column:
    dice = np.random.default_rng(seed)
    return THEN + np.sort(dice.integers(0, within, count))


def with_some_behind(times: Times, which: Column, away: int = 0) -> Times:
    """The same where a cache answered the others, and the other machine's clock is behind."""
    a, p, x, y = times
    return a, p, x[which] - away, y[which] - away


@pytest.mark.parametrize("away", [0, 3 * MS, -4 * MS])
def test_a_cache_that_asks_for_a_few_of_many_requests_shows_that_the_clocks_agree(
    away: int,
) -> None:
    asked = asked_and_answered(at_random(1, 30))
    times = with_some_behind(asked, np.array([0, 9, 11, 20, 25]), away)
    found = agreeing([times])
    assert found is not None
    assert int(found.low.max()) <= away <= int(found.high.min())
    assert found.times_alone is not None
    assert found.times_alone.inside == found.times_alone.sample == 5
    assert found.times_alone.bits >= SIGNIFICANT


def test_clocks_that_do_not_agree_are_not_found() -> None:
    times = asked_and_answered(at_random(1, 30))
    assert agreeing([with_some_behind(times, np.array([0, 11, 20]), 3 * NEAR_NS)]) is None


def test_a_crowd_around_every_moment_shows_nothing() -> None:
    a = THEN + np.arange(600) * 10 * MS
    times = a, a + 200 * MS, a + MS, a + 199 * MS
    assert agreeing([with_some_behind(times, np.arange(100, 140))]) is None


def test_two_monitors_that_ask_at_the_same_pace_have_no_clock() -> None:
    """Only where in the second they ask tells them apart, and that may be the same by chance."""
    a, p, x, y = asked_and_answered(THEN + np.arange(60) * SECOND, took=20 * MS, way=3 * MS)
    assert agreeing([(a, p, x[:30], y[:30])]) is None


def test_exchanges_that_fit_here_and_there_are_others() -> None:
    front, behind = asked_and_answered(at_random(3, 40)), asked_and_answered(at_random(4, 40))
    some = np.arange(0, 40, 2)
    a, p, x, y = front
    both = np.concatenate([x[some], behind[2]]), np.concatenate([y[some], behind[3]])
    assert agreeing([(a, p, *both)]) is None


@pytest.mark.parametrize("count", [1, 3, 10, 40])
def test_other_traffic_hardly_ever_agrees(count: int) -> None:
    """1 in 1000 may, by what the find itself says."""
    found = 0
    for seed in range(200):
        front = asked_and_answered(at_random(seed, 40))
        behind = asked_and_answered(at_random(seed + 1000, count))
        found += agreeing([(*front[:2], *behind[2:])]) is not None
    assert found <= 1


@given(
    st.integers(-NEAR_NS // 2, NEAR_NS // 2),
    st.sets(st.integers(0, 59), min_size=1, max_size=20),
)
def test_the_true_offset_is_never_excluded(away: int, kept: set[int]) -> None:
    times = asked_and_answered(at_random(5, 60))
    found = agreeing([with_some_behind(times, np.array(sorted(kept)), away)])
    if found is not None:
        assert int(found.low.max()) <= away <= int(found.high.min())


@given(
    st.sampled_from([0, 1, 2]),  # of what the other client asked, how many ways it is behind
    st.integers(0, MS),
    st.sets(st.integers(0, 11), min_size=1, max_size=12),
)
def test_another_client_that_asks_the_same_right_behind_moves_no_clock(
    ways: int, later: int, late: set[int]
) -> None:
    """More of its exchanges than of the captured client's may fit, a little off the true offset."""
    a, p, x, y = asked_and_answered(THEN + np.arange(12) * 30 * MS)
    which = np.array(sorted(late))
    behind = later + ways * MS // 2
    # some answers of the captured client's came too late to fit at all: the host was busy
    mine, theirs = y.copy(), y + behind
    mine[which] += 2 * MS
    found = agreeing([(a, p, np.concatenate([x, x + behind]), np.concatenate([mine, theirs]))])
    if found is not None:
        assert int(found.low.max()) <= 0 <= int(found.high.min())


def test_copies_that_end_behind_the_answer_move_no_clock() -> None:
    """A mirror is asked when the request was answered, or nearly so."""
    a, p, x, y = asked_and_answered(at_random(1, 30))
    late = 2 * MS - (p[0] - y[0])
    found = agreeing([with_some_behind((a, p, x + late, y + late), np.array([0, 9, 11, 20]))])
    assert found is not None
    assert int(found.low.max()) <= 0 <= int(found.high.min())
