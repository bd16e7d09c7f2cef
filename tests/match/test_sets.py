"""Exchanges that can be each other's: which pairs are recorded, and which are fixed."""

from collections.abc import Hashable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.correlate import correlate
from lbtrace.match import match
from lbtrace.match.classes import Class
from lbtrace.match.fingerprint import kept_fields
from lbtrace.match.sets import _Resolver, resolve
from lbtrace.match.timeline import timeline
from lbtrace.model.http import Mark
from lbtrace.model.pairing import Clock, ClockRefusal, Confidence, Correlation, Tier
from lbtrace.options import DEFAULT
from tests.match.states import unpaired
from tests.simulator import Balancer, Simulation
from tests.simulator.roles import Recording
from tests.simulator.score import score


def crowd() -> Simulation:
    """Twelve equal requests on six connections at once."""
    simulation = Simulation(seed=8, serve_us=(2_000, 9_000))
    for k in range(6):
        client = simulation.client(f"192.168.0.{5 + k}")
        for i in range(2):
            client.asks("GET", "/", at_ms=40 * i + k / 2, connection="kept")
    return simulation


def too_early(recorded: Recording, found: Correlation) -> list[str]:
    """The pairs that the report's own clock forbids, by the times in the captures."""
    clock = found.clocks[0]
    wrong = []
    for p in found.pairs:
        q = recorded.clients[0].exchanges[p.client.id].request
        r = recorded.backends[0].exchanges[p.attempts[0].backend.id].request
        low_confidence = p.confidence is Confidence.LOW
        if q and r and not low_confidence and q.first_ns - r.first_ns > clock.high_ns + 2000:
            wrong.append(str(p))
    return wrong


def test_a_set_is_recorded_in_an_order_that_its_clock_allows() -> None:
    """A request that was captured twice may have been sent before; where an order fits what was
    captured, it is the one that is recorded.
    """
    recorded = crowd().run()
    front = recorded.clients[0]
    for n, e in enumerate(front.exchanges):
        assert e.request is not None
        again = e._replace(request=e.request._replace(marks=(Mark.RETRANSMITTED,)))
        changed = [again if i == n else x for i, x in enumerate(front.exchanges)]
        found = correlate([replace(front, exchanges=changed)], recorded.backends, DEFAULT)
        assert found.clocks[0].refused or not too_early(recorded, found)


def test_every_pair_that_is_recorded_of_a_set_nests_under_the_clock_of_the_report() -> None:
    recorded = crowd().run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    for c, bs in found.pairs.caused.items():
        assert all(found.line.inside(c, b) for b in bs)


def test_values_of_a_session_tell_apart_what_time_leaves_open() -> None:
    """Three sessions ask the same at once, each several times; the balancer changes their cookies'
    names, so that only the values are the same.
    """
    simulation = Simulation(
        seed=4, balancer=Balancer(drop=["Cookie"], add=[("X-Session", "{old}")])
    )
    client = simulation.client("192.168.0.5")
    for i in range(12):
        client.asks(
            "GET",
            "/",
            at_ms=i * 3,
            headers=[("X-Session", f"session-of-{'abc'[i % 3] * 12}")],
            connection=f"k{i % 3}",
        )
    recorded = simulation.run()
    counted, said = score(recorded, correlate(recorded.clients, recorded.backends, DEFAULT))
    assert not said
    assert counted.right + counted.grouped == 12


def test_sets_are_of_the_tier_that_says_nothing_tells_them_apart() -> None:
    recorded = crowd().run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    assert {p.tier for p in found.pairs if p.group is not None} <= {Tier.ORDER}


@pytest.mark.parametrize(("after_ns", "sure"), [(0, Confidence.MEDIUM), (1, Confidence.LOW)])
def test_a_backend_exchange_that_begins_after_its_client_left_may_be_anothers(
    after_ns: int, sure: Confidence
) -> None:
    """The client got no answer; its last packet and the request behind have the same time, or the
    request is a nanosecond later.
    """
    simulation = Simulation(seed=3)
    simulation.client("192.168.0.5").asks("GET", "/", at_ms=0)
    recorded = simulation.run()
    (front,) = recorded.clients
    (asked,) = front.exchanges
    front = replace(front, exchanges=[asked._replace(response=None, marks=(Mark.CLOSED,))])
    state = unpaired([front], recorded.backends)
    line = timeline(state, {(0, 0): Clock(0, 0, 0, 0)})
    line.backend_asked[0] = front.connections[0].last_ns + after_ns
    line.backend_answered[0] = line.backend_asked[0]
    resolve(state, [Class([0], [0])], line, kept_fields(state, request=False))
    assert state.confidence == {0: sure}


RECORDED = crowd().run()
TWELVE = unpaired(RECORDED.clients, RECORDED.backends)
ANSWERS = st.lists(st.sampled_from([None, "one", "other"]), min_size=1, max_size=6)


@given(ANSWERS, ANSWERS)
def test_of_a_large_set_whose_answers_agree_are_paired_and_the_others_left_to_it(
    got: list[str | None], gave: list[str | None]
) -> None:
    """Without a clock the k-th is taken with the k-th; a disagreement leaves both without a
    partner, and so does a side that is shorter.
    """
    state = TWELVE.copy()
    line = timeline(state, {(0, 0): Clock(0, 0, refused=ClockRefusal.NO_PAIR)})
    answers_c: dict[int, Hashable] = dict(enumerate(got))
    answers_b: dict[int, Hashable] = dict(enumerate(gave))
    _Resolver(state, line, answers_c, answers_b)._large([*answers_c], [*answers_b])
    paired = {
        k for k, (a, b) in enumerate(zip(got, gave, strict=False)) if None in (a, b) or a == b
    }
    assert state.caused == {k: [k] for k in paired}
    assert state.group == dict.fromkeys(paired, 0)
    assert state.left_out == dict.fromkeys(answers_c.keys() - paired, 0)
    assert state.left_over == dict.fromkeys(answers_b.keys() - paired, 0)
    short = (len(paired) < len(got), len(paired) < len(gave))
    assert set(state.spare.values()) <= {short}
