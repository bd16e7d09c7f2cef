"""Responses whose sender ended the connection in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Finding, Severity
from lbtrace.pipeline import show
from tests.findings.protocols.test_protocol_mismatch import told
from tests.findings.simulated import values
from tests.simulator.script import Script, Spoken

HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 1000
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + b"x" * 1000 + b"\r\n"
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000
TO_THE_END = b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 1000


def ask(n: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % n


def played(answer: bytes, passed_on: bytes | None = None, reset: bool = False) -> Script:
    """Two requests that work, and one whose answer is followed by the end of the connection."""
    play = Script()
    for n, given in enumerate((WHOLE, WHOLE, answer)):
        front = play.front().asks(ask(n))
        play.back().asks(ask(n)).answers(given).closes(reset=reset and given is answer)
        front.answers(given if passed_on is None or given is WHOLE else passed_on).closes()
        play.wait(100)
    return play


def found(play: Script, folder: Path, snaplen: int = 65535) -> list[Finding]:
    return told(play.report(folder, snaplen=snaplen), "cut-short")


@pytest.mark.parametrize("reset", [False, True])
def test_a_body_of_which_the_backend_sent_a_part(reset: bool, tmp_path: Path) -> None:
    (said,) = found(played(HALF, reset=reset), tmp_path)
    assert (said.slug, said.severity) == ("cut-short.backend", Severity.MEDIUM)
    told_values = values(said)
    assert (told_values["count"], told_values["of"], told_values["passed"]) == (1, 3, 1)
    assert (told_values["got"], told_values["declared"]) == (1000, 5000)
    assert {f.side.value for e in said.evidence for f in e.frames} == {"backend", "client"}


def test_who_got_a_body_that_was_cut_is_told_only_of_pairs_that_are_known(tmp_path: Path) -> None:
    """Two requests whose cut answers look alike are pairs of low confidence."""
    play = Script()
    for n in range(2):
        front = play.front().asks(ask(n))
        play.back().asks(ask(n)).answers(HALF).closes()
        front.answers(HALF).closes()
    (said,) = found(play, tmp_path)
    assert (said.slug, values(said)["count"]) == ("cut-short.backend", 2)
    assert "passed" not in values(said)
    assert {f.side.value for e in said.evidence for f in e.frames} == {"backend"}


def test_chunks_without_the_last_one(tmp_path: Path) -> None:
    (said,) = found(played(CHUNKS), tmp_path)
    assert "before its last chunk" in said.statement
    assert values(said)["got"] == 1000


def test_a_balancer_that_cuts_what_the_backend_sent_whole(tmp_path: Path) -> None:
    (said,) = found(played(WHOLE + b"", passed_on=HALF), tmp_path) or (None,)
    assert said is None  # a whole answer of the backend: see below
    play = played(WHOLE.replace(b"1000\r\n", b"5000\r\n", 1) + b"x" * 4000, passed_on=HALF)
    (said,) = found(play, tmp_path)
    assert said.slug == "cut-short.client"


@pytest.mark.parametrize("answer", [WHOLE, TO_THE_END])
def test_a_body_that_is_whole(answer: bytes, tmp_path: Path) -> None:
    assert not found(played(answer), tmp_path)


def end_of(play: Script, end: str) -> Spoken:
    """A response in the middle, and what ends its connection, if anything."""
    front = play.front().asks(ask(1)).answers(HALF)
    return {
        "server": lambda: front.closes(),
        "client": lambda: front.leaves(),
        "client resets": lambda: front.leaves(reset=True),
        "nobody": lambda: front,
    }[end]()


@pytest.mark.parametrize("end", ["server", "client", "client resets", "nobody"])
def test_only_the_end_that_sends_cuts_short(end: str, tmp_path: Path) -> None:
    play = Script()
    end_of(play, end)
    play.write(tmp_path)
    said = [f.slug for f in show([[str(tmp_path / "client.pcap")]]).findings]
    assert ("cut-short" in said) == (end == "server")


def test_what_the_snapshot_length_cut_was_sent(tmp_path: Path) -> None:
    assert not found(played(HALF), tmp_path, snaplen=400)


def test_what_the_capture_lost_was_sent(tmp_path: Path) -> None:
    play = Script()
    front = play.front().asks(ask(1)).answers(HALF)
    front.answers(b"x" * 4000)
    del play.client[-4:-1]  # the rest of the body; what acknowledges it is there
    front.closes()
    play.write(tmp_path)
    said = [f.slug for f in show([[str(tmp_path / "client.pcap")]]).findings]
    assert "cut-short" not in said


@pytest.mark.parametrize(
    ("pause_ms", "rest_ms", "said_of_it"),
    [
        (10, None, "when the balancer closed that connection."),
        (1500, None, "when the balancer closed that connection, and had sent nothing for"),
        (1500, 1000, "when the balancer closed that connection."),
    ],
)
def test_a_balancer_that_does_not_wait_for_the_rest(
    pause_ms: float, rest_ms: float | None, said_of_it: str, tmp_path: Path
) -> None:
    play = Script()
    for n in range(2):
        front = play.front().asks(ask(n))
        play.back().asks(ask(n)).answers(WHOLE).closes()
        front.answers(WHOLE).closes()
    front, back = play.front().asks(ask(7)), play.back().asks(ask(7)).answers(HALF)
    front.answers(HALF)
    play.wait(pause_ms)
    back.gives_up()
    front.closes()
    if rest_ms is not None:
        back.answers_in_vain(b"x" * 4000, pause_ms=rest_ms)
    (said,) = found(play, tmp_path)
    assert said.slug == "cut-short.client"
    assert "the backend had not finished 1 of them " + said_of_it in said.text
    assert "proxy_read_timeout" in said.remedy


@pytest.mark.parametrize(
    ("front_ms", "back_ms", "told_of_it", "limit"),
    [
        (0, 0, "had sent nothing for 2 s or more.", "proxy_read_timeout"),
        (0, 1000, "it could not send, for the balancer had closed its window.", "temporary files"),
        (1500, 1000, "The client had not read: its window was closed for 1.5 s.", "send_timeout"),
    ],
)
def test_who_reads_nothing_lets_nobody_send(
    front_ms: int, back_ms: int, told_of_it: str, limit: str, tmp_path: Path
) -> None:
    """The balancer closes its window behind when it cannot pass on what it has; after two seconds
    it gives up.
    """
    play = Script()
    for n in range(2):
        front = play.front().asks(ask(n))
        play.back().asks(ask(n)).answers(WHOLE).closes()
        front.answers(WHOLE).closes()
    front, back = play.front().asks(ask(7)), play.back().asks(ask(7)).answers(HALF)
    front.answers(HALF)
    if front_ms:
        front.window(0)
    if back_ms:
        back.window(0)
    play.wait(1000)
    if back_ms:
        back.window(100)
    play.wait(500)
    if front_ms:
        front.window(100)
    play.wait(500)
    back.gives_up()
    front.closes()
    (said,) = found(play, tmp_path)
    assert said.slug == "cut-short.client"
    assert told_of_it in said.text
    assert limit in said.remedy
    assert ("had sent nothing" in said.text) is (back_ms == 0)


def test_a_balancer_that_cuts_a_response_that_was_over(tmp_path: Path) -> None:
    play = played(WHOLE.replace(b"1000\r\n", b"5000\r\n", 1) + b"x" * 4000, passed_on=HALF)
    (said,) = found(play, tmp_path)
    assert "Behind it" not in said.text


CHUNKED_PART = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"3e8\r\n" + b"x" * 1000


def test_a_reset_says_not_that_a_body_without_a_length_is_whole(tmp_path: Path) -> None:
    (said,) = found(played(TO_THE_END, passed_on=CHUNKED_PART, reset=True), tmp_path)
    assert (said.slug, said.severity) == ("cut-short.reset-backend", Severity.MEDIUM)
    assert (values(said)["count"], values(said)["of"], values(said)["passed"]) == (1, 3, 1)
    assert values(said)["got"] == 1000
    assert {f.side.value for e in said.evidence for f in e.frames} == {"backend", "client"}


def test_a_reset_body_that_the_balancer_ended_well_is_no_problem_of_clients(tmp_path: Path) -> None:
    (said,) = found(played(TO_THE_END, passed_on=WHOLE, reset=True), tmp_path)
    assert (said.slug, said.severity) == ("cut-short.reset-backend", Severity.LOW)
    assert "passed" not in values(said)


@pytest.mark.parametrize("first", ["fin", "client"])
def test_after_a_fin_or_when_the_client_left_a_reset_ends_no_body(
    first: str, tmp_path: Path
) -> None:
    play = Script()
    front = play.front().asks(ask(1)).answers(TO_THE_END)
    if first == "fin":
        front.server_closes_first()
    else:
        front.gives_up()
    front.closes(reset=True)
    assert not one_sided(play, tmp_path)


def one_sided(play: Script, folder: Path) -> list[Finding]:
    report = show([[str(play.write(folder)[0])]])
    return [f for f in report.findings if f.slug.startswith("cut-short")]


def test_a_reset_in_one_capture(tmp_path: Path) -> None:
    play = Script()
    play.front().asks(ask(1)).answers(TO_THE_END).closes(reset=True)
    (said,) = one_sided(play, tmp_path)
    assert (said.slug, said.severity) == ("cut-short.reset", Severity.MEDIUM)


@pytest.mark.parametrize(
    ("lost", "slugs"),
    [
        ("", {"cut-short.backend"}),
        ("FIN", set()),  # which the balancer acknowledged: who ended it first is not known
        ("answers", set()),  # of that connection nothing of the backend was captured
        ("request", {"cut-short.backend"}),  # whose response the backend cut is not known
    ],
)
def test_what_a_backend_may_have_cut_is_not_laid_on_the_balancer(
    lost: str, slugs: set[str], tmp_path: Path
) -> None:
    play = played(HALF)
    at = next(n for n, p in enumerate(play.backend) if HALF in p.data)
    last = play.backend[at - 5 :]  # from the SYN on: handshake, request, ACK, response, ACK, FIN
    gone = {
        "": [],
        "FIN": last[7:8],
        "answers": [p for p in last if p.data[12:16] == last[1].data[12:16]],
        "request": last[3:4],
    }[lost]
    for packet in gone:
        play.backend.remove(packet)
    assert {f.slug for f in found(play, tmp_path)} == slugs
