"""Pairs ↔ times: a pair bounds the clock by what was seen of it, and a clock takes back what it
forbids.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.match import match
from lbtrace.match.classes import Class
from lbtrace.match.clock_constraints import (
    _bounds,
    bootstrap,
    clocks,
    sure,
    take_back,
    without_doubt,
)
from lbtrace.match.model import Matching
from lbtrace.match.timeline import timeline
from lbtrace.model.net import Side
from lbtrace.model.pairing import Clock, ClockRefusal, Confidence
from lbtrace.model.trace import Trace
from lbtrace.options import DEFAULT
from tests.laws import examples
from tests.match.states import unpaired
from tests.simulator import Balancer, Simulation
from tests.simulator.scenarios.base import TWO
from tests.simulator.wire import Clockwork


def paired(offset_ns: int = 0, balancer: Balancer | None = None, requests: int = 8) -> Matching:
    """Requests with targets of their own, to two backends with a capture each."""
    simulation = Simulation(
        seed=5,
        balancer=balancer or Balancer(),
        backends=TWO,
        separate_points=True,
        client_clock=Clockwork(offset_ns),
    )
    client = simulation.client("192.168.0.5")
    for i in range(requests):
        client.asks("GET", f"/item/{i}", at_ms=90 * i)
    recorded = simulation.run()
    return match(recorded.clients, recorded.backends, DEFAULT)


@given(st.integers(-(10**12), 10**12), st.sampled_from(["reset", "closed", "500"]))
@examples(20)
def test_every_point_has_the_clock_that_its_pairs_bound(offset_ns: int, how: str) -> None:
    """Also where a request was tried on both."""
    found = paired(offset_ns, Balancer(retry=0.5, fail=how), requests=16)
    for points, clock in clocks(found.pairs, None).items():
        assert (clock.client_point, clock.backend_point) == points
        assert clock.refused is None
        assert clock.low_ns <= offset_ns <= clock.high_ns


@pytest.mark.parametrize("solid", [True, False])
def test_attempts_that_failed_bound_a_clock_by_what_is_sure_of_when_they_began(solid: bool) -> None:
    """Two at one point, neither answered. If the later one was retransmitted, it may have begun
    before the first packet of it that the capture holds.
    """
    state = paired(balancer=Balancer(retry=0.5, fail="closed"), requests=16).pairs
    of_failed = {int(bs[0]): c for c, bs in state.caused.items() if len(bs) > 1}
    first, later = sorted(b for b in of_failed if state.backend.point[b] == 0)[:2]
    state.caused[of_failed[later]] = [first, later]
    before = len(_bounds(state)[0, 0].high)
    state.backend.solid_start[later] = solid
    assert len(_bounds(state)[0, 0].high) == before - (not solid)


def test_copies_of_which_another_point_may_have_given_the_answer_bound_no_clock_by_it() -> None:
    """One copy at each point, both answered alike: whose answer came first is not known without the
    clocks that are asked for.
    """
    state = paired(balancer=Balancer(retry=0.5, fail="closed"), requests=16).pairs
    place = state.backend.point
    asked, (failed, answered) = next(
        (c, bs) for c, bs in state.caused.items() if [place[b] for b in bs] == [1, 0]
    )
    copy = next(bs[0] for bs in state.caused.values() if len(bs) == 1 and place[bs[0]] == 1)
    assert state.backend.silent[failed]
    before = {points: len(bounds.high) for points, bounds in _bounds(state).items()}
    state.caused[asked] = [copy, answered]
    after = {points: len(bounds.high) for points, bounds in _bounds(state).items()}
    assert before[0, 0] - after[0, 0] == before[0, 1] - after[0, 1] == 1


def test_a_pair_of_a_set_bounds_no_clock() -> None:
    found = paired()
    state = found.pairs
    before = clocks(state, None)[0, 0].pairs
    c = next(c for c, bs in state.caused.items() if state.backend.point[bs[0]] == 0)
    state.group[c] = state.new_group()
    assert clocks(state, None)[0, 0].pairs == before - 1


def test_a_stated_offset_is_the_clock_of_every_point() -> None:
    for clock in clocks(paired().pairs, 5_000).values():
        assert clock.stated
        assert clock.low_ns == clock.high_ns == 5_000


def test_a_clock_takes_back_the_pairs_it_forbids_and_no_others() -> None:
    found = paired()
    state = found.pairs.copy()
    forbidden = {c for c, bs in state.caused.items() if state.backend.point[bs[0]] == 1}
    far = {
        points: replace(clock, low_ns=10**12, high_ns=10**12) if points == (0, 1) else clock
        for points, clock in found.clocks.items()
    }
    assert take_back(state, timeline(state, far))
    assert set(found.pairs.caused) - set(state.caused) == forbidden
    assert not take_back(state, timeline(state, far))


def test_without_a_clock_nothing_is_taken_back() -> None:
    found = paired()
    unknown = {points: Clock(*points, refused=ClockRefusal.NO_PAIR) for points in found.clocks}
    assert not take_back(found.pairs, timeline(found.pairs, unknown))


def test_a_clock_that_only_pairs_of_low_confidence_bound_is_none() -> None:
    found = paired(requests=4)
    state, points = found.pairs, (0, 0)
    clock = replace(found.clocks[points], pairs=2)
    assert without_doubt(state, points, clock) == clock
    for c in state.confidence:
        state.confidence[c] = Confidence.LOW
    assert without_doubt(state, points, clock).refused is ClockRefusal.DOUBTFUL
    stated = replace(clock, stated=True)
    assert without_doubt(state, points, stated) == stated


def test_values_that_nobody_shares_by_chance_hold_two_points_together() -> None:
    found = paired()
    state = found.pairs
    state.strong.clear()
    assert not sure(state, (0, 0))
    state.strong.add(next(c for c, bs in state.caused.items() if state.backend.point[bs[0]] == 0))
    assert sure(state, (0, 0))
    assert not sure(state, (0, 1))


@pytest.mark.parametrize("strong", [True, False])
@pytest.mark.parametrize("over_ns", [-1, 0, 1])
@pytest.mark.parametrize("early", [True, False])
def test_what_is_hardly_shared_by_chance_stands_against_a_small_contradiction(
    strong: bool, over_ns: int, early: bool
) -> None:
    """A backend request before the client's, or its answer after the client's, by five
    milliseconds: packets are stamped late.
    """
    state = paired().pairs
    line = timeline(state, {points: Clock(*points, 0, 0) for points in ((0, 0), (0, 1))})
    times = line.columns
    c, (b,) = next(iter(state.caused.items()))
    state.strong = {c} if strong else set()
    if early:
        times.client_asked[c] = times.backend_asked[b] + 5_000_000 + over_ns
    else:
        times.client_answered[c] = times.backend_answered[b] - 5_000_000 - over_ns
    assert take_back(state, line) == (not strong or over_ns > 0)
    assert (c in state.caused) == (strong and over_ns <= 0)


@pytest.mark.parametrize("lossy", [None, Side.CLIENT, Side.BACKEND])
def test_the_kth_is_the_kth_only_where_neither_side_lost_anything(lossy: Side | None) -> None:
    """One request every 100 ms, all alike. When a side lost something, each may lack one: the
    client side the first, the backend side the last. Then the k-th are not each other's.
    """
    simulation = Simulation(seed=5)
    client = simulation.client("192.168.0.5")
    for i in range(20):
        client.asks("GET", "/", at_ms=100 * i)
    recorded = simulation.run()
    sides = {Side.CLIENT: recorded.clients[0], Side.BACKEND: recorded.backends[0]}
    if lossy:
        sides[lossy] = damaged(sides[lossy])
    state = unpaired([sides[Side.CLIENT]], [sides[Side.BACKEND]])
    k = np.arange(20) * 100_000_000
    asked = k + (100_000_000 if lossy else 0)
    state.client = replace(state.client, start=asked, reply=asked + 30_000_000)
    state.backend = replace(state.backend, start=k + 10_000_000, reply=k + 20_000_000)
    known = {(0, 0): Clock(0, 0, refused=ClockRefusal.NO_PAIR)}
    found = bootstrap(state, known, [Class([*range(20)], [*range(20)])])[0, 0]
    assert bool(found.refused) == bool(lossy)
    assert lossy or found.low_ns <= 0 <= found.high_ns


def damaged(trace: Trace) -> Trace:
    """A byte of one connection was not captured."""
    first, *others = trace.connections
    first = first._replace(from_client=first.from_client._replace(missing=1))
    return replace(trace, connections=[first, *others])
