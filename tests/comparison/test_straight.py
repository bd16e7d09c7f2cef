"""Requests that go straight to a backend, beside those that a balancer passes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.comparison.latency import PAST_THE_BALANCER
from lbtrace.model.report import Kind, Report
from tests.findings.through import exchange, message, request
from tests.simulator.script import FRONT, Script


def straight(play: Script, target: str) -> None:
    """A client asks the backend itself: both sides see the same packets."""
    talk = play.straight().asks(request(target)).answers(message("200 OK", f"page {target}"), 5)
    play.passed(talk.leaves())
    play.wait(200)


def played(past: int, through: int, folder: Path) -> Report:
    play = Script()
    for n in range(max(past, through)):
        if n < past:
            straight(play, f"/straight/{n}")
        if n < through:
            exchange(play, f"/through/{n}")
    return play.report(folder)


@pytest.mark.parametrize("past", [1, 4, 9])
def test_the_verdict_is_about_what_went_through_the_balancer(past: int, tmp_path: Path) -> None:
    report = played(past, 4, tmp_path)
    assert report.verdict.kind is Kind.L7_PROXY
    assert report.summary.past_the_balancer == past
    assert report.latency is not None
    assert report.latency.count == 4
    assert report.latency.left_out == ((PAST_THE_BALANCER, past),)
    assert {e.address for e in report.correlation.topology.fronts} == {FRONT}


def test_without_a_balancer_nothing_goes_past_one(tmp_path: Path) -> None:
    report = played(4, 0, tmp_path)
    assert report.summary.past_the_balancer == 0
    assert report.latency is not None
    assert report.latency.count == 4
