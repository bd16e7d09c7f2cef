"""Connections that the balancer ends under a request that it passes on to nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Severity
from tests.findings.simulated import values
from tests.findings.through import STATED, exchange, message, request, told
from tests.simulator.script import Script

MS = 1_000_000


def played(count: int = 2, reset: bool = True) -> Script:
    """Requests that work, then some whose connection the balancer ends after a while."""
    play = Script()
    for n in range(4):
        exchange(play, f"/fine/{n}")
    for n in range(count):
        front = play.front().asks(request(f"/lost/{n}"))
        play.wait(3)
        front.closes(reset=reset)
        play.wait(100)
    exchange(play, "/last")
    return play


@pytest.mark.parametrize("reset", [False, True])
def test_a_limit_of_the_balancer_ends_connections(reset: bool, tmp_path: Path) -> None:
    (said,) = told(played(reset=reset), tmp_path, "not-passed-on")
    assert said.severity is Severity.MEDIUM
    assert (values(said)["count"], values(said)["of"]) == (2, 7)
    assert 3 * MS <= int(values(said)["longest"]) < 4 * MS
    assert "limit_conn" in said.remedy
    assert {f.side.value for e in said.evidence for f in e.frames} == {"client"}


def test_it_leads_the_problem_of_what_has_no_response(tmp_path: Path) -> None:
    report = played().report(tmp_path)
    (problem,) = (p for p in report.problems if "not-passed-on" in p.slugs)
    assert problem.cause.slug == "not-passed-on"
    assert "errors.unanswered" in problem.slugs


def test_one_is_less(tmp_path: Path) -> None:
    (said,) = told(played(count=1), tmp_path, "not-passed-on")
    assert said.severity is Severity.LOW


@pytest.mark.parametrize("what", ["passed on", "tried", "client left", "answered", "crossed"])
def test_what_the_balancer_did_not_end_like_that(what: str, tmp_path: Path) -> None:
    play = Script()
    for n in range(4):
        exchange(play, f"/fine/{n}")
    front = play.front()
    if what == "crossed":
        front.server_closes_first()
    front.asks(request("/lost"))
    play.wait(3)
    if what == "passed on":
        play.back().asks(request("/lost", STATED)).closes(reset=True)
    elif what == "tried":
        play.attempt(behind=True).closes(reset=True)
    elif what == "answered":
        front.answers(message("429 Too Many Requests"))
    if what == "client left":
        front.leaves(reset=True)
    elif what != "crossed":
        front.closes(reset=True)
    play.wait(100)
    exchange(play, "/last")
    assert not told(play, tmp_path, "not-passed-on")


def test_a_server_that_ends_everything_expects_something_else(tmp_path: Path) -> None:
    play = Script()
    for n in range(3):
        play.front().asks(request(f"/{n}")).closes(reset=True)
        play.back().asks(request("/check")).answers(message("200 OK", "fine")).leaves()
        play.wait(100)
    assert not told(play, tmp_path, "not-passed-on")
    assert told(play, tmp_path, "protocol-mismatch.unanswered-client")
