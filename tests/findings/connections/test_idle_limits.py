"""Connections that were idle: forgotten, reset, closed; and those that were only slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Finding, Severity
from tests.findings.files import ASK, SECOND, Talk, of, report
from tests.findings.simulated import values
from tests.simulator.script import Script

TRIES = (0, 200, 600, 1400, 3000)  # ms after the first sending


def told(folder: Path, *talks: Talk) -> list[Finding]:
    return of(report(folder, [t.front for t in talks], [t.behind for t in talks]), "idle-limits")


def forgotten(port: int, idle_s: float, tries: int = 5, worked_s: float = 0) -> Talk:
    """A client asks, waits, and asks again and again in vain."""
    talk = Talk(port)
    talk.asks(1_000_000, b"first")
    if worked_s:
        talk.asks(int(worked_s * SECOND), b"second")
    start = int((worked_s + idle_s) * SECOND)
    for ms in TRIES[:tries]:
        talk.says(True, ASK % b"lost", start + ms * 1_000_000, acked=False, behind=False)
    return talk


def test_a_flow_that_was_forgotten_is_told_with_its_silence(tmp_path: Path) -> None:
    (said,) = told(tmp_path, forgotten(40_001, 6.5, worked_s=1), forgotten(40_002, 7))
    got = values(said)
    assert (said.slug, said.severity) == ("idle-limits.forgotten-client", Severity.HIGH)
    assert (got["count"], got["tries"]) == (2, "5")
    assert 6.4 * SECOND < int(got["least"]) < 6.5 * SECOND
    assert int(got["worked"]) < SECOND
    assert "None of it is in the backend capture." in said.statement
    assert "the limit lies in between" in said.statement


def test_three_sendings_are_enough(tmp_path: Path) -> None:
    (said,) = told(tmp_path, forgotten(40_001, 6.5, tries=3))
    assert values(said)["tries"] == "3"


def test_what_was_sent_into_a_forgotten_flow_is_not_called_loss(tmp_path: Path) -> None:
    talks = [forgotten(40_001, 6.5), forgotten(40_002, 6.5)]
    every = report(tmp_path, [t.front for t in talks], [t.behind for t in talks])
    assert not of(every, "tcp-facts.loss-client")


@pytest.mark.parametrize(("idle_s", "tries"), [(0.5, 5), (6.5, 2)])
def test_a_short_silence_or_a_late_acknowledgement_is_no_limit(
    tmp_path: Path, idle_s: float, tries: int
) -> None:
    assert not told(tmp_path, forgotten(40_001, idle_s, tries))


def test_a_peer_that_still_speaks_has_not_forgotten(tmp_path: Path) -> None:
    talk = forgotten(40_001, 6.5)
    talk.says(False, b"more", 12 * SECOND)
    assert not [f for f in told(tmp_path, talk) if "forgotten" in f.slug]


def test_a_flow_that_is_answered_by_rst(tmp_path: Path) -> None:
    talk = Talk(40_001)
    talk.asks(1_000_000)
    talk.says(True, ASK % b"late", 7 * SECOND, acked=False, behind=False)
    talk.resets(False, 7 * SECOND + 50_000, behind=False)
    every = report(tmp_path, [talk.front], [talk.behind])
    (said,) = of(every, "idle-limits")
    assert said.slug == "idle-limits.reset-client"
    assert values(said)["count"] == 1
    assert not of(every, "keep-alive-race")  # nothing in between that could have closed it


def test_a_connection_that_its_server_closes_when_idle(tmp_path: Path) -> None:
    talk = Talk(40_001)
    talk.asks(1_000_000)
    talk.asks(3 * SECOND)
    talk.says(False, b"", 8 * SECOND, flags="FIN")
    sides = told(tmp_path, talk)
    assert {f.slug for f in sides} == {
        "idle-limits.closed-by-server-client",
        "idle-limits.closed-by-server-backend",
    }
    got = values(sides[0])
    assert got["closer"] == "backend"  # packets are passed on: no proxy closes anything
    assert 4.9 * SECOND < int(got["least"]) < 5 * SECOND
    assert 2.9 * SECOND < int(got["worked"]) < 3 * SECOND


def test_a_connection_whose_answer_is_still_due_is_not_idle(tmp_path: Path) -> None:
    talk = Talk(40_001)
    talk.asks(1_000_000)
    talk.says(True, ASK % b"slow", SECOND)
    talk.says(True, b"", 9 * SECOND, flags="FIN")
    assert not told(tmp_path, talk)


def test_408_without_a_request(tmp_path: Path) -> None:
    talk = Talk(40_001)
    talk.asks(1_000_000)
    late = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    talk.says(False, late, 10 * SECOND)
    talk.says(False, b"", 10 * SECOND + 5000, flags="FIN")
    found = told(tmp_path, talk)
    assert [f.slug for f in found] == ["idle-limits.408-backend", "idle-limits.408-client"]
    assert all("A client that sends at that moment" in f.statement for f in found)


def test_a_request_that_follows_a_408_has_no_other_answer(tmp_path: Path) -> None:
    talk = Talk(40_001)
    talk.asks(1_000_000)
    late = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    talk.says(False, late, 10 * SECOND)
    talk.says(True, ASK % b"next", 10 * SECOND + 1_000_000)
    talk.says(False, b"", 10 * SECOND + 1_050_000, flags="RST")
    found = [f for f in told(tmp_path, talk) if ".408" in f.slug]
    assert all("On 1 of them a request followed" in f.text for f in found)
    assert [len(f.requests) for f in found] == [1, 1]


@pytest.mark.parametrize(("silence_ns", "said"), [(SECOND, True), (SECOND - 1, False)])
def test_a_silence_of_a_second_is_one(tmp_path: Path, silence_ns: int, said: bool) -> None:
    """It is counted from the last packet before what nobody acknowledged."""
    talk = Talk(40_001)
    talk.asks(1_000_000, b"first")  # answered 10 µs later, which is acknowledged 1 µs later
    for ms in TRIES:
        at = 1_011_000 + silence_ns + ms * 1_000_000
        talk.says(True, ASK % b"lost", at, acked=False, behind=False)
    assert bool(told(tmp_path, talk)) is said


@pytest.mark.parametrize(
    ("silent_ms", "late", "told_of_it"),
    [(2000, True, True), (500, True, False), (2000, False, False)],
)
def test_a_connection_without_http_that_is_used_after_the_server_closed_it(
    silent_ms: int, late: bool, told_of_it: bool, tmp_path: Path
) -> None:
    """The pool of a database client keeps a connection that the balancer has given up."""
    play = Script()
    for _ in range(2):
        front = play.front(5432).asks(b"Q\0\0\0\x0dSELECT 1;").answers(b"Z\0\0\0\5I")
        play.wait(silent_ms)
        front.server_closes_first()
        play.wait(300)
        if late:
            front.asks(b"Q\0\0\0\x0dSELECT 2;")
            front.closes(reset=True)
        else:
            front.leaves()
    found = [f for f in play.report(tmp_path).findings if f.slug.startswith("idle-limits.used")]
    assert bool(found) is told_of_it
    for said in found:
        assert said.slug == "idle-limits.used-after-client"
        assert (values(said)["count"], values(said)["server"]) == (2, "balancer")
        assert 2_000_000_000 <= int(values(said)["least"]) < 2_010_000_000
        assert "pool" in said.remedy
