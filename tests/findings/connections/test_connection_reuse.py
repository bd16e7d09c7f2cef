"""SYN : request, who shares what, and what is not the balancer's doing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.comparison import Comparison
from lbtrace.correlate import correlate
from lbtrace.model.pairing import Correlation, Ref
from lbtrace.model.trace import SET_FORWARD, Diagnostic
from lbtrace.options import Options
from lbtrace.tables.exchanges import by_connection
from tests.findings.simulated import (
    ALB,
    FOUR,
    four,
    judge_alone,
    judge_recording,
    judge_simulation,
    values,
)
from tests.simulator import Balancer, Simulation


def test_four_syns_in_front_and_one_behind() -> None:
    spoken = judge_simulation(four(ALB))
    front, back = (values(spoken.one(f"connection-reuse.{side}")) for side in ("client", "backend"))
    assert (front["syns"], front["requests"]) == (4, 4)
    assert (back["syns"], back["requests"], back["most"]) == (1, 4, 4)
    assert values(spoken.one("connection-reuse.shared"))["most"] == 4


def test_health_checks_are_left_out_of_the_ratio() -> None:
    simulation = four(ALB)
    recorded = simulation.run()
    correlation = correlate(recorded.clients, recorded.backends, Options())
    counts = Comparison((), recorded.backends, correlation).backend_counts
    assert counts.requests == len(FOUR)
    assert counts.check_requests == len(recorded.checks)
    assert counts.check_requests > 0
    assert counts.syns + counts.check_connections + counts.already_open == len(
        recorded.backends[0].connections
    )


def test_a_side_without_a_syn_has_no_ratio() -> None:
    simulation = Simulation(seed=1, balancer=Balancer())
    client = simulation.client("192.168.0.5")
    for n in range(5):
        client.asks("GET", f"/{n}", at_ms=100 * n, answer=b"%d" % n)
    simulation.backend_window = (90, 10_000)
    said = judge_simulation(simulation).one("connection-reuse.backend")
    assert values(said)["syns"] == 0
    assert "{syns}" not in said.statement
    assert "no ratio" in said.statement


def test_one_connection_each_is_not_called_shared() -> None:
    spoken = judge_simulation(four(Balancer(keep_alive=False)))
    assert spoken.of("connection-reuse.shared") == []
    assert values(spoken.one("connection-reuse.backend"))["syns"] == 4


def test_interchangeable_requests_share_nothing_for_certain() -> None:
    simulation = Simulation(seed=5, balancer=Balancer())
    for n in range(6):
        client = simulation.client(f"10.0.0.{n + 1}")
        for k in range(3):
            client.asks("GET", "/same", at_ms=k, connection="kept")
    spoken = judge_simulation(simulation)
    grouped = {p.group for p in spoken.correlation.pairs if p.group is not None}
    alone = [p for p in spoken.correlation.pairs if p.group is None]
    assert grouped
    if not alone:
        assert spoken.of("connection-reuse.shared") == []


def test_health_checks_are_no_use_after_a_silence() -> None:
    """A balancer that checks over the connections that carry requests."""
    spoken = judge_simulation(four(ALB))
    once = [u.ref.id for u in spoken.correlation.unpaired if u.side == "backend"]
    (back,) = spoken.recorded.backends
    busy = int(by_connection(back).sizes.argmax())
    moved = [e._replace(connection=busy) if e.id in once else e for e in back.exchanges]
    spoken.recorded.backends[0] = replace(back, exchanges=moved)
    said = values(judge_recording(spoken.recorded, spoken.correlation).one("connection-reuse.idle"))
    assert said["count"] == 4


def test_what_another_client_does_straight_at_the_backend_is_not_the_balancers() -> None:
    """The last two backend connections come from elsewhere and are paired with nothing."""
    recorded = four(Balancer(keep_alive=False)).run()
    correlation = correlate(recorded.clients, recorded.backends, Options())
    back = recorded.backends[0]
    elsewhere = [
        c._replace(client=c.client._replace(address="10.9.9.9")) if n > 1 else c
        for n, c in enumerate(back.connections)
    ]
    theirs = {Ref(0, e.id) for e in back.exchanges if e.connection > 1}
    kept = tuple(p for p in correlation.pairs if not {a.backend for a in p.attempts} & theirs)
    lines = tuple(p for p in correlation.connection_pairs if p.backend.id <= 1)
    fewer = replace(correlation, pairs=kept, connection_pairs=lines)
    spoken = judge_recording(
        replace(recorded, backends=[replace(back, connections=elsewhere)]), fewer
    )
    closed = values(spoken.one("connection-reuse.closed-backend"))
    assert int(closed["by_first"]) + int(closed["by_second"]) == 2


def test_checks_from_where_no_paired_request_comes_from_may_be_a_monitor() -> None:
    recorded = four(ALB).run()
    correlation = correlate(recorded.clients, recorded.backends, Options())
    assert "monitor" not in judge_recording(recorded, correlation).one("health-checks").statement
    monitored = replace(
        correlation,
        health_checks=tuple(replace(k, source="10.9.9.9") for k in correlation.health_checks),
    )
    assert "may be a monitor" in judge_recording(recorded, monitored).one("health-checks").statement


def test_a_connection_that_two_captures_show_is_counted_once() -> None:
    """A switch sent the first packets everywhere, or two captures were taken on one way."""
    recorded = four(ALB).run()
    correlation = correlate(recorded.clients, recorded.backends, Options())
    (back,) = recorded.backends
    alone = Comparison((), [back], correlation).backend_counts
    stray = back.connections[0]._replace(
        from_client=back.connections[0].from_client._replace(packets=1)
    )
    flooded = replace(
        back,
        point=1,
        connections=[stray],
        applications=back.applications[:1],
        exchanges=[],
    )
    for other in (replace(back, point=1), flooded):
        both = Comparison((), [other, replace(back, point=1)], Correlation()).backend_counts
        assert (both.syns + both.check_connections, both.requests + both.check_requests) == (
            alone.syns + alone.check_connections,
            alone.requests + alone.check_requests,
        )


def test_who_closed_first_is_not_known_where_bytes_are_missing() -> None:
    """The other end's FIN may be among what was not captured."""
    recorded = four(Balancer(keep_alive=False)).run()
    (back,) = recorded.backends
    correlation = correlate(recorded.clients, recorded.backends, Options())
    holed = [c._replace(from_server=c.from_server._replace(missing=5)) for c in back.connections]
    whole = judge_recording(recorded, correlation)
    lossy = judge_recording(
        replace(recorded, backends=[replace(back, connections=holed)]), correlation
    )
    assert whole.of("connection-reuse.closed-backend")
    assert not lossy.of("connection-reuse.closed-backend")


