"""A clock that was set: what its pairs say, and what is not said of what lies beyond."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.correlate import correlate
from lbtrace.match import clock, match
from lbtrace.model.pairing import (
    Clock,
    ClockRefusal,
    ClockStep,
    Confidence,
    UnpairedDetail,
    UnpairedReason,
)
from lbtrace.options import DEFAULT
from lbtrace.render.wording import names
from tests.simulator.scenarios import SCENARIOS


def test_what_follows_a_step_is_not_outside_the_other_capture() -> None:
    recorded = SCENARIOS["step-late"]().run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    after = [u for u in found.unpaired if u.side == "client"]
    assert {(u.reason, u.confidence) for u in after} == {(UnpairedReason.UNKNOWN, Confidence.LOW)}
    assert {u.detail for u in after} == {UnpairedDetail.CLOCK_SET}


def test_a_step_is_named_with_its_size_and_time() -> None:
    recorded = SCENARIOS["step"]().run()
    (known,) = correlate(recorded.clients, recorded.backends, DEFAULT).clocks
    assert known.refused is ClockRefusal.CLOCK_SET
    assert names.clock_refusal(known) == (
        "the client's clock was set back, or the backend's forward, by 2.000 s, 29.4 s or more "
        "after the first pair"
    )


def test_a_step_that_few_pairs_follow_is_a_step_all_the_same() -> None:
    """Four pairs of a hundred: they are no outliers, for they agree on another offset."""
    bounds = bounds_of([(-500_000, 600_000)] * 96 + [(89_400_000, 90_700_000)] * 4)
    known = clock.estimate(0, 0, bounds)
    assert known.refused is ClockRefusal.CLOCK_SET
    assert known.step is not None
    assert known.step[:2] == ClockStep(by_ns=90_000_000, after_ns=95 * 50_000_000)[:2]


def test_outliers_that_do_not_agree_are_no_step() -> None:
    for wrong in (
        [(89_400_000, 90_700_000)],
        [(9_400_000, 9_700_000), (50_000_000, 51_000_000), (20_000_000, 21_000_000)],
    ):
        known = clock.estimate(0, 0, bounds_of([(-500_000, 600_000)] * 97 + wrong))
        assert (known.refused, known.outliers) == (None, len(wrong))


def test_a_slow_slew_is_no_step() -> None:
    bounds = bounds_of(
        [(-500_000 + 20_000 * min(i, 50), 600_000 + 20_000 * min(i, 50)) for i in range(100)]
    )
    known = clock.estimate(0, 0, bounds)
    assert known.refused is not ClockRefusal.CLOCK_SET
    assert known.step is None


def bounds_of(pairs: list[tuple[int, int]]) -> clock.Bounds:
    """One pair every 50 ms."""
    at = np.arange(len(pairs), dtype=np.int64) * 50_000_000
    return clock.Bounds(at, *(np.array(column, np.int64) for column in zip(*pairs, strict=True)))


def test_a_step_of_known_place_is_two_clocks() -> None:
    """Equal requests, which only time tells apart, before and since the backend's clock was set."""
    simulation = SCENARIOS["step"]()
    recorded = simulation.run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    step = found.clocks[0, 0].step
    assert step is not None
    assert 0 < step.last_frame < step.first_frame
    assert step.before_ns[0] <= 0 <= step.before_ns[1]
    assert abs(step.by_ns + 2_000_000_000) < 10_000_000
    assert found.line.known
    assert all(found.line.inside(c, b) for c, bs in found.pairs.caused.items() for b in bs)


@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_what_lies_between_two_clocks_may_be_of_either(by_ns: int, width_ns: int) -> None:
    step = ClockStep(by_ns, 0, (0, width_ns), (by_ns, by_ns + width_ns), 10, 20)
    known = Clock(0, 0, refused=ClockRefusal.CLOCK_SET, step=step)
    at = np.zeros(3, np.int64)
    low, high = clock.spans_of(known, at, np.array([10, 15, 20]))
    assert (low[0], high[0]) == step.before_ns
    assert (low[2], high[2]) == step.since_ns
    assert low[1] <= min(low[0], low[2])
    assert high[1] >= max(high[0], high[2])


PAIRS = st.lists(
    st.tuples(st.integers(-6, 6), st.integers(-1, 4)).map(lambda p: (p[0], p[0] + p[1])),
    min_size=1,
    max_size=14,
)


@given(PAIRS, st.integers(-40, 40), PAIRS)
def test_a_step_is_two_agreements_farther_apart_than_they_are_wide(
    before: list[tuple[int, int]], by: int, since: list[tuple[int, int]]
) -> None:
    """Whatever pairs say, even one that contradicts itself, an estimate is made or refused."""
    pairs = before + [(low + by, high + by) for low, high in since]
    known = clock.estimate(0, 0, bounds_of(pairs))
    assert (known.step is not None) == (known.refused is ClockRefusal.CLOCK_SET)
    if known.step is None:
        return
    (low, high), (new_low, new_high) = known.step.before_ns, known.step.since_ns
    first = known.step.after_ns // 50_000_000 + 1
    assert (low, high) == (max(p[0] for p in pairs[:first]), min(p[1] for p in pairs[:first]))
    assert max(new_low - high, low - new_high) > (high - low) + (new_high - new_low) >= 0
    assert clock.STEP_PAIRS <= first <= len(pairs) - clock.STEP_PAIRS


@pytest.mark.parametrize(("apart", "step"), [(6, False), (7, True)])
def test_two_agreements_that_are_no_farther_apart_than_wide_are_one_clock(
    apart: int, step: bool
) -> None:
    known = clock.estimate(0, 0, bounds_of([(0, 2)] * 4 + [(apart, apart + 2)] * 4))
    assert (known.step is not None) == step


@given(st.integers(1, 9), PAIRS)
def test_a_first_pair_that_contradicts_itself_agrees_with_nobody(
    by: int, others: list[tuple[int, int]]
) -> None:
    known = clock.estimate(0, 0, bounds_of([(by, 0), *others * 8]))
    assert known.step is None
