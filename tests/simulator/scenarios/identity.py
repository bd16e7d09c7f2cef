"""Who asked: health checks, NATs, stated addresses, PROXY headers."""

from __future__ import annotations

import random

from lbtrace.model.net import Endpoint
from tests.simulator.roles import MS, Balancer, Simulation
from tests.simulator.scenarios.base import TLVS, TWO, XFF, curls, mixed, scenario
from tests.simulator.wire import Clockwork


@scenario()
def checks_like_clients() -> Simulation:
    """Health checks ask the same path with the same User-Agent as clients"""
    simulation = Simulation(
        seed=9,
        balancer=Balancer(check="GET /", check_agent="curl/7.64.1", check_ms=2000, add=[XFF]),
    )
    curls(simulation.client("192.168.0.5"), ["/"] * 20, 700)
    return simulation


@scenario()
def polling_client() -> Simulation:
    """A client polls at an even pace: no health check"""
    simulation = Simulation(seed=10, balancer=Balancer(add=[XFF], check_ms=5000))
    for i in range(30):
        simulation.client("192.168.0.5") if not simulation.clients else None
        simulation.clients[0].asks("GET", "/status", at_ms=1000 * i, answer=b"state %d" % i)
    return simulation


@scenario()
def minted_id() -> Simulation:
    """The balancer draws an id for each request and writes it into its answer too (CF-Ray)"""
    play = Simulation(seed=12, balancer=Balancer(add=[XFF], mint="X-Edge-Ref"))
    for k in range(6):
        client = play.client(f"192.168.0.{5 + k}")
        for i in range(4):
            client.asks("GET", "/", at_ms=100 * i, connection="kept")
    return play


@scenario()
def client_behind_nat() -> Simulation:
    """XFF with port, clients behind a NAT that keeps ports"""
    return mixed(Balancer(add=[("X-Forwarded-For", "{client}:{clientport}")]))


@scenario(0.8)
def two_behind_nat() -> Simulation:
    """Two offices ask the same at the same time, one is captured; the balancer names both by
    addresses nobody else knows
    """
    simulation = Simulation(
        seed=22, balancer=Balancer(add=[XFF]), client_clock=Clockwork(-7 * MS), uncaptured_clients=1
    )
    dice = random.Random(23)
    for address in ("198.51.100.1", "198.51.100.2"):
        client = simulation.client("192.168.0.5", address)
        for k in range(16):
            client.asks(
                "GET", "/", connection=f"c{k % 4}", think_ms=dice.random() * 20, at_ms=dice.random()
            )
    return simulation


@scenario()
def spoofed_xff() -> Simulation:
    """Clients send X-Forwarded-For themselves; the balancer appends"""
    simulation = Simulation(
        seed=11, balancer=Balancer(add=[("X-Forwarded-For", "{old}, {client}")])
    )
    client = simulation.client("192.168.0.5", "198.51.100.7")
    for i in range(30):
        client.asks(
            "GET",
            f"/{i % 4}",
            at_ms=200 * i + (i * 31) % 17,
            headers=[("X-Forwarded-For", "10.9.8.7:20003")],
        )
    return simulation


@scenario()
def proxy_protocol() -> Simulation:
    """Layer 4 proxy with a PROXY header"""
    return mixed(Balancer(kind="l4-proxy", proxy=1))


@scenario()
def ipv6_front() -> Simulation:
    """IPv6 in front, IPv4 behind"""
    simulation = Simulation(
        seed=12,
        balancer=Balancer(
            front=Endpoint("2001:db8::1", 80), add=[("X-Forwarded-For", "[{client}]:{clientport}")]
        ),
    )
    curls(simulation.client("2001:db8::5"), [f"/{i}" for i in range(20)], 300)
    return simulation


@scenario()
def proxy_protocol_2() -> Simulation:
    """Layer 4 proxy with a PROXY header of version 2: TLVs of TLS, AWS and Azure, CRC32c"""
    return mixed(Balancer(kind="l4-proxy", proxy=2, tlvs=TLVS))


@scenario()
def proxy_protocol_2_before_http() -> Simulation:
    """A balancer that reads HTTP and sends a PROXY header of version 2 before each request"""
    return mixed(Balancer(proxy=2, tlvs=TLVS, keep_alive=False, strip="/api"))


