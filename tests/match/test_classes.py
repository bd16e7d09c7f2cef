"""Exchanges of one shape: who can be whose when time tells little."""

from __future__ import annotations

from lbtrace.match import fingerprint
from lbtrace.match.classes import Class
from lbtrace.match.sets import resolve
from lbtrace.match.timeline import Timeline, long_enough
from tests.match.states import unpaired
from tests.simulator import Simulation


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
    line = Timeline(here, here, turned, turned, False, turned, here, turned)
    resolve(
        state,
        [Class(here[:], here[:])],
        line,
        fingerprint.kept_fields(state, request=False),
    )
    assert len(state.caused) == 6
    assert all(long_enough(state, c, b) for c, (b,) in state.caused.items())
