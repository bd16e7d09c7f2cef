"""When the other side's captures ran, as far as the clocks tell: outside of its window a
capture shows nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.match.windows import windows
from lbtrace.model.pairing import Clock, ClockRefusal
from tests.match.states import unpaired
from tests.simulator.scenarios import SCENARIOS

RECORDED = SCENARIOS["two-points-identical"]().run()
STATE = unpaired(RECORDED.clients, RECORDED.backends)
second = 1_000_000_000


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_window_holds_all_that_a_capture_shows_wherever_the_clock_is(
    low_ns: int, width_ns: int, part_ns: int
) -> None:
    clock = Clock(0, 0, low_ns, low_ns + width_ns)
    delta = low_ns + min(part_ns, width_ns)  # the true one, wherever it lies
    ((mine,),) = windows(STATE, {(0, 0): clock}, of_client=True)
    trace = RECORDED.backends[0]
    assert mine.first <= trace.first_ns + delta
    assert mine.last >= trace.last_ns + delta
    assert mine.last - mine.first == trace.last_ns - trace.first_ns + width_ns
    of_first, of_second = windows(STATE, {(0, 0): clock}, of_client=False)
    (theirs,) = of_first
    front = RECORDED.clients[0]
    assert theirs.first <= front.first_ns - delta
    assert theirs.last >= front.last_ns - delta
    assert theirs.last - theirs.first == front.last_ns - front.first_ns + width_ns
    assert of_second == []


def test_without_a_clock_nothing_is_known_of_when_the_others_ran() -> None:
    refused = Clock(0, 0, refused=ClockRefusal.NO_PAIR)
    assert windows(STATE, {(0, 0): refused}, of_client=True) == [[]]
    assert windows(STATE, {}, of_client=True) == [[]]


def test_each_point_of_the_other_side_has_its_own_window() -> None:
    clocks = {(0, j): Clock(0, j, j * second, j * second) for j in range(2)}
    ((first, other),) = windows(STATE, clocks, of_client=True)
    assert first.first == RECORDED.backends[0].first_ns
    assert other.first == RECORDED.backends[1].first_ns + second
