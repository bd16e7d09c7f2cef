"""Exchanges of one shape: who can be whose when time tells little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lbtrace.correlate import correlate
from lbtrace.match import fingerprint
from lbtrace.match.classes import Class
from lbtrace.match.sets import resolve
from lbtrace.match.timeline import Timeline, Times, long_enough
from lbtrace.model.http import NO_BODY
from lbtrace.model.trace import Trace
from lbtrace.options import DEFAULT
from tests.match.states import unpaired
from tests.simulator import Recording, Simulation
from tests.simulator.score import score


def test_without_a_clock_too_nobody_is_answered_before_the_backend_did() -> None:
    """Six equal requests, given to the backend's in the order that time alone would have it, the
    other way round.
    """
    simulation = Simulation(seed=3, serve_us=(1_000, 90_000))
    client = simulation.client("10.0.0.1")
    for n in range(6):
        client.asks("GET", "/same", at_ms=200 * n)
    recorded = simulation.run()
    state = unpaired(recorded.clients, recorded.backends)
    here, turned = list(range(6)), list(range(6, 0, -1))
    first, last = np.array(here), np.array(turned)
    line = Timeline(Times(first, first, last, last, last, first, last), known=False)
    resolve(
        state,
        [Class(here[:], here[:])],
        line,
        fingerprint.kept_fields(state, request=False),
    )
    assert len(state.caused) == 6
    assert all(long_enough(state, c, b) for c, (b,) in state.caused.items())


def heads(recorded: Recording, keep_one: bool = False) -> Trace:
    """What the clients asked with GET, asked with HEAD; `keep_one`: but for the first request."""
    front = recorded.clients[0]
    exchanges = []
    for e in front.exchanges:
        assert e.request is not None
        assert e.response is not None
        asked = e._replace(
            request=e.request._replace(method="HEAD"), response=e.response._replace(body=NO_BODY)
        )
        exchanges.append(e if keep_one and e.id == 0 else asked)
    return replace(front, exchanges=exchanges)


def test_a_cache_asks_in_full_for_what_it_was_asked_the_head_of() -> None:
    simulation = Simulation(seed=5)
    client = simulation.client("10.0.0.1")
    for n in range(12):
        client.asks("GET", "/page", at_ms=100 * n, answer=b"page %d" % n)
    recorded = simulation.run()
    recorded.clients = [heads(recorded)]
    counted, said = score(recorded, correlate(recorded.clients, recorded.backends, DEFAULT))
    assert (counted.right, said) == (12, [])


def test_head_and_get_are_two_requests_where_both_were_sent() -> None:
    simulation = Simulation(seed=5)
    client = simulation.client("10.0.0.1")
    for n in range(4):
        client.asks("GET", "/page", at_ms=100 * n)
    recorded = simulation.run()
    recorded.clients = [heads(recorded, keep_one=True)]
    _, said = score(recorded, correlate(recorded.clients, recorded.backends, DEFAULT))
    assert not said
