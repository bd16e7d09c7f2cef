"""Who is who: counted over pairs, the most frequent first."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.correlate import correlate
from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import Topology
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Simulation
from tests.simulator.roles import FRONT
from tests.simulator.scenarios.base import TWO
from tests.simulator.script import Script

NODE = "172.31.42.119"


def who(balancer: Balancer, seen_as: str = "", requests: int = 9) -> Topology:
    """Two clients, the first of which asks twice as often."""
    simulation = Simulation(seed=2, balancer=balancer, backends=TWO)
    clients = [simulation.client(f"192.168.0.{5 + k}", seen_as) for k in range(2)]
    for i in range(requests):
        clients[i % 3 == 2].asks("GET", f"/{i}", at_ms=70 * i)
    recorded = simulation.run()
    return correlate(recorded.clients, recorded.backends, DEFAULT).topology


def test_a_proxy_speaks_from_its_own_address() -> None:
    found = who(Balancer())
    assert found.clients == ("192.168.0.5", "192.168.0.6")
    assert found.fronts == (FRONT,)
    assert found.balancer_back == found.sources == (NODE,)
    assert set(found.backends) == set(TWO)


@pytest.mark.parametrize("kind", ["dnat", "direct"])
def test_where_the_clients_addresses_stay_the_balancer_has_none_behind(kind: str) -> None:
    found = who(Balancer(kind=kind))
    assert found.balancer_back == ()
    assert set(found.sources) == {"192.168.0.5", "192.168.0.6"}


def test_source_nat_has_the_balancers_address() -> None:
    assert who(Balancer(kind="snat")).balancer_back == (NODE,)


def test_direct_server_return_has_the_front_as_its_backend() -> None:
    assert who(Balancer(kind="dsr")).backends == (FRONT,)


@pytest.mark.parametrize("seen_as", ["", "1.240.235.98"])
def test_what_is_stated_for_a_client_is_counted_of_its_pairs(seen_as: str) -> None:
    found = who(Balancer(add=[("X-Forwarded-For", "{client}")]), seen_as)
    stated = {m.client: m for m in found.mappings if m.stated_by is not None}
    assert {m.stated_by for m in stated.values()} == {"X-Forwarded-For"}
    for client, times in (("192.168.0.5", 6), ("192.168.0.6", 3)):
        assert stated[client].seen_as == (seen_as or client)
        assert (stated[client].count, stated[client].of) == (times, times)


def test_without_pairs_all_connections_are_looked_at() -> None:
    simulation = Simulation(seed=3, balancer=Balancer(refuse=1.0, check_ms=300))
    client = simulation.client("192.168.0.5")
    for i in range(3):
        client.asks("GET", "/", at_ms=100 * i)
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT).topology
    assert found.clients == ("192.168.0.5",)
    assert found.fronts == (FRONT,)
    assert found.backends == (Endpoint("172.31.11.95", 8080),)
    assert found.mappings == ()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLIENT_ADDRESS = b"198.51.100.10"


@pytest.mark.parametrize(
    "written",
    [
        [CLIENT_ADDRESS, b"127.0.0.1"],
        [CLIENT_ADDRESS + b", 127.0.0.1"],
        [CLIENT_ADDRESS + b", ::1"],
    ],
)
def test_a_second_balancer_on_the_same_machine_is_no_nat(
    written: list[bytes], tmp_path: Path
) -> None:
    """Two in a row: the second one states the first, which asked over the loopback interface."""
    play = Script()
    for n in range(4):
        ask = b"GET /%d HTTP/1.1\r\nHost: a\r\nX-Id: 7f3a9c0d51e24b8%d\r\n" % (n, n)
        added = b"".join(b"X-Forwarded-For: " + value + b"\r\n" for value in written)
        front = play.front().asks(ask + b"\r\n")
        play.back().asks(ask + added + b"\r\n").answers(OK).closes()
        front.answers(OK).leaves()
    report = play.report(tmp_path)
    (mapping,) = report.correlation.topology.mappings
    assert (mapping.client, mapping.seen_as) == ("198.51.100.10", "198.51.100.10")
    assert not any(f.slug.startswith("nat-before-balancer") for f in report.findings)
    counted = [(c.count, c.of) for c in report.correlation.changes if c.name == "X-Forwarded-For"]
    assert counted == [(4, 4)]  # requests, however many lines each
