"""Who is who: counted over pairs, the most frequent first."""

from __future__ import annotations

import pytest

from lbtrace.correlate import correlate
from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import Topology
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Simulation
from tests.simulator.roles import FRONT
from tests.simulator.scenarios.base import TWO

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
