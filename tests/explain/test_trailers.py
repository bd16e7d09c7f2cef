"""Trailers: what a balancer drops or adds behind the body, and what it leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.correlate import correlate
from lbtrace.model.http import HeaderLine
from lbtrace.model.pairing import ChangeKind, HeaderChange, Pattern
from lbtrace.options import DEFAULT
from tests.simulator import Recording
from tests.simulator.scenarios import SCENARIOS


def changed(recorded: Recording) -> tuple[HeaderChange, ...]:
    return correlate(recorded.clients, recorded.backends, DEFAULT).trailer_changes


def test_trailers_that_are_passed_on_are_no_change() -> None:
    assert changed(SCENARIOS["trailers-passed-on"]().run()) == ()


def test_trailers_that_are_dropped_are_told_field_by_field() -> None:
    told = changed(SCENARIOS["trailers-dropped"]().run())
    assert [(c.request, c.kind, c.name, c.count, c.of) for c in told] == [
        (False, ChangeKind.REMOVED, "grpc-status", 24, 24),
        (False, ChangeKind.REMOVED, "x-digest", 24, 24),
    ]
    assert told[0].before == "grpc-status: 0"
    assert told[0].after == ""
    assert told[0].behaviour is Pattern.REMOVED


def test_a_trailer_that_is_always_the_same_states_no_client() -> None:
    recorded = SCENARIOS["trailers-dropped"]().run()
    line = HeaderLine("x-lb", "1", "x-lb: 1")
    front = recorded.clients[0]
    recorded.clients[0] = replace(
        front,
        exchanges=[
            e._replace(response=e.response and e.response._replace(trailers=(line,)))
            for e in front.exchanges
        ],
    )
    told = {c.name: (c.kind, c.behaviour) for c in changed(recorded)}
    assert told["x-lb"] == (ChangeKind.ADDED, Pattern.CONSTANT)


def test_a_trailer_behind_a_body_that_was_not_captured_whole_is_unknown() -> None:
    recorded = SCENARIOS["trailers-dropped"]().run()
    front = recorded.clients[0]
    cut = []
    for e in front.exchanges:
        assert e.response is not None
        body = e.response.body._replace(complete=False, digest=None)
        cut.append(e._replace(response=e.response._replace(body=body)))
    recorded.clients[0] = replace(front, exchanges=cut)
    assert changed(recorded) == ()


def test_without_trailers_nothing_is_compared() -> None:
    assert changed(SCENARIOS["founding-alb"]().run()) == ()


def test_trailers_are_looked_for_in_every_capture_of_a_side() -> None:
    """The backends' last capture has none."""
    recorded = SCENARIOS["trailers-dropped"]().run()
    told = changed(recorded)
    back = recorded.backends[0]
    recorded.backends.append(replace(back, point=1, connections=[], applications=[], exchanges=[]))
    assert changed(recorded) == told
    assert len(told) == 2


@pytest.mark.parametrize(("version", "told"), [("HTTP/2", 0), ("HTTP/1.1", 1)])
def test_the_lower_case_of_http2_is_no_change(version: str, told: int) -> None:
    """Behind the balancer the trailer is X-Digest; in front of it HTTP/2 has no other case."""
    recorded = SCENARIOS["trailers-passed-on"]().run()
    front, back = recorded.clients[0], recorded.backends[0]
    sides = []
    for trace, name, spoken in ((front, "x-digest", version), (back, "X-Digest", "HTTP/1.1")):
        line = HeaderLine(name, "1", f"{name}: 1")
        answers = [
            e._replace(
                response=e.response and e.response._replace(trailers=(line,), version=spoken)
            )
            for e in trace.exchanges
        ]
        sides.append(replace(trace, exchanges=answers))
    recorded.clients[0], recorded.backends[0] = sides
    assert len(changed(recorded)) == told
