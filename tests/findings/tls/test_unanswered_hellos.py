"""Handshakes of TLS that an end began and nobody answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lbtrace.model.report import Severity
from lbtrace.pipeline import show
from tests.findings.protocols.test_protocol_mismatch import frames, told
from tests.findings.simulated import values
from tests.findings.tls.test_tls_alerts import SERVER_HELLO
from tests.http.test_detect import hello
from tests.simulator.script import Script, Spoken

HELLO = hello("a.example", [])


def gives_up(spoken: Spoken) -> None:
    spoken.asks(HELLO).gives_up(5000)


def answered(play: Script) -> None:
    play.back(8443).asks(HELLO).answers(SERVER_HELLO).leaves()


def test_a_server_that_is_stuck_at_times(tmp_path: Path) -> None:
    play = Script()
    for _ in range(2):
        gives_up(play.back(8443))
    answered(play)
    play.write(tmp_path)
    report = show([[str(tmp_path / "backend.pcap")]])
    (said,) = (f for f in report.findings if f.slug == "unanswered-hellos")
    assert said.severity is Severity.MEDIUM
    got = values(said)
    assert (got["server"], got["count"], got["of"]) == ("10.0.9.11:8443", 2, 3)
    assert 5_000_000_000 <= int(got["shortest"]) < 5_001_000_000
    assert "the client end closed" in said.statement.format_map(got)
    assert [frame.number for frame in said.evidence[0].frames] == [4, 6, 11, 13]


def test_what_a_balancer_passed_on_is_told_of_its_backend(tmp_path: Path) -> None:
    play = Script()
    front = play.front(443).asks(HELLO)
    back = play.back(8443).asks(HELLO)
    front.gives_up(5000)
    back.gives_up()
    answered(play)
    (said,) = told(play.report(tmp_path), "unanswered-hellos")
    assert said.slug == "unanswered-hellos.backend"
    assert frames(said) == [("backend", 4), ("backend", 6)]


def the_server_waits_no_longer(spoken: Spoken) -> None:
    spoken.asks(HELLO).script.wait(3000)
    spoken.closes()


def test_a_server_that_closes_after_its_own_time_limit(tmp_path: Path) -> None:
    play = Script()
    the_server_waits_no_longer(play.back(8443))
    answered(play)
    play.write(tmp_path)
    report = show([[str(tmp_path / "backend.pcap")]])
    (said,) = (f for f in report.findings if f.slug == "unanswered-hellos")
    assert "{answerer} closed" in said.statement


@pytest.mark.parametrize(
    "says",
    [
        lambda b: b.asks(HELLO).answers(SERVER_HELLO).gives_up(5000),
        lambda b: b.asks(HELLO).gives_up(500),  # it waited no second
        lambda b: b.asks(HELLO),  # the capture ended
        lambda b: b.asks_in_vain(HELLO, 3),  # it never arrived
        lambda b: b.asks(b"GET / HTTP/1.1\r\n\r\n").gives_up(5000),
        lambda b: b.gives_up(5000),
        lambda b: b.asks(HELLO).closes(),  # at once: another finding
    ],
    ids=["an answer", "half a second", "no end", "lost", "no TLS", "nothing", "closed at once"],
)
def test_what_is_no_hello_without_an_answer(
    says: Callable[[Spoken], object], tmp_path: Path
) -> None:
    play = Script()
    says(play.back(8443))
    answered(play)
    play.write(tmp_path)
    report = show([[str(tmp_path / "backend.pcap")]])
    assert not [f.slug for f in report.findings if f.slug.startswith("unanswered-hellos")]


def test_a_server_that_answers_no_handshake_may_not_speak_tls(tmp_path: Path) -> None:
    """protocol-mismatch says so."""
    play = Script()
    gives_up(play.back(8443))
    play.write(tmp_path)
    report = show([[str(tmp_path / "backend.pcap")]])
    assert not [f.slug for f in report.findings if f.slug.startswith("unanswered-hellos")]


def test_an_answer_that_the_capture_lost_is_one(tmp_path: Path) -> None:
    play = Script()
    spoken = play.back(8443).asks(HELLO)
    spoken.sent[1] += 100  # what the server said was not captured
    spoken.gives_up(5000)
    answered(play)
    play.write(tmp_path)
    report = show([[str(tmp_path / "backend.pcap")]])
    assert not [f.slug for f in report.findings if f.slug.startswith("unanswered-hellos")]


@pytest.mark.parametrize("some", [False, True])
def test_the_errors_that_come_of_it_are_the_same_problem(some: bool, tmp_path: Path) -> None:
    """The balancer speaks TLS to a plain port, waits in vain, and answers 504 itself."""
    play = Script()
    for n in range(2):
        front = play.front().asks(b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % n)
        play.back(8443).asks(hello("a.example", [])).gives_up(2000)
        front.answers(b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n").leaves()
        play.wait(100)
    if some:
        answered(play)
    problem = play.report(tmp_path).problems[0]
    cause = "unanswered-hellos.backend" if some else "protocol-mismatch.tls-unheard-backend"
    assert problem.cause.slug == cause
    assert "answered-by-balancer.error" in problem.slugs
