"""Requests that met a server which had given the idle connection up, or may have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding
from lbtrace.pipeline import show
from tests.findings.protocols.test_protocol_mismatch import told
from tests.findings.simulated import values
from tests.simulator.script import Script, Spoken

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def ask(n: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\nHost: a.example\r\nX-Request-Id: 8f3c1e0%d\r\n\r\n" % (n, n)


def played(end: Callable[[Spoken, bytes], object], idle_ms: float = 3000) -> Script:
    """A request that worked, a silence, and a request that the backend does not answer: `end` says
    how its connection ends. The balancer then closes the client's.
    """
    play = Script()
    front = play.front().asks(ask(1))
    back = play.back().asks(ask(1)).answers(OK)
    front.answers(OK)
    play.wait(idle_ms)
    front.asks(ask(2))
    end(back, ask(2))
    front.closes()
    return play


def found(play: Script, folder: Path) -> list[Finding]:
    return told(play.report(folder), "keep-alive-race")


def test_a_request_after_the_fin_met_a_server_that_had_begun_to_close(tmp_path: Path) -> None:
    def end(back: Spoken, request: bytes) -> None:
        back.server_closes_first().asks(request).closes(reset=True)

    (said,) = found(played(end), tmp_path)
    assert said.slug == "keep-alive-race.backend"
    assert "had begun to close" in said.statement
    assert "The {sender} keeps idle connections longer than the {server} does." in said.statement
    assert said.confidence is Confidence.HIGH


@pytest.mark.parametrize("reset", [False, True])
def test_a_server_that_ends_at_once_may_have_given_the_connection_up(
    reset: bool, tmp_path: Path
) -> None:
    """Its FIN came after the request: that it had begun to close before is not shown."""
    (said,) = found(played(lambda back, q: back.asks(q).closes(reset=reset)), tmp_path)
    assert said.slug == "keep-alive-race.at-once-backend"
    assert "had begun to close" not in said.statement
    assert "keeps idle connections longer" not in said.statement
    assert said.confidence is Confidence.MEDIUM
    shown = {(f.side.value, f.number) for e in said.evidence for f in e.frames}
    assert {side for side, _ in shown} == {"client", "backend"}  # the request on both sides


def test_a_balancer_that_passed_the_request_on_had_not_given_up_its_client(tmp_path: Path) -> None:
    """Only the backend's side is told: the balancer closed because its backend did."""
    said = found(played(lambda back, q: back.asks(q).closes(reset=True)), tmp_path)
    assert [f.slug for f in said] == ["keep-alive-race.at-once-backend"]


def test_a_balancer_that_closes_at_once_and_passes_nothing_on(tmp_path: Path) -> None:
    said = found(played(lambda back, q: back.leaves()), tmp_path)
    assert [f.slug for f in said] == ["keep-alive-race.at-once-client"]


def test_after_a_short_silence_something_else_ended_it(tmp_path: Path) -> None:
    play = played(lambda back, q: back.asks(q).closes(reset=True), idle_ms=500)
    assert not found(play, tmp_path)


@pytest.mark.parametrize(("answered_after_ms", "by_limit"), [(3200, True), (3600, False)])
def test_a_request_that_was_answered_after_a_clearly_longer_silence_rules_a_time_limit_out(
    answered_after_ms: float, by_limit: bool, tmp_path: Path
) -> None:
    """The backend closes after three seconds; elsewhere a silence was a tenth longer, or more."""
    play = played(lambda back, q: back.server_closes_first().asks(q).closes(reset=True))
    front = play.front().asks(ask(3))
    back = play.back().asks(ask(3)).answers(OK)
    front.answers(OK)
    play.wait(answered_after_ms)
    front.asks(ask(4))
    back.asks(ask(4)).answers(OK)
    front.answers(OK).leaves()
    (said,) = (f for f in found(play, tmp_path) if f.slug == "keep-alive-race.backend")
    assert ("keeps idle connections longer" in said.statement) is by_limit
    assert ("no idle time limit" in said.statement) is not by_limit


def test_one_capture_tells_it_without_a_side(tmp_path: Path) -> None:
    played(lambda back, q: back.asks(q).closes(reset=True)).write(tmp_path)
    slugs = {f.slug: values(f) for f in show([[str(tmp_path / "backend.pcap")]]).findings}
    assert slugs["keep-alive-race.at-once"]["count"] == 1


def test_the_errors_that_come_of_races_belong_to_their_problem(tmp_path: Path) -> None:
    """More races than are shown: they and the 502s stand on the same connections behind."""
    play = Script()
    for k in range(4):
        first, second = (b"GET /%d/%d HTTP/1.1\r\nHost: a\r\n\r\n" % (k, n) for n in range(2))
        front = play.front().asks(first)
        back = play.back().asks(first).answers(OK)
        front.answers(OK).leaves()
        play.wait(5000)
        back.server_closes_first()
        front = play.front().asks(second)
        back.asks(second).closes(reset=True)
        front.answers(b"HTTP/1.1 502 Proxy Error\r\nContent-Length: 0\r\n\r\n").leaves()
    report = play.report(tmp_path)
    slugs = report.problems[0].slugs
    assert slugs[0] == "keep-alive-race.backend"
    (race,) = (f for f in report.findings if f.slug == slugs[0])
    assert values(race)["count"] == 4
    assert "answered-by-balancer.error" in slugs
    assert not any("answered-by-balancer.error" in p.slugs for p in report.problems[1:])


def test_a_connection_with_a_request_that_waits_is_not_idle(tmp_path: Path) -> None:
    """The balancer gave the client's connection up because it had no answer for the first."""
    play = Script()
    front = play.front().asks(ask(1))
    play.back().asks(ask(1)).closes()
    front.server_closes_first()
    play.wait(1500)
    front.asks(ask(2)).closes(reset=True)
    assert not found(play, tmp_path)


@pytest.mark.parametrize(("lost", "told_of"), [("", True), ("answer", False), ("FIN", False)])
def test_an_answer_or_a_fin_that_is_not_in_the_capture_is_no_lost_race(
    lost: str, told_of: bool, tmp_path: Path
) -> None:
    """What the capture lost came between the request and the FIN of the server."""
    play = Script()
    back = play.back().asks(ask(1)).answers(OK)
    play.wait(3000)
    back.asks(ask(2))
    before = len(back.packets)
    if not lost:
        back.closes()
    elif lost == "FIN":
        back.leaves()
        del back.packets[before]
    else:
        back.answers(OK).leaves()
        del back.packets[before : before + 3]
    play.write(tmp_path)
    slugs = {f.slug for f in show([[str(tmp_path / "backend.pcap")]]).findings}
    assert any(slug.startswith("keep-alive-race") for slug in slugs) is told_of
