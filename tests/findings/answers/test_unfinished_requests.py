"""Requests of which the end never came."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Finding, Report, Severity
from tests.findings.simulated import values
from tests.simulator.script import Script

PART = b"POST /up/%d HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" + b"x" * 800
HEAD = b"GET /%d HTTP/1.1\r\nHost: a\r\nX-A: b\r\n"
WHOLE = HEAD + b"\r\n"
EXPECTING = b"POST /%d HTTP/1.1\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"


def status(text: str) -> bytes:
    """A response without a body."""
    return f"HTTP/1.1 {text}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


def played(part: bytes, answer: bytes, after_ms: float) -> Script:
    """A request that works; then two of which a part comes, and the answer, or the end."""
    play = Script()
    front = play.front().asks(WHOLE % 9)
    play.back().asks(WHOLE % 9).answers(status("200 OK")).closes()
    front.answers(status("200 OK")).leaves()
    for n in range(2):
        front = play.front().asks(part % n)
        play.wait(after_ms)
        if answer:
            front.answers(answer)
        front.closes()
    return play


def of(report: Report) -> list[Finding]:
    """What is said of unfinished requests."""
    return [f for f in report.findings if f.slug.startswith("unfinished-requests")]


@pytest.mark.parametrize("part", [PART, HEAD])
@pytest.mark.parametrize(
    ("answer", "did"),
    [
        (status("408 Request Time-out"), "answered 408 ×2"),
        (status("504 Gateway Time-out"), "answered 504 ×2"),
        (b"", "ended the connection ×2"),
    ],
)
def test_who_stops_in_the_middle_is_the_cause(
    part: bytes, answer: bytes, did: str, tmp_path: Path
) -> None:
    report = played(part, answer, 2000).report(tmp_path)
    (said,) = of(report)
    got = values(said)
    assert said.slug == "unfinished-requests.client"
    assert (got["count"], got["of"], got["did"]) == (2, 3, did)
    assert ("got" in got, "declared" in got) == (part is PART, part is PART)
    assert said.severity is (Severity.MEDIUM if "504" in did else Severity.LOW)
    assert report.problems[0].cause.slug == said.slug
    assert not any(f.slug.startswith("capture-quality.tail") for f in report.findings)


@pytest.mark.parametrize(
    ("part", "answer", "after_ms"),
    [
        (PART, status("413 Content Too Large"), 2000),  # refused for what it is
        (PART, status("504 Gateway Time-out"), 100),  # it may have gone on
        (PART, b"", 100),
        (WHOLE, status("504 Gateway Time-out"), 2000),
        (EXPECTING, status("504 Gateway Time-out"), 2000),  # it waits for 100 (Continue)
    ],
)
def test_what_is_not_the_askers_fault(
    part: bytes, answer: bytes, after_ms: float, tmp_path: Path
) -> None:
    assert of(played(part, answer, after_ms).report(tmp_path)) == []


def test_a_slow_request_that_is_told_so_need_not_be_silent(tmp_path: Path) -> None:
    assert of(played(HEAD, status("408 Request Time-out"), 10).report(tmp_path))


def test_a_head_that_was_cut_by_the_capture_may_be_whole(tmp_path: Path) -> None:
    assert of(played(PART, b"", 2000).report(tmp_path, snaplen=90)) == []


@pytest.mark.parametrize("whole", [False, True])
def test_what_a_balancer_passed_on_as_it_came_is_told_of_the_client(
    whole: bool, tmp_path: Path
) -> None:
    """Where the client sent all of it, the balancer stopped in the middle."""
    play = Script()
    whole_one = PART % 0 + b"x" * 4200
    for n in range(2):
        front = play.front().asks(whole_one if whole else PART % n)
        back = play.back().asks(PART % n)
        play.wait(2000)
        back.answers(status("408 Request Time-out")).closes()
        front.answers(status("408 Request Time-out")).closes()
    side = "backend" if whole else "client"
    assert [f.slug for f in of(play.report(tmp_path))] == [f"unfinished-requests.{side}"]


@pytest.mark.parametrize("by_backend", [True, False])
def test_who_waited_no_longer_is_who_answered(by_backend: bool, tmp_path: Path) -> None:
    """A balancer that passes a body on as it comes passes the backend's 408 on, too."""
    play = Script()
    front = play.front().asks(WHOLE % 9)
    play.back().asks(WHOLE % 9).answers(status("200 OK")).closes()
    front.answers(status("200 OK")).leaves()
    for n in range(2):
        play.wait(100)
        front, back = play.front().asks(PART % n), play.back().asks(PART % n)
        play.wait(2000)
        if by_backend:
            back.answers(status("408 Request Timeout"))
        else:
            back.leaves()
        front.answers(status("408 Request Timeout")).closes()
    (said,) = [f for f in of(play.report(tmp_path)) if f.slug == "unfinished-requests.client"]
    assert values(said)["server"] == ("backend" if by_backend else "balancer")
    assert values(said)["did"] == "answered 408 ×2"


@pytest.mark.parametrize(("pieces", "told"), [(2, False), (3, True)])
def test_a_head_that_comes_in_drops_is_waited_for_no_longer(
    pieces: int, told: bool, tmp_path: Path
) -> None:
    """The client never pauses for a second, and goes on after the other end has closed."""
    play = Script()
    front = play.front().asks(HEAD % 1)
    for _ in range(pieces):
        front.asks(b"X-A: b\r\n", pause_ms=400)
    front.server_closes_first()
    front.asks(b"X-A: b\r\n").closes(reset=True)
    assert bool(of(play.report(tmp_path))) is told


def test_a_body_that_comes_in_drops_may_be_refused_for_another_reason(tmp_path: Path) -> None:
    play = Script()
    front = play.front().asks(PART % 1)
    for _ in range(3):
        front.asks(b"x" * 100, pause_ms=400)
    front.server_closes_first()
    front.asks(b"x" * 100).closes(reset=True)
    assert not of(play.report(tmp_path))
