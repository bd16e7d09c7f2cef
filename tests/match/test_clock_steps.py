"""A clock that was set: what its pairs say, and what is not said of what lies beyond."""

import numpy as np

from lbtrace.correlate import correlate
from lbtrace.match import clock
from lbtrace.model.pairing import (
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
    assert known.step == ClockStep(by_ns=90_000_000, after_ns=95 * 50_000_000)


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
