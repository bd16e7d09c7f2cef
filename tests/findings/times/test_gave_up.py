"""Clients that left before their answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.http import Mark
from lbtrace.model.report import Finding
from lbtrace.pipeline import show
from tests.findings.http2_talks import Http2Talk, of
from tests.findings.http2_talks import told as told_alone
from tests.findings.protocols.test_protocol_mismatch import told
from tests.findings.simulated import values
from tests.simulator.script import Script

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def ask(n: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % n


def played(late_ms: float | None = 2000, reset: bool = False, wait_ms: float = 1000) -> Script:
    """Requests that work, and one whose client leaves; the backend answers later, or never."""
    play = Script()
    for n in range(2):
        front = play.front().asks(ask(n))
        play.back().asks(ask(n)).answers(OK).closes()
        front.answers(OK).leaves()
    front = play.front().asks(ask(7))
    back = play.back().asks(ask(7))
    play.wait(wait_ms)
    front.leaves(reset=reset)
    back.gives_up()
    if late_ms is not None:
        back.answers_in_vain(OK, pause_ms=late_ms)
    return play


def found(play: Script, folder: Path) -> list[Finding]:
    return told(play.report(folder), "gave-up")


def test_a_client_that_closed_after_a_second(tmp_path: Path) -> None:
    (said,) = found(played(), tmp_path)
    assert said.slug == "gave-up.client"
    assert (values(said)["count"], values(said)["of"], values(said)["late"]) == (1, 3, 1)
    assert 1.0e9 < int(values(said)["shortest"]) < 1.01e9
    assert 3.0e9 < int(values(said)["took"]) < 3.01e9
    assert {f.side.value for e in said.evidence for f in e.frames} == {"client", "backend"}


def test_without_an_answer_nothing_is_said_of_the_backend(tmp_path: Path) -> None:
    (said,) = found(played(late_ms=None), tmp_path)
    assert "The backend" not in said.statement


def test_an_answer_that_came_while_the_client_waited_was_not_passed_on(tmp_path: Path) -> None:
    play = Script()
    for n in range(2):
        front = play.front().asks(ask(n))
        play.back().asks(ask(n)).answers(OK).closes()
        front.answers(OK).leaves()
    front = play.front().asks(ask(7))
    back = play.back().asks(ask(7)).answers(OK)
    play.wait(3000)
    front.leaves()
    back.closes()
    (said,) = found(play, tmp_path)
    assert "to nobody" not in said.statement
    assert "no client got that answer" in said.statement
    assert values(said)["kept"] == 1
    assert int(values(said)["soon"]) < 1e9
    assert said.remedy.startswith("Look at the balancer")


@pytest.mark.parametrize(("reset", "given_up"), [(False, False), (True, True)])
def test_a_fin_at_once_may_half_close_and_a_reset_does_not(
    reset: bool, given_up: bool, tmp_path: Path
) -> None:
    assert bool(found(played(reset=reset, wait_ms=10), tmp_path)) == given_up


def alone(play: Script, folder: Path) -> list[str]:
    play.write(folder)
    found = show([[str(folder / "client.pcap")]]).findings
    return [f.slug for f in found if f.slug.startswith("gave-up")]


def test_one_capture_shows_it(tmp_path: Path) -> None:
    play = Script()
    play.front().asks(ask(1)).gives_up(pause_ms=500).closes()
    assert alone(play, tmp_path) == ["gave-up.seen"]


@pytest.mark.parametrize("refused", [True, False])
def test_an_answer_that_came_later_was_refused(refused: bool, tmp_path: Path) -> None:
    """A client that takes it had only half-closed."""
    play = Script()
    front = play.front().asks(ask(1)).gives_up(pause_ms=500)
    front = front.answers_in_vain(OK, pause_ms=500) if refused else front.answers(OK).closes()
    assert alone(play, tmp_path) == ["gave-up.seen"] * refused


def test_a_capture_that_ends_may_lack_the_answer(tmp_path: Path) -> None:
    play = Script()
    play.front().asks(ask(1)).gives_up(pause_ms=500)
    assert not alone(play, tmp_path)


@pytest.mark.parametrize(("pause_ms", "told_of"), [(900, []), (1100, ["gave-up.waited"])])
def test_that_a_client_waited_for_a_second_can_be_told(
    pause_ms: int, told_of: list[str], tmp_path: Path
) -> None:
    """Whatever comes after its FIN."""
    play = Script()
    play.front().asks(ask(1)).gives_up(pause_ms=pause_ms)
    assert alone(play, tmp_path) == told_of


def test_an_answer_that_the_capture_lost_was_not_waited_for(tmp_path: Path) -> None:
    """The FIN acknowledges it."""
    play = Script()
    front = play.front().asks(ask(1)).answers(OK)
    del play.client[-2]
    front.gives_up(pause_ms=2000)
    assert not alone(play, tmp_path)


def test_a_request_that_nobody_acknowledged_may_never_have_come(tmp_path: Path) -> None:
    play = Script()
    play.front().asks(ask(1)).gives_up(pause_ms=2000)
    asked, acknowledged, fin, end = play.client[-4:]
    play.client[-4:] = [asked, fin]
    assert acknowledged.data[12:16] == end.data[12:16] != asked.data[12:16]  # from the server
    assert not alone(play, tmp_path)


def test_a_server_that_ended_first_was_not_given_up(tmp_path: Path) -> None:
    play = Script()
    play.front().asks(ask(1)).closes()
    assert not alone(play, tmp_path)


def test_a_client_that_has_a_part_of_its_answer_did_not_wait_for_one(tmp_path: Path) -> None:
    play = Script()
    play.front().asks(ask(1)).answers(OK[:-1]).gives_up(pause_ms=500).closes()
    assert not alone(play, tmp_path)


def test_an_answer_that_the_capture_lost_was_there(tmp_path: Path) -> None:
    play = Script()
    front = play.front().asks(ask(1)).answers(OK)
    del play.client[-2]  # the answer; what acknowledges it is there
    front.gives_up(pause_ms=500).closes()
    assert not alone(play, tmp_path)


def test_where_both_ends_ask_nobody_waits_for_an_answer(tmp_path: Path) -> None:
    play = Script()
    front = play.front()
    for n in range(4):
        front.asks(ask(n)).answers(ask(10 + n))
    front.gives_up(pause_ms=500).closes()
    play.write(tmp_path)
    (capture,) = show([[str(tmp_path / "client.pcap")]]).captures
    asked = [e.request for e in capture.trace.exchanges if e.request is not None]
    servers = {r.target for r in asked if Mark.FROM_SERVER in r.marks}
    assert servers == {"/10", "/11", "/12", "/13"}
    assert not [f for f in capture.findings if f.slug.startswith(("gave-up", "half-closed"))]


def test_what_failed_behind_is_named_beside_clients_that_left(tmp_path: Path) -> None:
    """The SYN to the backend is never answered, and the client leaves: one problem."""
    play = Script()
    for n in range(3):
        ask = b"GET /%d HTTP/1.1\r\nHost: a\r\nX-Id: 7f3a9c0d51e24b8%d\r\n\r\n" % (n, n)
        front = play.front().asks(ask)
        play.back().asks(ask).answers(OK).closes()
        front.answers(OK).leaves()
    front = play.front().asks(b"GET /lost HTTP/1.1\r\nHost: a\r\n\r\n")
    attempt = play.attempt(behind=True, port=8080)
    play.wait(1000)
    attempt.sent[0] -= 1  # the same SYN again
    attempt.syn()
    play.wait(2000)
    front.leaves()
    play.wait(1000)
    play.back()
    report = play.report(tmp_path)
    (said,) = (f for f in report.findings if f.slug == "gave-up.client")
    assert "not answered" in str(values(said)["event"])
    (problem,) = (p for p in report.problems if "gave-up.client" in p.slugs)
    assert problem.cause.slug == "connection-failures.no-answer-backend"


def reset_stream(code: int = 8, from_client: bool = True) -> list[Finding]:
    """A stream that is reset a second after its request; its connection goes on for long."""
    talk = Http2Talk()
    talk.asks("/a")
    talk.wait(1000)
    if from_client:
        talk.resets(1, code)
    else:
        talk.server.reset_stream(1, code)
        talk.unheard(False)
    talk.wait(5000)
    talk.answers(talk.asks("/b"), b"ok")
    talk.closes(from_client=True)
    return of(told_alone(talk), "gave-up")


def test_a_client_that_resets_its_stream_does_not_close_its_connection() -> None:
    (said,) = reset_stream()
    assert (values(said)["count"], values(said)["of"]) == (1, 2)
    assert 1_000_000_000 <= int(str(values(said)["shortest"])) <= 1_010_000_000
    assert "it reset the stream" in said.text
    request, reset = said.evidence[0].frames
    assert reset.time_ns - request.time_ns == values(said)["shortest"]


@pytest.mark.parametrize(("code", "from_client"), [(1, True), (8, False), (2, False)])
def test_a_stream_that_ends_for_another_reason_was_not_given_up(
    code: int, from_client: bool
) -> None:
    """The client's end of its connection, later, is no end of this request."""
    assert reset_stream(code, from_client) == []


