"""What kind of balancer it is: the founding experiments, proxies of bytes, packets passed on,
nothing at all.
"""

from __future__ import annotations

import random

from tests.simulator.roles import Balancer, Simulation
from tests.simulator.scenarios.base import ALB, TLVS, TWO, XFF, crowd, four, mixed, scenario


@scenario()
def founding_alb() -> Simulation:
    """ALB-like: four curls, one backend connection, checks every 10 s"""
    return four(Balancer(add=ALB, check_ms=10_000))


@scenario()
def founding_nlb() -> Simulation:
    """NLB-like: four curls, destination rewritten"""
    return four(Balancer(kind="dnat", check="", check_ms=10_000))


@scenario()
def founding_nlb_snat() -> Simulation:
    """NLB-like with source NAT"""
    return four(Balancer(kind="snat", check="", check_ms=10_000))


@scenario()
def tcp_proxy() -> Simulation:
    """Layer 4 proxy, one backend connection for each client connection"""
    return mixed(Balancer(kind="l4-proxy"))


@scenario()
def source_kept_by_proxy() -> Simulation:
    """Layer 4 proxy that keeps the client's address (TPROXY)"""
    return mixed(Balancer(kind="l4-proxy", preserve_source=True))


@scenario()
def dsr() -> Simulation:
    """Direct server return: same destination on both sides"""
    return mixed(Balancer(kind="dsr"))


@scenario()
def direct() -> Simulation:
    """No balancer between"""
    return mixed(Balancer(kind="direct"))


def _encrypted(balancer: Balancer, requests: int = 1, **settings: object) -> Simulation:
    """Connections in TLS, of different lengths, one after another or at once."""
    simulation = Simulation(seed=32, balancer=balancer, backends=TWO, **settings)  # type: ignore[arg-type]
    client = simulation.client("192.168.0.5", "198.51.100.7")
    for i in range(24):
        for k in range(requests):
            at_ms = 180 * i + (i * 37) % 29
            client.asks(
                "GET",
                f"/item/{i * 7 + k}",
                connection=f"t{i}",
                at_ms=at_ms,
                think_ms=30,
                answer=b"item " * (3 + i * 5 + k),
            )
    return simulation


@scenario()
def tls_passed_on() -> Simulation:
    """TLS passed on by a layer 4 proxy: connections alone can be paired, by the ClientHello"""
    return _encrypted(Balancer(kind="tls-pass"), requests=3)


@scenario()
def tls_passed_on_with_proxy_header() -> Simulation:
    """TLS passed on behind a PROXY header of version 2"""
    return _encrypted(Balancer(kind="tls-pass", proxy=2, tlvs=TLVS), requests=3)


@scenario()
def tls_ends() -> Simulation:
    """TLS ends at the balancer, a backend connection for each request: connections are paired by
    time and size
    """
    return _encrypted(Balancer(kind="tls", keep_alive=False, add=[XFF]))


@scenario()
def tls_ends_kept() -> Simulation:
    """TLS ends at the balancer, which keeps its backend connections"""
    return _encrypted(Balancer(kind="tls", add=[XFF]))


@scenario()
def tls_ends_crowd() -> Simulation:
    """TLS ends at the balancer, many connections at once of many requests each"""
    simulation = Simulation(seed=33, balancer=Balancer(kind="tls", add=[XFF]), backends=TWO)
    crowd(simulation, 1, 10, connections=12)
    return simulation


def _whole(answers: int, seed: int) -> Simulation:
    """Thirty connections with four equal requests each, through a layer 4 proxy."""
    simulation = Simulation(seed=seed, balancer=Balancer(kind="l4-proxy"), backends=TWO)
    dice = random.Random(seed)
    for k in range(30):
        client = simulation.client(f"192.168.0.{5 + k % 5}")
        begin = dice.random() * 600
        for i in range(4):
            client.asks(
                "GET",
                "/",
                at_ms=begin + 30 * i,
                connection=f"k{k}",
                think_ms=30 * dice.random(),
                answer=b"ok %d" % (i % answers),
            )
    return simulation


@scenario()
def whole_connections() -> Simulation:
    """Layer 4 proxy, equal requests and equal responses: connections are paired as wholes"""
    return _whole(answers=1, seed=61)


@scenario()
def whole_connections_by_responses() -> Simulation:
    """Layer 4 proxy, equal requests, each on a connection with another response"""
    return _whole(answers=4, seed=62)


@scenario()
def another_protocol() -> Simulation:
    """Layer 4 proxy of a protocol that is not HTTP: connections are paired by their bytes"""
    simulation = Simulation(seed=63, balancer=Balancer(kind="bytes"), backends=TWO)
    for k in range(24):
        client = simulation.client(f"192.168.0.{5 + k % 3}")
        for i in range(3):
            client.asks("GET", f"/{k}/{i}", at_ms=20 * k, connection=f"k{k}", answer=b"row" * k)
    return simulation


@scenario()
def another_protocol_same_bytes() -> Simulation:
    """The same, and all connections carry the same bytes, one after the other"""
    simulation = Simulation(seed=64, balancer=Balancer(kind="bytes"), backends=TWO)
    client = simulation.client("192.168.0.5")
    for k in range(24):
        client.asks("GET", "/", at_ms=130 * k)
    return simulation
