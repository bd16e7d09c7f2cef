"""Clients that get another answer than the backend gave, to requests that are all alike."""

from __future__ import annotations

from pathlib import Path

from lbtrace.model.pairing import AttemptOutcome, Confidence, Tier
from lbtrace.model.report import Kind, Report
from tests.findings.through import message, request
from tests.simulator.script import Script

PAUSES = (31, 907, 233, 1511, 419)  # ms: nobody asks at an even pace


def intercepted(
    folder: Path, behind_ms: float = 0.0, given: str = "404 Not Found", count: int = 5
) -> Report:
    """A balancer with a page of its own for errors. `behind_ms`: what the backend's clock lacks."""
    play = Script()
    for pause in PAUSES[:count]:
        play.wait(pause)
        front = play.front().asks(request("/shop/page"))
        play.time_ns -= int(behind_ms * 1e6)
        play.back().asks(request("/shop/page", host="u"), 1).answers(message(given, "gone"), 2)
        play.time_ns += int(behind_ms * 1e6)
        front.answers(message("200 OK", "sorry"), 1).leaves()
    return play.report(folder)


def test_an_answer_is_replaced_where_the_clocks_agree(tmp_path: Path) -> None:
    report = intercepted(tmp_path)
    found = report.correlation.pairs
    assert [(p.client.id, p.attempts[0].backend.id) for p in found] == [(n, n) for n in range(5)]
    assert {p.tier for p in found} == {Tier.TIME}
    assert {p.confidence for p in found} == {Confidence.MEDIUM}
    assert report.verdict.kind is Kind.L7_PROXY


def test_an_error_that_got_another_page_is_the_backends(tmp_path: Path) -> None:
    play = Script()
    for pause in PAUSES:
        play.wait(pause)
        front = play.front().asks(request("/shop/page"))
        asked = play.back().asks(request("/shop/page", host="u"), 1)
        asked.answers(message("404 Not Found", "gone"), 2)
        front.answers(message("404 Not Found", "the balancer's page", "Server: lb"), 1).leaves()
    report = play.report(tmp_path)
    outcomes = {a.outcome for p in report.correlation.pairs for a in p.attempts}
    assert outcomes == {AttemptOutcome.SUPERSEDED}
    told = {f.slug: f for f in report.findings}
    assert "errors.backend" in told
    assert "errors.balancer" not in told
    assert "no server" not in told["answered-by-balancer.error"].remedy


def test_with_clocks_that_do_not_agree_nothing_is_replaced(tmp_path: Path) -> None:
    assert not list(intercepted(tmp_path, behind_ms=400).correlation.pairs)


def test_two_of_them_may_be_anybodys(tmp_path: Path) -> None:
    report = intercepted(tmp_path, count=2)
    assert not list(report.correlation.pairs)
    assert report.verdict.kind is Kind.INCONCLUSIVE


def test_of_several_that_wait_none_is_taken(tmp_path: Path) -> None:
    play = Script()
    for pause in PAUSES:
        play.wait(pause)
        fronts = [play.front().asks(request("/shop/page")) for _ in range(2)]
        play.back().asks(request("/shop/page", host="u"), 1).answers(message("404 No", "gone"), 2)
        for front in fronts:
            front.answers(message("200 OK", "sorry"), 1).leaves()
    assert not [p for p in play.report(tmp_path).correlation.pairs if p.group is None]