@scenario()
def proxy_protocol_ipv6() -> Simulation:
    """PROXY headers of version 2 that name IPv6 clients, to IPv4 backends"""
    simulation = Simulation(
        seed=34, balancer=Balancer(kind="l4-proxy", proxy=2, front=Endpoint("2001:db8::1", 80))
    )
    curls(simulation.client("2001:db8::5"), ["/"] * 20, 300)
    return simulation


@scenario()
def ipv6_front_identical() -> Simulation:
    """IPv6 in front, IPv4 behind, identical requests of many clients, named by address alone"""
    simulation = Simulation(
        seed=35, balancer=Balancer(front=Endpoint("2001:db8::1", 80), add=[XFF])
    )
    for k in range(8):
        client = simulation.client(f"2001:db8::{k + 5:x}")
        for i in range(10):
            client.asks("GET", "/", connection="c", at_ms=k * 7 + i, think_ms=12)
    return simulation


def _over_ipv6(seed: int, balancer: Balancer) -> Simulation:
    """Equal requests of several clients, to a backend with an IPv6 address."""
    balancer.front, balancer.backs = Endpoint("2001:db8:3::21", 80), ("2001:db8:172:42::119",)
    backend = Endpoint("2001:db8:172:11::95", 8080)
    simulation = Simulation(seed=seed, balancer=balancer, backends=[backend])
    for k in range(4):
        client = simulation.client(f"2001:db8:5::{k + 5:x}")
        for i in range(10):
            client.asks("GET", "/", at_ms=40 * i + k)
    return simulation


@scenario()
def ipv6_forwarded() -> Simulation:
    """IPv6 on both sides, identical requests, Forwarded names address and port in quotes"""
    form = 'for="[{client}]:{clientport}";proto=http'
    return _over_ipv6(60, Balancer(add=[("Forwarded", form)]))


@scenario()
def ipv6_xff() -> Simulation:
    """IPv6 on both sides, identical requests, X-Forwarded-For names the address without brackets"""
    return _over_ipv6(61, Balancer(add=[XFF]))


@scenario()
def ipv6_proxy_protocol() -> Simulation:
    """IPv6 on both sides, identical requests behind PROXY headers of version 1"""
    return _over_ipv6(62, Balancer(kind="l4-proxy", proxy=1))


@scenario()
def ipv6_source_nat() -> Simulation:
    """IPv6 on both sides, identical requests behind a source NAT"""
    return _over_ipv6(63, Balancer(kind="snat"))


def _named(field: str, form: str, seed: int) -> Simulation:
    """Two equal requests of one client."""
    simulation = Simulation(seed=seed, balancer=Balancer(add=[(field, form)]))
    client = simulation.client("203.0.113.7")
    for i in range(2):
        client.asks("GET", "/", at_ms=100 * i)
    return simulation


@scenario()
def named_client() -> Simulation:
    """Two equal requests, and X-Forwarded-For names the client by its own address"""
    return _named("X-Forwarded-For", "{client}", 57)


@scenario()
def named_client_forwarded() -> Simulation:
    """The same, with the field Forwarded"""
    return _named("Forwarded", "for={client}", 58)


@scenario()
def checks_without_a_name() -> Simulation:
    """Health checks ask for the clients' page, and name no User-Agent"""
    balancer = Balancer(check_ms=500, check="GET /", check_agent="", add=[XFF])
    simulation = Simulation(seed=59, balancer=balancer, backends=TWO)
    client = simulation.client("192.168.0.5")
    for i in range(30):
        client.asks("GET", "/", at_ms=137 * i + (i * 31) % 50)
    return simulation


@scenario()
def foreign_servers() -> Simulation:
    """The captured client asks other servers, too, some of them for the same"""
    simulation = Simulation(seed=60, balancer=Balancer(add=[XFF]))
    client = simulation.client("192.168.0.5")
    others = [Endpoint("203.0.113.80", 80), Endpoint("203.0.113.81", 80)]
    for i in range(40):
        elsewhere = others[i % 4 // 2] if i % 4 % 2 else None
        client.asks("GET", f"/item/{i % 5}", at_ms=50 * i, elsewhere=elsewhere)
    return simulation
