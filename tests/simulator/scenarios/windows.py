"""Where and when the captures were taken."""

from __future__ import annotations

import random

from lbtrace.model.net import Endpoint
from tests.simulator.roles import MS, Balancer, Simulation
from tests.simulator.scenarios.base import ALB, TWO, XFF, crowd, curls, mixed, scenario
from tests.simulator.wire import Clockwork


@scenario()
def client_stopped_early() -> Simulation:
    """The client capture stopped half-way"""
    return mixed(Balancer(add=[XFF]), client_window=(-9999, 200))


@scenario()
def backend_started_late() -> Simulation:
    """The backend capture began mid-connection"""
    return mixed(Balancer(add=[XFF]), backend_window=(120, 99_999_999))


def _late(kind: str) -> Simulation:
    simulation = Simulation(seed=20, balancer=Balancer(kind=kind), backend_window=(40, 99_999_999))
    crowd(simulation, 1, 12, connections=8)
    return simulation


@scenario()
def nat_started_late() -> Simulation:
    """Destination NAT, identical requests, the backend capture began mid-connection"""
    return _late("dnat")


@scenario()
def snat_started_late() -> Simulation:
    """Source NAT, identical requests, the backend capture began mid-connection"""
    return _late("snat")


@scenario()
def apart() -> Simulation:
    """The captures do not overlap in time"""
    return mixed(Balancer(add=[XFF]), client_window=(-9999, 100), backend_window=(200, 99_999_999))


@scenario(0.0)
def one_backend_uncaptured() -> Simulation:
    """Two backends, one captured, identical requests"""
    simulation = Simulation(seed=17, backends=TWO, uncaptured=1)
    curls(simulation.client("192.168.0.5"), ["/"] * 60, 200)
    return simulation


@scenario()
def two_points_identical() -> Simulation:
    """Two backends captured apart, identical requests, clocks 40 ms apart"""
    simulation = Simulation(
        seed=18,
        balancer=Balancer(),
        backends=TWO,
        separate_points=True,
        client_clock=Clockwork(40 * MS + 321),
    )
    crowd(simulation, 1, 10, connections=8)
    return simulation


@scenario()
def two_nodes() -> Simulation:
    """A balancer with two node addresses, backends captured apart"""
    return mixed(
        Balancer(backs=("172.31.42.119", "172.31.7.20"), add=ALB, check_ms=5000),
        backends=TWO,
        separate_points=True,
    )


@scenario()
def two_front_nodes() -> Simulation:
    """A balancer of two nodes, each with a front address and a back address of its own"""
    nodes = (Endpoint("3.35.166.21", 80), Endpoint("13.124.50.9", 80))
    return mixed(
        Balancer(nodes=nodes, backs=("172.31.42.119", "172.31.7.20"), add=ALB, check_ms=5000),
        backends=TWO,
    )


def _several(identical: bool, balancer: Balancer) -> Simulation:
    """Three client hosts, each captured on itself, each with a clock of its own."""
    clocks = [Clockwork(-3_600_000 * MS), Clockwork(250 * MS, 20_000)]
    simulation = Simulation(
        seed=39,
        balancer=balancer,
        backends=TWO,
        client_clock=Clockwork(5 * MS),
        other_clocks=clocks,
    )
    dice = random.Random(40)
    for k in range(3):
        client = simulation.client(f"192.168.{k}.5", f"198.51.100.{k + 1}", point=k)
        for i in range(40):
            target = "/" if identical else f"/{k}/{i}"
            client.asks(
                "GET",
                target,
                connection=f"c{i % 3}",
                at_ms=dice.random() * 900,
                think_ms=dice.random() * 30,
            )
    return simulation


@scenario()
def several_client_captures() -> Simulation:
    """Three client captures with clocks of their own"""
    return _several(False, Balancer(add=[XFF]))


@scenario(0.0)
def several_client_captures_identical() -> Simulation:
    """Three client captures with clocks of their own, identical requests"""
    return _several(True, Balancer(add=[XFF]))


@scenario()
def several_client_captures_nat() -> Simulation:
    """Three client captures in front of a source NAT, identical requests"""
    return _several(True, Balancer(kind="snat"))