def test_streams_and_connections_are_told_together() -> None:
    talk = Http2Talk()
    talk.asks("/a")
    talk.asks("/b")
    talk.wait(1000)
    talk.resets(1)
    talk.wait(2000)
    talk.closes(from_client=True)
    (said,) = of(told_alone(talk), "gave-up")
    assert values(said)["count"] == 2
    assert "the connection or the stream" in said.text


def test_a_client_that_has_its_answer_may_close_when_it_likes(tmp_path: Path) -> None:
    """Beside one that left before its answer."""
    play = played()
    front = play.front().asks(ask(8))
    play.back().asks(ask(8)).answers(OK).closes()
    front.answers(OK)
    play.wait(1500)
    front.leaves()
    (said,) = found(play, tmp_path)
    assert (values(said)["count"], values(said)["of"]) == (1, 4)


HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 1000


@pytest.mark.parametrize("refused", [True, False])
def test_a_client_that_leaves_in_the_middle_of_a_response_refuses_the_rest(
    refused: bool, tmp_path: Path
) -> None:
    """Without a RST it may only half-close."""
    play = Script()
    front = play.front().asks(ask(1)).answers(HALF, 100)
    play.wait(400)
    front.gives_up()
    if refused:
        front.answers_in_vain(b"x" * 4000, pause_ms=10)
    else:
        front.answers(b"x" * 4000, 10).closes()
    play.write(tmp_path)
    found = show([[str(tmp_path / "client.pcap")]]).findings
    said = [f for f in found if f.slug == "gave-up.midway"]
    assert len(said) == refused
    if refused:
        assert 0.5e9 <= int(values(said[0])["shortest"]) < 0.6e9


