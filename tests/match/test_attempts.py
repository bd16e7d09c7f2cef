"""Attempts beside the one that was answered: a retry comes after a failure, a copy beside it."""

from __future__ import annotations

import pytest

from lbtrace.correlate import correlate
from lbtrace.match import match
from lbtrace.match.attempts import failed, in_order, in_time
from lbtrace.model.pairing import AttemptOutcome, Confidence
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Simulation
from tests.simulator.scenarios.base import TWO


def tried(balancer: Balancer, seed: int = 5, requests: int = 20) -> Simulation:
    simulation = Simulation(seed=seed, balancer=balancer, backends=TWO)
    client = simulation.client("192.168.0.5")
    for i in range(requests):
        client.asks("GET", f"/item/{i}", at_ms=80 * i)
    return simulation


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        ("reset", AttemptOutcome.RESET),
        ("closed", AttemptOutcome.CLOSED),
        ("500", AttemptOutcome.SUPERSEDED),
    ],
)
def test_every_failed_try_belongs_to_its_request_and_says_how_it_ended(
    how: str, outcome: AttemptOutcome
) -> None:
    recorded = tried(Balancer(retry=0.4, fail=how)).run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    retried = 0
    for p in found.pairs:
        assert tuple(a.backend for a in p.attempts) == recorded.truth[p.client]
        assert p.attempts[-1].outcome is AttemptOutcome.ANSWERED
        assert all(a.outcome is outcome for a in p.attempts[:-1])
        retried += len(p.attempts) > 1
    assert retried > 3


def test_the_attempts_of_a_request_failed_in_turn_and_lie_inside_it() -> None:
    recorded = tried(Balancer(retry=0.4)).run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    for c, bs in found.pairs.caused.items():
        numbers = in_order(found.pairs, c, found.line)
        assert sorted(numbers) == sorted(bs)
        assert all(failed(found.pairs.backend, b) for b in numbers[:-1])
        assert not failed(found.pairs.backend, numbers[-1])
        assert in_time(found.pairs, c, numbers[-1], found.line)
        ends = [int(found.pairs.backend.end[b]) for b in numbers]
        begins = [int(found.pairs.backend.start[b]) for b in numbers]
        assert all(end <= begin for end, begin in zip(ends, begins[1:], strict=False))


def test_an_error_of_the_balancer_keeps_the_attempt_that_caused_it() -> None:
    recorded = tried(Balancer(give_up=0.4)).run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    for p in found.pairs:
        if p.client in recorded.own:
            assert [a.outcome for a in p.attempts] == [AttemptOutcome.RESET]
            assert tuple(a.backend for a in p.attempts) == recorded.truth[p.client]


def test_a_failed_try_of_a_client_that_was_not_captured_is_nobodys_for_sure() -> None:
    """Equal requests of two clients, whose tries fail; one of the two is captured."""
    simulation = Simulation(
        seed=8, balancer=Balancer(give_up=0.5), uncaptured_clients=1, backends=TWO
    )
    for address in ("192.168.0.5", "192.168.0.6"):
        client = simulation.client(address)
        for i in range(20):
            client.asks("GET", "/", at_ms=40 * i)
    recorded = simulation.run()
    for p in correlate(recorded.clients, recorded.backends, DEFAULT).pairs:
        if p.confidence is not Confidence.LOW and p.group is None:
            assert {a.backend for a in p.attempts} <= set(recorded.truth[p.client])
