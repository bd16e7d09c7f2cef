"""When a stated clock offset is questioned, and by which other one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.comparison import Comparison
from lbtrace.comparison.stated_clock import ENOUGH, SHOWN, other_offset
from lbtrace.model.pairing import Clock, ClockRefusal, Correlation
from tests.comparison.test_frames import comparison

SLACK_NS = 5_000_000  # packets may be stamped so late
COUNT = 6
WHOLE = comparison(COUNT)
EARLY = SLACK_NS + 1  # a backend that is asked so long before the client asks does not fit


def shifted(early: list[int], left_out: int = 0) -> Comparison:
    """Each backend exchange begins so long before its client exchange, and is answered in time; of
    the backend's the last are not in the capture.
    """
    (front,), (back,) = WHOLE.clients, WHOLE.backends
    moved = list(back.exchanges)
    for pair, ns in zip(WHOLE.pairs, early, strict=True):
        assert pair.backend.request is not None
        asked = pair.requests[0].first_ns - ns
        request = pair.backend.request._replace(first_ns=asked)
        moved[pair.backend.id] = pair.backend._replace(request=request)
    kept = COUNT - left_out
    found = replace(WHOLE.correlation, pairs=WHOLE.correlation.pairs[:kept])
    return Comparison([front], [replace(back, exchanges=moved[:kept])], found)


def clock(low_ns: int, pairs: int, width_ns: int = 0, refused: bool = False) -> Clock:
    why = ClockRefusal.CONTRADICTED if refused else None
    return Clock(0, 0, low_ns, low_ns + width_ns, pairs=pairs, refused=why)


def without(*clocks: Clock) -> Correlation:
    """Both sides paired as if no offset was stated."""
    return replace(WHOLE.correlation, clocks=clocks)


@given(
    st.lists(st.sampled_from([0, SLACK_NS, EARLY, 10**9]), min_size=COUNT, max_size=COUNT),
    st.integers(0, 2),
)
def test_an_offset_that_half_of_the_exchanges_fit_is_not_questioned(
    early: list[int], left_out: int
) -> None:
    kept = COUNT - left_out
    fitting = sum(ns <= SLACK_NS for ns in early[:kept])
    asked: list[int] = []

    def again() -> Correlation:
        asked.append(1)
        return without(clock(10**10, 100, 7))

    said = other_offset(shifted(early, left_out), 0, again)
    assert bool(asked) == (said is not None) == (2 * fitting < kept), "of the side with fewer"
    if said is not None:
        assert (said.stated_ns, said.fitting) == (0, fitting)
        assert (said.offset_ns, said.half_width_ns) == (10**10 + 3, 4)


def test_what_ends_before_it_begins_does_not_fit() -> None:
    """Answers that reach the client before the backend gave them, by more than the slack."""
    for stated_ns, fits in ((0, True), (10**9, False)):
        said = other_offset(shifted([0] * COUNT), stated_ns, lambda: without(clock(0, 9)))
        assert (said is None) == fits


@pytest.mark.parametrize("answer", ["none", "slow"])
def test_an_answer_counts_from_its_first_byte_and_only_where_both_sides_have_it(
    answer: str,
) -> None:
    """Backends are asked in time. What the client never got tells nothing; what goes on for an hour
    began as soon as any.
    """
    given_ = shifted([0] * COUNT)
    (front,) = given_.clients
    changed = [
        e._replace(
            response=e.response._replace(last_ns=e.response.last_ns + 3600 * 10**9)
            if answer == "slow"
            else None
        )
        for e in front.exchanges
        if e.response is not None
    ]
    asked = Comparison([replace(front, exchanges=changed)], given_.backends, given_.correlation)
    said = other_offset(asked, 10**9, lambda: without(clock(0, 9)))
    assert (said is None) == (answer == "none")


@given(
    pairs=st.integers(0, 9),
    fitting=st.integers(0, 2),
    low=st.sampled_from([-3 * SLACK_NS, -EARLY, -SLACK_NS, 0, SLACK_NS, EARLY, 3 * SLACK_NS]),
    width=st.sampled_from([0, 1, 2, SLACK_NS, 2 * SLACK_NS]),
    weaker=st.integers(0, 9),
)
def test_another_offset_is_named_when_many_more_agree_on_it(
    pairs: int, fitting: int, low: int, width: int, weaker: int
) -> None:
    """Three pairs at least, more than twice as many as fit the stated one, which is not near."""
    given_ = shifted([0] * fitting + [EARLY] * (COUNT - fitting))
    clocks = [
        clock(10**12, min(weaker, pairs - 1)),
        clock(low, pairs, width),
        clock(10**11, 99, refused=True),
    ]
    said = other_offset(given_, 0, lambda: without(*clocks))
    near = low - SLACK_NS <= 0 <= low + width + SLACK_NS
    assert (said is not None) == (pairs >= ENOUGH and pairs > 2 * fitting and not near)
    if said is not None:
        assert (said.offset_ns, said.fitting_there) == (low + width // 2, pairs)
        assert len(said.examples) == SHOWN
    assert other_offset(given_, 0, without) is None, "no clock at all"
