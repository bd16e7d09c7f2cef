"""Who the backend believes is asking."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lbtrace import compare
from lbtrace.comparison import Comparison
from lbtrace.correlate import correlate
from lbtrace.findings import all_findings
from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import Confidence, ConnectionBasis
from lbtrace.model.report import Severity
from lbtrace.model.trace import Trace
from lbtrace.options import DEFAULT
from tests.findings.simulated import ALB, four, judge_simulation, values
from tests.findings.through import STATED, message, request, told
from tests.sentences.damage import cut, damaged
from tests.simulator import Balancer, Simulation
from tests.simulator.script import BACKEND, Script, Spoken

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_a_proxy_shows_its_own_address_and_states_the_client() -> None:
    said = judge_simulation(four(ALB, seen_as="1.240.235.98")).one("source-address")
    assert said.slug == "source-address.rewritten"
    assert said.severity is Severity.INFO
    assert values(said)["backend_sees"] == "172.31.42.119"
    assert values(said)["stated_in"] == "X-Forwarded-For"


def test_a_client_that_is_stated_nowhere_is_worth_a_remedy() -> None:
    said = judge_simulation(four(Balancer(kind="snat"))).one("source-address")
    assert said.slug == "source-address.rewritten"
    assert said.severity is Severity.LOW  # no request fails of it
    assert said.remedy


def test_a_destination_nat_keeps_the_source() -> None:
    said = judge_simulation(four(Balancer(kind="dnat"))).one("source-address")
    assert said.slug == "source-address.preserved"
    assert values(said)["count"] == 4


def test_a_nat_before_the_balancer_is_not_the_balancers_doing() -> None:
    spoken = judge_simulation(four(Balancer(kind="dnat"), seen_as="1.240.235.98"))
    assert spoken.one("source-address").slug == "source-address.preserved"
    assert values(spoken.one("nat-before-balancer"))["seen_as"] == "1.240.235.98"


def test_a_private_source_beside_the_backend_is_the_balancers() -> None:
    spoken = judge_simulation(four(Balancer(kind="snat")))
    assert spoken.of("nat-before-balancer") == []


def test_a_proxy_header_states_the_client() -> None:
    said = judge_simulation(four(Balancer(kind="l4-proxy", proxy=1), seen_as="1.240.235.98")).one(
        "source-address"
    )
    assert "PROXY" in str(values(said)["stated_in"])


def test_one_address_stated_for_several_clients_may_be_a_fixed_value() -> None:
    simulation = Simulation(balancer=Balancer(add=[("X-Forwarded-For", "203.0.113.77")]))
    for k in range(3):
        for i in range(4):
            simulation.client(f"192.168.0.{5 + k}").asks("GET", f"/{k}/{i}", at_ms=50 * (3 * i + k))
    found = judge_simulation(simulation).of("nat-before-balancer")
    assert len(found) == 3
    assert {f.confidence for f in found} == {Confidence.LOW}
    assert all("or the value is a fixed one" in f.statement for f in found)
    public = judge_simulation(four(Balancer(add=[("X-Forwarded-For", "1.240.235.98")]))).one(
        "nat-before-balancer"
    )
    assert (
        public.confidence is Confidence.HIGH
    )  # a private address does not reach a public one by itself
    inside = Balancer(add=[("X-Forwarded-For", "1.240.235.98")], front=Endpoint("192.168.0.1", 80))
    private = judge_simulation(four(inside)).one("nat-before-balancer")
    assert private.confidence is Confidence.LOW
    assert private.statement.endswith(
        "({stated_by}): a NAT lies between them, or the value is a fixed one."
    )


def test_what_packets_that_are_passed_on_come_from_is_not_the_balancers() -> None:
    spoken = judge_simulation(four(Balancer(kind="dnat"), seen_as="1.240.235.98"))
    assert spoken.correlation.topology.balancer_back == ()
    assert judge_simulation(
        four(Balancer(kind="snat"), seen_as="1.240.235.98")
    ).correlation.topology.balancer_back == ("172.31.42.119",)


def test_what_goes_straight_to_the_backend_tells_nothing_of_the_balancer() -> None:
    """Beside requests through a proxy the backend gets one that never met it: both captures show
    the same connection.
    """
    recorded = four(ALB).run()
    (front,), (back,) = recorded.clients, recorded.backends
    own = back.connections[0]._replace(
        client=Endpoint("192.168.0.9", 40000), first_ns=back.last_ns, last_ns=back.last_ns
    )
    asked = back.exchanges[0]
    assert asked.request is not None
    plain = asked.request._replace(
        target="/straight",
        lines=asked.request.lines[:2],
        first_ns=back.last_ns,
        last_ns=back.last_ns,
    )

    def beside(trace: Trace) -> Trace:
        line, number = len(trace.connections), len(trace.exchanges)
        same = own._replace(
            id=line,
            from_client=own.from_client._replace(isn=77),
            from_server=own.from_server._replace(isn=88),
            first_frame=900,
        )
        return replace(
            trace,
            connections=[*trace.connections, same],
            applications=[*trace.applications, trace.applications[0]],
            exchanges=[*trace.exchanges, asked._replace(id=number, connection=line, request=plain)],
        )

    fronts, backs = [beside(front)], [beside(back)]
    correlation = correlate(fronts, backs, DEFAULT)
    assert any(p.basis is ConnectionBasis.SAME_PACKETS for p in correlation.connection_pairs)
    found = [
        f
        for f in all_findings(Comparison(fronts, backs, correlation))
        if f.slug.startswith("source-address")
    ]
    assert [f.slug for f in found] == ["source-address.rewritten"]
    assert values(found[0])["of"] == 4


def test_another_captured_client_is_no_nat() -> None:
    simulation = Simulation(balancer=Balancer(add=[("X-Forwarded-For", "192.168.0.6")]))
    for k in range(2):
        for i in range(4):
            simulation.client(f"192.168.0.{5 + k}").asks("GET", f"/{k}/{i}", at_ms=50 * (3 * i + k))
    assert judge_simulation(simulation).of("nat-before-balancer") == []


def test_on_one_machine_the_same_address_is_no_preserved_one() -> None:
    """Client, balancer and backend are 127.0.0.1: the balancer's connections have the client's
    address because all have.
    """
    here = Balancer(front=Endpoint("127.0.0.1", 80), backs=("127.0.0.1",))
    simulation = Simulation(balancer=here, backends=(Endpoint("127.0.0.1", 8080),))
    for i in range(4):
        simulation.client("127.0.0.1").asks("GET", f"/{i}", at_ms=50 * i)
    assert judge_simulation(simulation).of("source-address") == []


def test_of_many_sources_of_a_balancer_five_are_named(tmp_path: Path) -> None:
    """It opens each connection from another of its addresses."""
    play = Script()
    for n in range(6):
        ask, answer = request(f"/{n}"), message("200 OK", f"page {n}")
        front = play.front().asks(ask)
        ends = (f"10.0.9.{n + 1}", 50000 + n), (BACKEND, 8080)
        back = Spoken(play, play.backend, ends, [1000 * n, 5000 * n])
        back.opens().asks(ask[:-2] + STATED.encode() + b"\r\n\r\n").answers(answer).closes()
        front.answers(answer).leaves()
    (finding,) = told(play, tmp_path, "source-address")
    said = values(finding)
    assert said["addresses"] == 6
    assert said["backend_sees"] == "10.0.9.1, 10.0.9.2, 10.0.9.3, 10.0.9.4, 10.0.9.5"


def test_what_a_cut_head_states_is_not_known(tmp_path: Path) -> None:
    """The exchanges are paired by their targets, and no pair of connections is known."""
    (tmp_path / "whole").mkdir()
    play = Script()
    back = play.back()
    for n in range(4):
        target = b"GET /a-target-of-its-own-%d HTTP/1.1\r\nHost: a\r\n" % n
        front = play.front().asks(target + b"\r\n")
        back.asks(target + b"X-Forwarded-For: 198.51.100.10\r\n\r\n").answers(OK)
        front.answers(OK).leaves()
    play.write(tmp_path / "whole")
    for name in ("client", "backend"):
        damaged(tmp_path / "whole" / f"{name}.pcap", tmp_path / f"{name}.pcap", cut(90), name, 0)
    report = compare(str(tmp_path / "client.pcap"), str(tmp_path / "backend.pcap"))
    said = [f.text for f in report.findings if f.slug == "source-address.rewritten"]
    assert len(said) == 1
    assert said[0].endswith("stated nowhere that can be read.")


def test_who_speaks_for_others_in_a_proxy_header_is_behind_no_nat(tmp_path: Path) -> None:
    """The client's PROXY header names another host, and the balancer states that one."""
    play = Script()
    for n in range(3):
        ask, answer = request(f"/{n}"), message("200 OK", f"page {n}")
        front = play.front().asks(b"PROXY TCP4 203.0.113.5 198.51.100.80 4000 80\r\n" + ask)
        back = play.back().asks(request(f"/{n}", "X-Forwarded-For: 203.0.113.5"))
        back.answers(answer).closes()
        front.answers(answer).leaves()
    report = play.report(tmp_path)
    assert {m.seen_as for m in report.correlation.topology.mappings} == {"203.0.113.5"}
    assert [f for f in report.findings if f.slug == "nat-before-balancer"] == []
