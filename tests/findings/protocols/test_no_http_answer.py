"""Answers whose bytes are no HTTP response."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Finding, Severity
from lbtrace.pipeline import show
from tests.findings.protocols.test_protocol_mismatch import told
from tests.findings.simulated import values
from tests.simulator.script import Script

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
STRANGE = b"220 mail.example ESMTP\r\n\r\n"


def ask(n: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % n


def played(passed_on: bytes, first: bool = True) -> Script:
    """Two requests that work, and one that the backend answers in another protocol."""
    play = Script()
    for n in range(2):
        front = play.front().asks(ask(n))
        play.back().asks(ask(n)).answers(OK).closes()
        front.answers(OK).closes()
    front, back = play.front().asks(ask(7)), play.back()
    if not first:
        back.asks(ask(6)).answers(OK)
    back.asks(ask(7)).answers(STRANGE).closes()
    front.answers(passed_on).closes()
    return play


def found(play: Script, folder: Path) -> list[Finding]:
    return told(play.report(folder), "no-http-answer")


def test_an_answer_in_another_protocol_that_reaches_the_client(tmp_path: Path) -> None:
    (said,) = found(played(STRANGE), tmp_path)
    assert (said.slug, said.severity) == ("no-http-answer.backend", Severity.MEDIUM)
    assert values(said)["count"] == 1
    assert "of" not in values(said)  # the page counts the requests of clients
    assert (values(said)["sent"], values(said)["passed"]) == (len(STRANGE), 1)


@pytest.mark.parametrize(
    ("strange", "service"),
    [(STRANGE, "SMTP"), (b"SSH-2.0-OpenSSH_9.6\r\n", "SSH"), (b"what?\r\n", None)],
)
def test_the_service_is_named_where_its_first_bytes_tell(
    strange: bytes, service: str | None, tmp_path: Path
) -> None:
    play = Script()
    front = play.front().asks(ask(7))
    play.back().asks(ask(7)).answers(strange).closes()
    front.answers(BAD_GATEWAY).closes()
    (said,) = found(play, tmp_path)
    assert values(said).get("service") == service
    assert ("Another service than HTTP" in said.remedy) is (service is not None)


def test_the_balancer_makes_an_error_of_it(tmp_path: Path) -> None:
    error = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
    (said,) = found(played(error), tmp_path)
    assert said.slug == "no-http-answer.backend"
    assert "passed" not in values(said)


def test_how_much_was_sent_is_known_of_the_first_answer_only(tmp_path: Path) -> None:
    (said,) = found(played(STRANGE, first=False), tmp_path)
    assert "sent" not in values(said)


@pytest.mark.parametrize("answer", [OK, b"", b"HTTP/1.1 204 No Content\r\n\r\n"])
def test_one_capture(answer: bytes, tmp_path: Path) -> None:
    play = Script()
    front = play.front().asks(ask(1))
    if answer:
        front.answers(answer)
    front.closes()
    play.front().asks(ask(2)).answers(STRANGE).closes()
    play.write(tmp_path)
    slugs = [f.slug for f in show([[str(tmp_path / "client.pcap")]]).findings]
    assert slugs.count("no-http-answer") == 1


def test_bytes_that_came_before_the_request_answer_nothing(tmp_path: Path) -> None:
    """A server that greets, and does not answer."""
    play = Script()
    play.front().answers(b"220 mail.example ESMTP\r\n").asks(ask(1)).closes()
    play.write(tmp_path)
    slugs = [f.slug for f in show([[str(tmp_path / "client.pcap")]]).findings]
    assert "no-http-answer" not in slugs