def test_a_fin_that_acknowledges_the_fin_it_overtook_was_not_the_first() -> None:
    recorded = four(Balancer(keep_alive=False)).run()
    (back,) = recorded.backends
    correlation = correlate(recorded.clients, recorded.backends, Options())
    found = []
    for by_client in (False, True):
        second = [
            c._replace(
                from_client=c.from_client._replace(answers_fin=not by_client),
                from_server=c.from_server._replace(
                    fin_frame=c.last_frame, fin_ns=c.last_ns, answers_fin=by_client
                ),
            )
            for c in back.connections
        ]
        judged = replace(recorded, backends=[replace(back, connections=second)])
        told = values(judge_recording(judged, correlation).one("connection-reuse.closed-backend"))
        found.append((told["by_first"], told["by_second"]))
    assert found == [(0, 4), (4, 0)]


@pytest.mark.parametrize("steady", [True, False])
def test_a_clock_that_was_set_tells_no_silence(steady: bool) -> None:
    trace = four(Balancer()).run().backends[0]
    assert len(trace.exchanges) > len(trace.connections)
    said = () if steady else (Diagnostic(SET_FORWARD, "", 1, 1),)
    found = judge_alone(replace(trace, diagnostics=said)).of("connection-reuse.idle")
    assert bool(found) is steady
