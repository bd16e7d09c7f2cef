"""Clocks apart, drifting, set; packets that were not captured."""

from __future__ import annotations

import random

from tests.simulator.roles import MS, Balancer, Simulation
from tests.simulator.scenarios.base import XFF, curls, mixed, scenario
from tests.simulator.wire import EPOCH_NS, Clockwork


@scenario()
def hour_offset() -> Simulation:
    """Clocks an hour apart"""
    return mixed(Balancer(add=[XFF]), client_clock=Clockwork(3_600_000 * MS + 12_345))


@scenario()
def hour_offset_identical() -> Simulation:
    """Clocks an hour apart and identical requests"""
    simulation = Simulation(seed=13, client_clock=Clockwork(-3_600_000 * MS + 777))
    curls(simulation.client("192.168.0.5"), ["/"] * 40, 500)
    return simulation


@scenario()
def drift() -> Simulation:
    """Clocks drift by 100 ppm over ten minutes"""
    simulation = Simulation(seed=14, client_clock=Clockwork(5 * MS, 100_000))
    curls(simulation.client("192.168.0.5"), [f"/item/{i}" for i in range(300)], 2000)
    return simulation


@scenario(0.8)
def step() -> Simulation:
    """The backend's clock is set forward by 2 s half-way"""
    simulation = Simulation(
        seed=15, backend_clock=Clockwork(0, 0, EPOCH_NS + 30_000 * MS, 2000 * MS)
    )
    curls(simulation.client("192.168.0.5"), [f"/item/{i}" for i in range(100)], 600)
    return simulation


@scenario(0.8)
def loss_2() -> Simulation:
    """Both captures miss 2 % of messages"""
    return mixed(Balancer(add=[XFF]), client_loss=0.02, backend_loss=0.02)


@scenario(0.75)
def loss_identical() -> Simulation:
    """Both captures miss 5 %, identical requests, a connection each"""
    simulation = Simulation(seed=16, client_loss=0.05, backend_loss=0.05)
    curls(simulation.client("192.168.0.5"), ["/"] * 100, 100)
    return simulation


def _stepping(step_ms: int, at_ms: int, seed: int) -> Simulation:
    simulation = Simulation(
        seed=seed,
        client_clock=Clockwork(37 * MS, 0, EPOCH_NS + at_ms * MS, step_ms * MS),
        balancer=Balancer(add=[XFF]),
    )
    curls(
        simulation.client("192.168.0.5", "198.51.100.5"),
        [f"/item/{i % 25}" for i in range(100)],
        600,
    )
    return simulation


@scenario(0.0)
def step_back() -> Simulation:
    """The client's clock is set back by 90 ms half-way, targets repeat"""
    return _stepping(-90, 30_000, 36)


@scenario(0.0)
def step_late() -> Simulation:
    """The client's clock is set forward by an hour when nine tenths are over, targets repeat"""
    return _stepping(3_600_000, 54_000, 37)


@scenario(0.0)
def step_identical() -> Simulation:
    """The backend's clock is set back by 2 s half-way, all requests are identical"""
    simulation = Simulation(
        seed=38, backend_clock=Clockwork(0, 0, EPOCH_NS + 30_000 * MS, -2000 * MS)
    )
    curls(simulation.client("192.168.0.5"), ["/"] * 100, 600)
    return simulation


@scenario(0.8)
def step_back_proxy() -> Simulation:
    """The backend's clock is set back by 2 s half-way, behind PROXY headers: the order on a
    connection is that of its bytes
    """
    simulation = Simulation(
        seed=39,
        balancer=Balancer(kind="l4-proxy", proxy=1),
        backend_clock=Clockwork(0, 0, EPOCH_NS + 9_300 * MS, -2000 * MS),
    )
    client = simulation.client("192.168.0.5")
    for i in range(40):
        client.asks("GET", "/", at_ms=600 * i, connection=f"c{(i + 2) // 4}")
    return simulation


@scenario()
def clock_among_others() -> Simulation:
    """Equal requests of two clients, one of them captured: 17 of 25 fit at one offset"""
    simulation = Simulation(
        seed=2, client_clock=Clockwork(-37_123 * MS), uncaptured_clients=1, balancer=Balancer()
    )
    dice = random.Random(2)
    for address, count in (("192.168.0.5", 17), ("192.168.0.6", 8)):
        client = simulation.client(address)
        for _ in range(count):
            client.asks("GET", "/", at_ms=dice.random() * 3000)
    return simulation


@scenario()
def drift_identical() -> Simulation:
    """Clocks drift by 200 ppm over half a minute, all requests are identical"""
    simulation = Simulation(seed=65, client_clock=Clockwork(3 * MS, 200_000))
    curls(simulation.client("192.168.0.5"), ["/"] * 60, 500)
    return simulation
