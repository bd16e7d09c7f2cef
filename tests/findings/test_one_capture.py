"""One capture alone: what it shows is told, and nothing is told of the side that is not there."""

from __future__ import annotations

import re
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import pytest

from lbtrace.comparison import Comparison
from lbtrace.findings import all_findings, registry
from lbtrace.model.pairing import Correlation
from lbtrace.model.report import Finding
from lbtrace.pipeline import show
from lbtrace.tables.exchanges import Exchanges
from tests.findings.connections.test_connection_failures import attempt
from tests.findings.simulated import ALB, four, judge_alone, judge_simulation, values
from tests.findings.test_registry import PLAYS
from tests.simulator import Balancer, Simulation
from tests.simulator.scenarios.base import TWO

SAMPLES = sorted((Path(__file__).parents[2] / "samples").glob("*/*.pcap*"))
# one capture does not tell which side it was taken on, nor what a balancer or a backend did
NAMES_A_SIDE = re.compile(
    r"\bbackend|\bclient (side|capture)|the (load )?balancer\b(?! at the same time)|behind it"
)


def complaints(findings: tuple[Finding, ...]) -> list[str]:
    """What is said of one capture that one capture does not show."""
    return [
        f"{f.slug}: {f.statement}"
        for f in findings
        if NAMES_A_SIDE.search(f.statement)
        or re.search(r"-(client|backend)$|\.(client|backend)$", f.slug)
    ]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_of_one_capture_no_side_is_named(path: Path) -> None:
    assert complaints(show([[str(path)]]).findings) == []


@pytest.mark.parametrize("play", PLAYS)
def test_of_one_side_of_a_play_no_side_is_named(play: str) -> None:
    recorded = PLAYS[play]().run()
    for trace in (*recorded.clients, *recorded.backends):
        assert complaints(judge_alone(trace).findings) == []


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_what_is_told_does_not_depend_on_which_exchanges_are_rows(path: Path) -> None:
    trace = show([[str(path)]]).trace
    held = trace.exchanges
    assert isinstance(held, Exchanges)
    rows = held.table.id % 2 == 1
    others = [held[id_] for id_ in held.table.id[~rows].tolist()]
    objects = sorted((*held.objects, *others), key=attrgetter("id"))
    table = held.table.where(rows)
    heads, asked, answered = table.heads.only(table.request, table.response)
    table = table.with_columns(heads=heads, request=asked, response=answered)
    mixed = replace(trace, exchanges=Exchanges(table, objects))
    assert judge_alone(mixed).findings == judge_alone(trace).findings


def test_only_what_can_speak_of_one_capture_is_asked() -> None:
    speak = {f.slug for f in registry() if f.one_capture}
    recorded = four(ALB).run()
    alone = Comparison(recorded.clients, (), Correlation())
    assert {f.slug.partition(".")[0] for f in all_findings(alone)} <= speak
    assert speak < {f.slug for f in registry()}


def test_errors_are_counted_and_their_maker_is_left_open() -> None:
    judged = judge_simulation(four(Balancer(refuse=1.0)))
    (front,) = judged.recorded.clients
    seen = judge_alone(front).one("errors")
    assert (seen.slug, values(seen)["count"], values(seen)["of"]) == ("errors.seen", 4, 4)
    assert "does not show who made them" in seen.statement


def test_a_refused_connection_is_told_without_a_side() -> None:
    trace = four(Balancer()).run().backends[0]
    refused = replace(trace, connections=[attempt(given_back=1, resets=1)], exchanges=[])
    told = judge_alone(refused).one("connection-failures")
    assert told.slug == "connection-failures.refused"
    assert "side" not in values(told)


def test_segments_sent_again_are_told_without_a_side() -> None:
    trace = four(Balancer()).run().clients[0]
    first = trace.connections[0]
    lossy = first.from_client._replace(
        repeats=3, repeat_frame=first.first_frame, repeat_ns=first.first_ns
    )
    connections = [first._replace(from_client=lossy), *trace.connections[1:]]
    told = judge_alone(replace(trace, connections=connections)).one("tcp-facts")
    assert told.slug == "tcp-facts.loss"
    assert told.statement.startswith("{again} of {packets} segments were sent again")


