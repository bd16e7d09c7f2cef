"""The interval holds the truth, a wrong pair does not empty it, drift is found when there is one,
and no evidence is no clock.
"""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.correlate import correlate
from lbtrace.match.clock import (
    SIGNIFICANT,
    Bounds,
    _drifting,
    _hull,
    estimate,
    from_order,
    joined,
    significance,
    span_of,
)
from lbtrace.options import DEFAULT
from lbtrace.tables.columns import Column
from tests.simulator.scenarios import SCENARIOS

SECOND = 1_000_000_000


def bounds(offsets: list[int], before: list[int], after: list[int], at: list[int]) -> Bounds:
    """δ at each time, and how much longer each way took."""
    low = np.array(offsets) - np.array(before)
    return Bounds(np.array(at, np.int64), low, np.array(offsets) + np.array(after))


ways = st.lists(st.tuples(st.integers(1, 10**7), st.integers(1, 10**7)), min_size=1, max_size=50)


@given(st.integers(-(10**13), 10**13), ways)
def test_interval_holds_the_offset(offset: int, ways: list[tuple[int, int]]) -> None:
    n = len(ways)
    known = estimate(
        0, 0, bounds([offset] * n, [w[0] for w in ways], [w[1] for w in ways], list(range(n)))
    )
    assert not known.refused
    assert known.low_ns <= offset <= known.high_ns
    assert (
        offset - min(w[0] for w in ways) - n - 2 <= known.low_ns <= offset - min(w[0] for w in ways)
    )
    assert (
        offset + min(w[1] for w in ways)
        <= known.high_ns
        <= offset + min(w[1] for w in ways) + n + 2
    )


