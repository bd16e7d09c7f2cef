"""A server end that closed while a request was open, and said nothing, in one capture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lbtrace.pipeline import show
from tests.findings.simulated import values
from tests.simulator.script import Script, Spoken

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def ask(n: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % n


def slugs(folder: Path, end: Callable[[Spoken], object], idle_ms: float = 5) -> list[str]:
    """What `show` tells of a connection whose second request ends as `end` says; another one works
    to its end.
    """
    play = Script()
    play.back().asks(ask(7)).answers(OK).leaves()
    back = play.back().asks(ask(1)).answers(OK)
    play.wait(idle_ms)
    end(back)
    play.write(folder)
    kinds = ("closed-unanswered", "resets", "keep-alive-race", "gave-up", "no-http-answer")
    report = show([[str(folder / "backend.pcap")]])
    return [f.slug for f in report.findings if f.slug.startswith(kinds)]


def test_a_fin_behind_a_request_without_a_byte_of_answer(tmp_path: Path) -> None:
    assert slugs(tmp_path, lambda b: b.asks(ask(2)).closes()) == ["closed-unanswered"]
    report = show([[str(tmp_path / "backend.pcap")]])
    (said,) = (f for f in report.findings if f.slug == "closed-unanswered")
    assert values(said)["count"] == 1
    asked, fin = said.evidence[0].frames
    assert asked.time_ns < fin.time_ns
    (problem,) = report.problems
    assert problem.cause is said


def test_a_rst_behind_the_fin_of_the_same_end_ended_nothing(tmp_path: Path) -> None:
    """The client sent on: that is what the RST answers."""

    def end(back: Spoken) -> None:
        back.asks(ask(2)).server_closes_first().asks(ask(3)).closes(reset=True)

    assert slugs(tmp_path, end) == ["closed-unanswered"]
    report = show([[str(tmp_path / "backend.pcap")]])
    (said,) = (f for f in report.findings if f.slug == "errors.unanswered")
    assert values(said)["ends"] == "connection closed ×2"


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (lambda b: b.asks(ask(2)).answers(OK).closes(), []),
        (lambda b: b.asks(ask(2)).closes(reset=True), ["resets.by-the-server-end"]),
        (
            lambda b: b.asks(ask(2)).answers(b"220 mail.example\r\n").closes(),
            ["no-http-answer"],
        ),
        (lambda b: b.asks(ask(2)).gives_up(200).closes(), ["gave-up.seen"]),
        (lambda b: b.asks(ask(2)).leaves(reset=True), ["gave-up.seen"]),
        (lambda b: b.asks(ask(2)[:-2]).closes(), []),
        (lambda b: b.asks(ask(2)), []),
    ],
    ids=[
        "an answer",
        "a RST",
        "no HTTP",
        "the client gave up",
        "the client reset",
        "not all of the request",
        "nobody closed",
    ],
)
def test_what_is_told_otherwise_or_is_not_known(
    end: Callable[[Spoken], object], told: list[str], tmp_path: Path
) -> None:
    assert slugs(tmp_path, end) == told


@pytest.mark.parametrize("reset", [False, True])
def test_a_keep_alive_race_is_told_once(reset: bool, tmp_path: Path) -> None:
    found = slugs(tmp_path, lambda b: b.asks(ask(2)).closes(reset=reset), idle_ms=3000)
    assert found == ["keep-alive-race.at-once"]


def test_an_answer_that_was_not_captured_may_have_been_one(tmp_path: Path) -> None:
    """The FIN stands behind bytes that the capture lost."""
    path = tmp_path / "backend.pcap"
    play = Script()
    back = play.back().asks(ask(1)).answers(OK).asks(ask(2)).answers(OK)
    at = len(back.packets)
    back.closes()
    del back.packets[next(i for i in range(at - 1, 0, -1) if OK in back.packets[i].data)]
    play.write(tmp_path)
    found = [f.slug for f in show([[str(path)]]).findings]
    assert "closed-unanswered" not in found
    assert any(slug.startswith("capture-quality") for slug in found)


def test_a_server_that_ends_every_connection_so_is_told_as_that(tmp_path: Path) -> None:
    play = Script()
    for n in range(2):
        play.back().asks(ask(n)).closes()
    play.write(tmp_path)
    found = [f.slug for f in show([[str(tmp_path / "backend.pcap")]]).findings]
    assert "protocol-mismatch.unanswered" in found
    assert "closed-unanswered" not in found


@pytest.mark.parametrize("captured", [True, False])
def test_a_client_whose_fin_is_not_in_the_capture_may_have_closed_first(
    captured: bool, tmp_path: Path
) -> None:
    """The FIN of the server acknowledges it: nobody closed an open request."""
    play = Script()
    front = play.front().asks(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
    play.wait(500)
    before = len(front.packets)
    front.leaves()
    if not captured:
        del front.packets[before]
    play.write(tmp_path)
    told = {f.slug for f in show([[str(tmp_path / "client.pcap")]]).findings}
    assert not any(slug.startswith("closed-unanswered") for slug in told)
    assert any(slug.startswith("gave-up") for slug in told) is captured
