"""Shares by requests and by connections."""

from __future__ import annotations

from dataclasses import replace

from lbtrace.model.pairing import AttemptOutcome
from tests.findings.simulated import judge_recording, judge_simulation, values
from tests.simulator import Balancer, Simulation
from tests.simulator.scenarios.base import TWO


def shares(*requests: int) -> object:
    """The shares of two backends whose connections, one in turn, carry so many requests."""
    simulation = Simulation(
        seed=5, balancer=Balancer(kind="dnat", wander=False), backends=TWO, separate_points=True
    )
    client = simulation.client("192.168.0.5")
    for connection, count in enumerate(requests):
        for n in range(count):
            client.asks(
                "GET", f"/{connection}/{n}", connection=f"c{connection}", at_ms=100 * connection
            )
    (said,) = judge_simulation(simulation).of("load-distribution.backends")
    return values(said)["shares"]


def test_even_connections_may_carry_uneven_loads() -> None:
    assert shares(9, 1, 8, 2) == (
        "172.31.11.96:8080 17 (85 %) on 2 connections, 172.31.11.95:8080 3 (15 %) on 2 connections"
    )


def test_connections_are_not_counted_where_each_carries_one_request() -> None:
    assert shares(1, 1, 1, 1) == "172.31.11.96:8080 2 (50 %), 172.31.11.95:8080 2 (50 %)"


def test_a_request_that_was_tried_twice_counts_where_it_was_answered() -> None:
    """Where the answers were not captured, it counts nowhere."""
    simulation = Simulation(
        seed=5, balancer=Balancer(retry=0.5), backends=TWO, separate_points=True
    )
    client = simulation.client("192.168.0.5")
    for n in range(16):
        client.asks("GET", f"/{n}", at_ms=100 * n, answer=b"%d" % n)
    told = judge_simulation(simulation)
    once = sum(len(pair.attempts) == 1 for pair in told.correlation.pairs)
    assert 1 < once < len(told.correlation.pairs) == 16
    (said,) = told.of("load-distribution.backends")
    assert values(said)["total"] == 16
    pairs = [
        pair
        if len(pair.attempts) == 1
        else pair._replace(
            attempts=tuple(a._replace(outcome=AttemptOutcome.UNKNOWN) for a in pair.attempts)
        )
        for pair in told.correlation.pairs
    ]
    again = judge_recording(told.recorded, replace(told.correlation, pairs=pairs))
    (said,) = again.of("load-distribution.backends")
    assert values(said)["total"] == once
