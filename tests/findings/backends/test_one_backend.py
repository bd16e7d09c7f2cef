"""One backend that gets everything while another is captured and gets nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.correlate import correlate
from lbtrace.findings.backends import one_backend
from lbtrace.model.report import Severity
from lbtrace.model.trace import PacketCounts
from lbtrace.options import Options
from tests.findings.simulated import Judged, judge_recording, judge_simulation, values
from tests.simulator import Balancer, Simulation
from tests.simulator.scenarios.base import TWO

HOUR_NS = 3_600_000_000_000


def on_one_connection(balancer: Balancer, requests: int = 12, **settings: object) -> Simulation:
    """One client that asks again and again on one connection."""
    simulation = Simulation(seed=2, balancer=balancer, backends=TWO, separate_points=True)
    for name, value in settings.items():
        setattr(simulation, name, value)
    client = simulation.client("192.168.0.5")
    for n in range(requests):
        client.asks("GET", f"/item/{n}", connection="kept", answer=b"item %d" % n)
    return simulation


@pytest.fixture
def through() -> Judged:
    return judge_simulation(on_one_connection(Balancer(kind="dnat", wander=False)))


def test_one_connection_takes_all_its_requests_to_one_backend(through: Judged) -> None:
    said = through.one("one-backend")
    assert said.slug == "one-backend.by-connection"
    assert said.severity is Severity.MEDIUM
    assert (values(said)["count"], values(said)["of"], values(said)["places"]) == (12, 12, 2)
    assert values(said)["server"] == "172.31.11.96:8080"
    assert "They came on one connection. This balancer chooses per connection." in said.statement


def test_a_few_requests_may_fall_on_one_backend_by_chance() -> None:
    few = on_one_connection(Balancer(kind="l4-proxy"), requests=one_backend.ENOUGH - 1)
    assert judge_simulation(few).one("one-backend").severity is Severity.INFO


def test_nothing_is_told_where_the_other_backend_got_its_share() -> None:
    assert not judge_simulation(on_one_connection(Balancer(wander=False))).of("one-backend")


def test_nothing_is_told_of_a_backend_that_was_not_captured() -> None:
    one = on_one_connection(Balancer(kind="dnat", wander=False))
    one.separate_points = False
    assert not judge_simulation(one).of("one-backend")


def beside_an_empty_capture(balancer: Balancer, later_ns: int = 0, read: int = 9) -> Judged:
    """One backend, and the capture of another one in which no connection is."""
    simulation = on_one_connection(balancer)
    simulation.backends = TWO[:1]
    recorded = simulation.run()
    (first,) = recorded.backends
    empty = replace(
        first,
        point=1,
        connections=[],
        applications=[],
        exchanges=[],
        packets=PacketCounts(read, 0),
        first_ns=first.first_ns + later_ns,
        last_ns=first.last_ns + later_ns,
    )
    recorded.backends.append(empty)
    return judge_recording(recorded, correlate(recorded.clients, recorded.backends, Options()))


def test_a_proxy_that_reads_requests_does_not_choose_per_connection() -> None:
    said = beside_an_empty_capture(Balancer(add=[("X-Forwarded-For", "{client}")]))
    assert said.one("one-backend").slug == "one-backend"


def test_a_capture_without_a_packet_may_not_have_run() -> None:
    through = Balancer(kind="dnat")
    without = values(beside_an_empty_capture(through, read=0).one("one-backend"))["idle"]
    assert str(without).endswith("(without any packet: it may not have run)")
    assert (
        values(beside_an_empty_capture(through).one("one-backend"))["idle"]
        == "the backend capture backend-0.pcap"
    )


def test_a_capture_that_begins_a_minute_after_another_may_be_of_its_time() -> None:
    """So far apart may two clocks be, and no recording here lasts for a minute."""
    minute = 60_000_000_000
    assert beside_an_empty_capture(Balancer(kind="dnat"), minute + 1).of("one-backend")
    assert not beside_an_empty_capture(Balancer(kind="dnat"), 2 * minute).of("one-backend")


def test_a_capture_of_another_time_tells_nothing() -> None:
    assert not beside_an_empty_capture(Balancer(kind="dnat"), HOUR_NS).of("one-backend")


def test_a_backend_that_got_health_checks_alone_is_named() -> None:
    checked = on_one_connection(Balancer(kind="dnat", wander=False, check_ms=20), requests=40)
    said = judge_simulation(checked).one("one-backend")
    assert values(said)["idle"] == "172.31.11.95:8080"


@pytest.mark.parametrize(("places", "named"), [(1, "192.168.0.5"), (2, None)])
def test_clients_behind_one_address_look_like_one(places: int, named: str | None) -> None:
    """A balancer that chooses by the client's address has no choice then."""
    simulation = Simulation(seed=2, balancer=Balancer(), backends=TWO[:1], separate_points=True)
    for place in range(places):
        client = simulation.client(f"192.168.0.{5 + place}")
        for n in range(8):
            client.asks("GET", f"/{place}/{n}", at_ms=100 * n + place, answer=b"item %d" % n)
    recorded = simulation.run()
    (first,) = recorded.backends
    recorded.backends.append(replace(first, point=1, connections=[], applications=[], exchanges=[]))
    judged = judge_recording(recorded, correlate(recorded.clients, recorded.backends, Options()))
    said = judged.one("one-backend")
    assert values(said).get("client") == named
    assert ("ip_hash" in said.remedy) == bool(named)


def test_connections_that_are_not_read_are_counted_as_such() -> None:
    hidden = Simulation(
        seed=4, balancer=Balancer(kind="tls-pass"), backends=TWO[:1], separate_points=True
    )
    client = hidden.client("192.168.0.5")
    for n in range(9):
        client.asks("GET", f"/{n}", at_ms=100 * n)
    recorded = hidden.run()
    (first,) = recorded.backends
    recorded.backends.append(replace(first, point=1, connections=[], applications=[], exchanges=[]))
    judged = judge_recording(recorded, correlate(recorded.clients, recorded.backends, Options()))
    said = judged.one("one-backend")
    assert (values(said)["count"], values(said)["of"]) == (9, 9)
    assert "connections went to one of" in said.statement
