"""What is a check of the balancer's, and what only looks like one."""

import dataclasses

import pytest

from lbtrace.correlate import correlate
from lbtrace.explain.health_checks import find
from lbtrace.match.exchange_times import Facts
from lbtrace.match.legs import part_of
from lbtrace.match.model import match
from lbtrace.model.http import Exchange
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, Correlation, HealthCheck
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Simulation
from tests.simulator.random_simulations import random_simulation
from tests.simulator.scenarios.base import XFF
from tests.simulator.score import score

AGENT = ("User-Agent", "SiteMonitor/2.0 (uptime probe)")


def monitored(balancer: Balancer) -> Correlation:
    """Clients, and a monitor on the internet that no client capture shows, at an even pace."""
    simulation = Simulation(seed=9, balancer=balancer, uncaptured_clients=1)
    client = simulation.client("198.51.100.7")
    for i in range(40):
        client.asks("GET", f"/item/{i}", at_ms=130 * i)
    monitor = simulation.client("203.0.113.50")
    for i in range(6):
        monitor.asks("GET", "/status", at_ms=1000 * i, headers=[AGENT])
    recorded = simulation.run()
    return correlate(recorded.clients, recorded.backends, DEFAULT)


def test_a_monitor_that_the_balancer_names_is_no_check() -> None:
    assert monitored(Balancer(add=[XFF], keep_alive=False)).health_checks == ()


def test_a_monitor_that_shares_connections_with_clients_is_no_check() -> None:
    assert monitored(Balancer(keep_alive=True)).health_checks == ()


def test_a_user_agent_alone_decides_nothing() -> None:
    """Two requests: no pace, nothing but the name."""
    simulation = Simulation(
        seed=9, balancer=Balancer(keep_alive=False), uncaptured_clients=1, client_loss=0.0
    )
    client = simulation.client("198.51.100.7")
    for i in range(12):
        client.asks("GET", f"/item/{i}", at_ms=130 * i)
    for i in range(2):
        simulation.client("203.0.113.50").asks("GET", "/", at_ms=700 * i, headers=[AGENT])
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    assert all(k.confidence is Confidence.LOW for k in found.health_checks)


def test_checks_are_found_beside_clients() -> None:
    balancer = Balancer(add=[XFF], check_ms=1000)
    assert [k.confidence for k in monitored(balancer).health_checks] == [Confidence.HIGH]


def test_a_field_that_a_few_clients_send_is_not_the_balancers() -> None:
    """A client polls at an even pace, with a capture that begins later; some requests of others
    have an X-Forwarded-For of their own.
    """
    recorded = random_simulation(2961).run()
    assert not score(recorded, correlate(recorded.clients, recorded.backends, DEFAULT))[1]


def probes(
    count: int, agent: str = "", named: bool = False, every_ms: int = 1000, asks: str = "GET /up"
) -> list[HealthCheck]:
    """What is said of so many checks, the first ones of all; `named`: the balancer says in each
    request of a client who asked.
    """
    balancer = Balancer(
        add=[XFF] if named else [], check_ms=every_ms, check=asks, check_agent=agent
    )
    simulation = Simulation(seed=9, balancer=balancer)
    client = simulation.client("198.51.100.7")
    for i in range(12):
        client.asks("GET", f"/item/{i}", at_ms=every_ms * i)
    recorded = simulation.run()
    (back,) = recorded.backends
    asked = {e.connection for e in back.exchanges if (e.request and e.request.target) != "/up"}
    probing = [c.id for c in back.connections if c.id not in asked]
    kept = part_of(back, asked | set(probing[:count]), Side.BACKEND)
    return list(correlate(recorded.clients, [kept], DEFAULT).health_checks)


NAMED, PROBE = "ELB-HealthChecker/2.0", "Wget/1.21"
LOW, MEDIUM, HIGH = Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH


@pytest.mark.parametrize(
    ("agent", "named", "sure"),
    [
        (NAMED, False, {1: LOW, 2: LOW, 3: HIGH, 9: HIGH}),  # its name and its pace
        (NAMED, True, {1: HIGH, 2: HIGH, 3: HIGH}),  # its name, and nobody is said to have asked
        (PROBE, True, {1: None, 2: None, 3: LOW, 4: HIGH}),
        (PROBE, False, {1: None, 2: None, 3: LOW, 4: MEDIUM, 5: HIGH, 6: HIGH}),  # only its pace
    ],
)
def test_how_sure_a_check_is_rests_on_its_pace_its_name_and_who_is_said_to_have_asked(
    agent: str, named: bool, sure: dict[int, Confidence | None]
) -> None:
    for count, expected in sure.items():
        found = probes(count, agent, named)
        assert [k.confidence for k in found] == ([expected] if expected else [])
        for check in found:
            assert len(check.exchanges) == len(check.connections) == count
            told = dict(reason.split(": ", 1) for reason in check.reasons)
            assert told.get("period") == (
                f"every 1 s, {count} times the same" if count > 2 else None
            )
            assert ("user-agent" in told) == (agent == NAMED)
            assert ("identity" in told) == named


@pytest.mark.parametrize(
    ("count", "every_ms", "found"),
    [(9, 100, False), (10, 100, True), (9, 300, True), (10, 15, False), (2, 300, False)],
)
def test_connections_without_a_byte_are_checks_when_they_are_slow_or_many(
    count: int, every_ms: int, found: bool
) -> None:
    said = probes(count, every_ms=every_ms, asks="")
    assert [len(k.connections) for k in said] == ([count] if found else [])
    for check in said:
        assert (check.method, check.exchanges) == ("", ())
        assert check.reasons == (
            f"period: every {every_ms / 1000:.3g} s, {count} times opened and closed without a "
            "request",
        )
        assert check.confidence is HIGH


@pytest.mark.parametrize(("count", "sure"), [(3, MEDIUM), (4, HIGH)])
def test_a_few_connections_without_a_byte_are_hardly_sure(count: int, sure: Confidence) -> None:
    assert [k.confidence for k in probes(count, asks="")] == [sure]


@pytest.mark.parametrize("agent", ["", "ELB-HealthChecker/2.0"])
@pytest.mark.parametrize("shown", ["all", "answers", "nothing"])
def test_a_pace_alone_is_no_check_where_the_requests_of_clients_are_not_shown(
    shown: str, agent: str
) -> None:
    """What asks again and again may be a client that the capture does not show."""
    simulation = Simulation(seed=9, balancer=Balancer(check_ms=1000, check_agent=agent))
    client = simulation.client("192.168.0.5")
    for i in range(6):
        client.asks("GET", f"/item/{i}", at_ms=1000 * i)
    recorded = simulation.run()
    kept = {"all": 6, "answers": 6, "nothing": 0}[shown]
    clients = [
        dataclasses.replace(
            t,
            exchanges=[
                e if shown == "all" else e._replace(request=None) for e in t.exchanges[:kept]
            ],
        )
        for t in recorded.clients
    ]
    assert all(any(e.request for e in t.exchanges) for t in clients) == (shown == "all")
    found = correlate(clients, recorded.backends, DEFAULT).health_checks
    assert bool(found) == (shown == "all" or bool(agent))


def test_requests_that_come_once_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """They show no pace. One that comes again and again is made as an object once."""
    simulation = Simulation(seed=9, uncaptured_clients=1)
    client, stranger = simulation.client("198.51.100.7"), simulation.client("203.0.113.50")
    for i in range(8):
        client.asks("GET", f"/item/{i}", at_ms=130 * i)
    for i in range(40):
        stranger.asks("GET", f"/other/{i}", at_ms=100 * i)
    for i in range(6):
        stranger.asks("GET", "/status", at_ms=700 * i, connection="own")
    recorded = simulation.run()
    pairs = match(recorded.clients, recorded.backends, DEFAULT).pairs
    paired = {b for bs in pairs.caused.values() for b in bs}
    made: list[int] = []
    once = Facts.exchange

    def counted(facts: Facts, number: int) -> Exchange:
        made.append(number)
        return once(facts, number)

    monkeypatch.setattr(Facts, "exchange", counted)
    find(pairs)
    assert len(set(made) - paired) <= 1