@given(st.integers(-100_000, 100_000), st.integers(1, 9))
def test_a_short_capture_allows_for_the_drift_it_cannot_show(ppb: int, seconds: int) -> None:
    """Bounds a microsecond wide, over seconds: the offset at the reference is inside all the
    same.
    """
    at = [k * seconds * SECOND // 100 for k in range(101)]
    offsets = [7 * SECOND + t * ppb // SECOND for t in at]
    known = estimate(0, 0, bounds(offsets, [1000] * 101, [1000 + 2 * 100_000 * seconds] * 101, at))
    assert not known.refused
    assert known.low_ns <= 7 * SECOND + known.reference_ns * ppb // SECOND <= known.high_ns


@given(st.integers(-(10**12), 10**12), st.integers(1, 3), st.integers(10**9, 10**10))
def test_wrong_pairs_are_outliers(offset: int, wrong: int, away: int) -> None:
    n = 20
    held = bounds(
        [offset] * n + [offset + away] * wrong,
        [1000] * (n + wrong),
        [1000] * (n + wrong),
        list(range(n + wrong)),
    )
    known = estimate(0, 0, held)
    assert known.low_ns <= offset <= known.high_ns
    assert known.outliers == wrong


def test_no_pair_is_no_clock() -> None:
    none = np.zeros(0, np.int64)
    assert estimate(0, 0, Bounds(none, none, none)).refused


def test_contradiction_is_no_clock() -> None:
    offsets = [k * SECOND for k in range(10)]
    assert estimate(0, 0, bounds(offsets, [1] * 10, [1] * 10, list(range(10)))).refused


@given(st.integers(-100_000, 100_000).filter(lambda ppb: abs(ppb) > 20_000))
def test_drift(ppb: int) -> None:
    at = [k * 2 * SECOND for k in range(300)]
    offsets = [7 * SECOND + t * ppb // SECOND for t in at]
    known = estimate(0, 0, bounds(offsets, [300_000] * 300, [400_000] * 300, at))
    assert not known.refused
    low, high = span_of(known, np.array(at))
    assert (low <= np.array(offsets) + 1000).all()
    assert (np.array(offsets) - 1000 <= high).all()


@given(
    st.integers(-(10**12), 10**12),
    st.lists(
        st.tuples(st.integers(0, 10**9), st.integers(1, 10**6), st.integers(1, 10**6)),
        min_size=3,
        max_size=40,
    ),
)
def test_times_alone_bound_the_offset(offset: int, spans: list[tuple[int, int, int]]) -> None:
    """Whoever is whose: the k-th start in front is no later than the k-th behind."""
    x = np.array([s[0] for s in spans])
    y = x + 500
    a, p = x + offset - [s[1] for s in spans], y + offset + [s[2] for s in spans]
    found = from_order([(a, p, x, y)], complete=True)
    assert found is not None
    known = estimate(0, 0, found)
    assert known.low_ns <= offset <= known.high_ns


def test_even_traffic_with_a_part_missing_has_no_clock() -> None:
    """Every second the same: a capture that misses some could be shifted by any of them."""
    a = np.arange(40) * SECOND
    x = a[5:25] + 1000
    assert from_order([(a, a + 5000, x, x + 1000)], complete=False) is None


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 60))
def test_more_inside_is_more_significant_and_more_elsewhere_is_less(
    sample: int, inside: int, elsewhere: int
) -> None:
    inside, elsewhere = min(inside, sample), min(elsewhere, sample)
    bits = significance(inside, elsewhere, sample)
    assert bits >= -1e-9
    if inside < sample:
        assert significance(inside + 1, elsewhere, sample) >= bits - 1e-9
    if elsewhere < sample:
        assert significance(inside, elsewhere + 1, sample) <= bits + 1e-9


def test_what_recordings_showed_of_significance() -> None:
    """17 of 25 against 4 was the clock; 7 of 45 against 6, of captures that had nothing to do with
    each other, was chance.
    """
    assert significance(17, 4, 25) > 3 * SIGNIFICANT
    assert significance(7, 6, 45) < SIGNIFICANT / 2


points = st.lists(
    st.tuples(st.integers(0, 30), st.integers(-50, 50))
    | st.tuples(st.integers(0, 10**6), st.integers(-(10**6), 10**6)),
    min_size=1,
)


@given(points, st.booleans())
def test_no_point_lies_outside_the_hull(points: list[tuple[int, int]], upper: bool) -> None:
    """Its corners are points, in order, and every point lies on it or inside, whatever was dropped
    on the way.
    """
    x, y = (np.array(column, np.float64) for column in zip(*points, strict=True))
    corners = _hull(x, y, upper)
    assert set(corners) <= set(zip(x.tolist(), y.tolist(), strict=True))
    assert [cx for cx, _ in corners] == sorted({cx for cx, _ in corners})
    assert (corners[0][0], corners[-1][0]) == (min(x), max(x))
    at, height = (np.array(column, np.float64) for column in zip(*corners, strict=True))
    line = np.interp(x, at, height)
    beyond = y - line if upper else line - y
    assert (beyond <= 1e-6 * (1 + np.abs(y))).all()


def test_a_clock_from_times_alone_says_how_sure_it_is() -> None:
    recorded = SCENARIOS["clock-among-others"]().run()
    (known,) = correlate(recorded.clients, recorded.backends, DEFAULT).clocks
    found = known.times_alone
    assert found is not None
    assert found.elsewhere < found.inside <= found.sample
    assert found.bits >= SIGNIFICANT
    assert found.other_ns is not None
    assert not known.low_ns <= found.other_ns <= known.high_ns


@given(st.integers(-(10**13), 10**13), ways, ways)
def test_what_two_kinds_of_pairs_say_holds_together(
    offset: int, some: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    parts = [
        bounds([offset] * len(w), [x[0] for x in w], [x[1] for x in w], list(range(k, k + len(w))))
        for k, w in enumerate((some, others))
    ]
    both = joined(*parts)
    assert (np.diff(both.at) >= 0).all()
    known = estimate(0, 0, both)
    assert known.low_ns <= offset <= known.high_ns
    assert known.pairs == len(some) + len(others)
    assert both.frame is None
    numbered = [replace(part, frame=part.at + 1) for part in parts]
    frames = joined(*numbered).frame
    assert frames is not None
    assert (frames == joined(*numbered).at + 1).all()


def test_what_is_less_probable_than_a_number_can_say_is_beyond_all_doubt() -> None:
    assert significance(400, 0, 400) == inf
    assert significance(20, 0, 20) < inf


@pytest.mark.parametrize("by_ns", [-1, 1])
def test_a_drift_is_taken_only_where_a_line_fits_every_exchange(by_ns: int) -> None:
    """One exchange contradicts itself: it was answered before it was asked, on every clock."""
    x = np.arange(41) * SECOND
    drifted = x // 100_000
    before, after = np.full(41, -100), np.full(41, 100)
    before[20], after[20] = 10, 10 + by_ns
    found = _drifting([(x + drifted + before, x + drifted + after, x, x)])
    assert (found is not None) == (by_ns > 0)


Spans = tuple[Column, Column, Column, Column]  # asked and answered in front, and behind


def crowd(seed: int, clients: int = 8, each: int = 8) -> Spans:
    """Clients that all ask the same, each again soon after it was answered: at every moment several
    of them wait.
    """
    dice = np.random.default_rng(seed)
    took = dice.integers(6, 30, (clients, each)) * 1_000_000
    think = dice.integers(1, 12, (clients, each)) * 1_000_000
    asked = (np.cumsum(took + think, axis=1) - took).ravel()
    answered, way = asked + took.ravel(), dice.integers(50_000, 400_000, clients * each)
    order = np.argsort(asked)
    return asked[order], answered[order], (asked + way)[order], (answered - way)[order]


def half(spans: Spans, behind: bool) -> Spans:
    """The same where the capture of one side began late and ended early."""
    a, p, x, y = spans
    part = slice(len(a) // 4, 3 * len(a) // 4)
    return (a, p, x[part], y[part]) if behind else (a[part], p[part], x, y)


@pytest.mark.parametrize("behind", [True, False])
@pytest.mark.parametrize("away", [0, 7_200 * SECOND])
def test_a_part_of_a_crowd_tells_the_offset(away: int, behind: bool) -> None:
    found = []
    for seed in range(12):
        a, p, x, y = half(crowd(seed), behind)
        bound = from_order([(a, p, x - away, y - away)], complete=False)
        found += [] if bound is None else [bound]
    assert len(found) >= 10
    assert all(k.low.max() <= away <= k.high.min() for k in found)


@pytest.mark.parametrize("behind", [True, False])
def test_two_crowds_have_no_clock(behind: bool) -> None:
    for seed in range(12):
        one, other = crowd(seed), crowd(seed + 100)
        assert from_order([half((*one[:2], *other[2:]), behind)], complete=False) is None