def test_the_capture_behind_says_that_its_requests_came_through_a_proxy() -> None:
    recorded = four(ALB).run()
    behind = judge_alone(recorded.backends[0]).one("capture-point")
    assert behind.slug == "capture-point.behind-a-proxy"
    assert values(behind)["count"] == 4
    assert judge_alone(recorded.clients[0]).of("capture-point") == []


def test_errors_that_another_program_signs_are_told_so() -> None:
    simulation = four(Balancer(refuse=0.5))
    seen = judge_alone(simulation.run().clients[0]).one("errors")
    assert values(seen)["signed"] == "awselb/2.0"
    assert "another program" in seen.statement
    every = judge_alone(four(Balancer(refuse=1.0)).run().clients[0]).one("errors")
    assert "signed" not in values(every)


def test_a_health_checker_that_says_so_is_told_and_its_failing_checks() -> None:
    trace = four(ALB).run().backends[0]
    (seen,) = judge_alone(trace).of("health-checks")
    assert (seen.slug, values(seen)["path"]) == ("health-checks.seen", "/health")
    assert values(seen)["count"] == sum(
        e.request is not None and e.request.target == "/health" for e in trace.exchanges
    )
    failing = [
        e._replace(response=e.response and e.response._replace(status=500)) for e in trace.exchanges
    ]
    told = judge_alone(replace(trace, exchanges=failing)).of("health-checks")
    assert [f.slug for f in told] == ["health-checks.failing", "health-checks.seen"]


def test_who_closes_and_how_connections_are_used_again_names_no_side() -> None:
    reuse = judge_alone(four(Balancer()).run().backends[0]).of("connection-reuse")
    assert {f.slug for f in reuse} <= {
        "connection-reuse.counted",
        "connection-reuse.closed",
        "connection-reuse.idle",
    }
    assert len(reuse) >= 2


def test_a_redirect_to_a_private_address_nobody_asked_for_is_told() -> None:
    simulation = Simulation(seed=5, balancer=Balancer())
    client = simulation.client("192.168.0.5")
    for n, location in enumerate(("http://10.0.9.11:8080/login", "/login", "http://a.example/")):
        client.asks(
            "GET", f"/{n}", at_ms=n, status="302 Found", answer_headers=[("Location", location)]
        )
    told = judge_alone(simulation.run().clients[0]).one("redirects")
    assert told.slug == "redirects.private-address"
    assert (values(told)["count"], values(told)["of"]) == (1, 3)


def test_forwarding_fields_that_a_client_can_write_do_not_tell_where_it_was_taken() -> None:
    trace = four(Balancer(add=[("X-Forwarded-For", "{client}")])).run().backends[0]
    fields = judge_alone(trace).one("capture-point")
    assert fields.slug == "capture-point.forwarding-fields"
    assert values(fields)["fields"] == "X-Forwarded-For"


def test_a_session_that_reaches_another_server_is_told_of_one_capture() -> None:
    simulation = Simulation(seed=2, balancer=Balancer(wander=False), backends=TWO)
    client = simulation.client("192.168.0.5")
    cookie = "JSESSIONID=8f14e45fceea167a5a36dedd4bea2543"
    client.asks("POST", "/login", body=b"me", answer_headers=[("Set-Cookie", cookie)])
    for n in range(4):
        client.asks("GET", f"/account/{n}", at_ms=100 * (n + 1), headers=[("Cookie", cookie)])
    recorded = simulation.run()
    told = judge_alone(recorded.backends[0]).one("sessions")
    assert (told.slug, told.severity) == ("sessions.another-server", "low")
    assert (values(told)["count"], values(told)["of"]) == (2, 4)
    assert judge_alone(recorded.clients[0]).of("sessions") == []


def test_what_responses_came_through_is_shown_by_responses() -> None:
    """And what requests came through by requests."""
    via = [("Via", "1.1 b")]
    recorded = four(Balancer(respond=via, add=via)).run()
    for trace, slug in (
        (recorded.clients[0], "capture-point.in-front-of-a-proxy"),
        (recorded.backends[0], "capture-point.behind-a-proxy"),
    ):
        told = judge_alone(trace).one("capture-point")
        answers = slug.endswith("in-front-of-a-proxy")
        heads = [
            message.head_frame
            for e in trace.exchanges
            if (message := e.response if answers else e.request) is not None
        ]
        assert told.slug == slug
        assert [f.number for e in told.evidence for f in e.frames] == heads
        assert (values(told)["count"], values(told)["of"]) == (4, 4)
        assert values(told)["fields"] == "Via"