def test_a_response_that_was_over_was_not_given_up_midway(tmp_path: Path) -> None:
    play = Script()
    play.front().asks(ask(1)).answers(OK, 100).leaves(reset=True)
    play.write(tmp_path)
    assert "gave-up.midway" not in {
        f.slug for f in show([[str(tmp_path / "client.pcap")]]).findings
    }


@pytest.mark.parametrize("apart", [False, True])
def test_who_resets_its_streams_at_once_did_not_wait(apart: bool) -> None:
    """In the packet that asks; or a millisecond later, which may be a wait."""
    talk = Http2Talk()
    for n in range(3):
        stream = talk.client.get_next_available_stream_id()
        head = [(":method", "GET"), (":path", f"/{n}"), (":scheme", "http"), (":authority", "a")]
        talk.client.send_headers(stream, head, end_stream=True)
        if apart:
            talk.said()
        talk.client.reset_stream(stream, 8)
        talk.said()
    (said,) = of(told_alone(talk), "gave-up")
    assert values(said)["count"] == 3
    assert ("CVE-2023-44487" in said.remedy, "at once" in said.text) == (not apart, not apart)
    assert ("shortest" in values(said)) == apart


@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("captured", [True, False])
def test_a_reset_that_counts_an_answer_which_is_not_captured_came_before_no_answer(
    tmp_path: Path, who: str, captured: bool
) -> None:
    """Its numbers (RFC 9293 §3.1) forbid to say that there was no answer, and that it was lost."""
    play = Script()
    front = play.front().asks(ask(1))
    play.wait(1000)
    before = len(front.packets)
    front.answers(OK)
    (front.leaves if who == "client" else front.closes)(reset=True)
    if not captured:
        del front.packets[before:-1]
    play.write(tmp_path)
    told = {f.slug: f.text for f in show([[str(tmp_path / "client.pcap")]]).findings}
    assert not any("before any answer" in text for text in told.values())
    assert not {slug for slug in told if slug.startswith(("resets", "gave-up", "capture-quality"))}
    assert ("may be missing" in told.get("errors.unanswered", "")) is not captured
