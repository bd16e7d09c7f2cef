"""Shares by requests and by connections."""

from __future__ import annotations

from tests.findings.simulated import judge_simulation, values
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
