"""Names that got one error, all of them, while others did not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from lbtrace.model.report import Finding, Severity
from lbtrace.pipeline import show
from tests.findings.http2_talks import Http2Talk, of
from tests.findings.http2_talks import told as told_alone
from tests.findings.simulated import values
from tests.findings.through import message, request
from tests.simulator.script import Script

GOOD, BAD = ("a.example", "200 OK"), ("a.example:8443", "404 Not Found")


def found(asked: Sequence[tuple[str, str]], folder: Path) -> list[Finding]:
    """What is told of requests for names, each with the status of its answer."""
    play = Script()
    for n, (name, status) in enumerate(asked):
        play.front().asks(request(f"/{n}", host=name)).answers(message(status)).closes()
    report = show([[str(play.write(folder)[0])]])
    return [f for f in report.findings if f.slug == "refused-names"]


def test_a_name_that_is_not_served(tmp_path: Path) -> None:
    (said,) = found([GOOD, BAD, GOOD, BAD, BAD], tmp_path)
    assert said.text == (
        "Each answered request for the name a.example:8443 got 404 (3), and none of the 2 for "
        "a.example did."
    )
    assert (said.severity, bool(said.remedy)) == (Severity.LOW, True)
    wrong, right = said.evidence
    assert (wrong.compared, right.compared) == (False, True)
    assert [f.number for f in right.frames] == [4, 6]


def test_what_serves_a_name_is_out_of_order(tmp_path: Path) -> None:
    (said,) = found([GOOD, GOOD, *[("b.example", "503 No")] * 2], tmp_path)
    assert (said.severity, values(said)["names"]) == (Severity.MEDIUM, "b.example")


@pytest.mark.parametrize(
    "asked",
    [
        [GOOD, GOOD, BAD],  # one alone
        [GOOD, BAD, BAD],  # nothing to compare with
        [GOOD, GOOD, BAD, BAD, (BAD[0], "200 OK")],  # not every one
        [GOOD, GOOD, BAD, BAD, (BAD[0], "500 Oops")],  # another error of that name
        [GOOD, GOOD, BAD, BAD, (GOOD[0], BAD[1])],  # one of the other name, too
        [GOOD, GOOD, *[("b.example", "401 Who")] * 2],  # it asks who that is
        [GOOD, GOOD, *[("A.example", "404 No")] * 2],  # the same name
        [GOOD, GOOD, *[("b.example", "411 Length Required")] * 2],  # its form is refused
        [GOOD, GOOD, *[("b.example", "408 Request Timeout")] * 2],
    ],
)
def test_what_is_not_of_the_name(asked: Sequence[tuple[str, str]], tmp_path: Path) -> None:
    assert found(asked, tmp_path) == []


def test_what_was_not_answered_says_nothing_of_a_name(tmp_path: Path) -> None:
    play = Script()
    for n, (name, status) in enumerate([GOOD, GOOD, BAD, BAD]):
        play.front().asks(request(f"/{n}", host=name)).answers(message(status)).closes()
    play.front().asks(request("/last", host=BAD[0]))
    report = show([[str(play.write(tmp_path)[0])]])
    (said,) = [f for f in report.findings if f.slug == "refused-names"]
    assert values(said)["count"] == 2


def test_a_name_that_was_cut_is_not_known(tmp_path: Path) -> None:
    play = Script()
    for n, (name, status) in enumerate([GOOD, GOOD, ("a.example.net", "404 No"), BAD, BAD]):
        play.front().asks(request(f"/{n}", host=name)).answers(message(status)).closes()
    short = len(b"GET /0 HTTP/1.1\r\nHost: a.example") + 40  # the heads of IP and TCP before it
    report = show([[str(play.write(tmp_path, snaplen=short)[0])]])
    assert [f for f in report.findings if f.slug == "refused-names"] == []


def test_names_of_http2() -> None:
    talk = Http2Talk()
    for n in range(4):
        stream = talk.client.get_next_available_stream_id()
        name, status = ("b.example", "421") if n % 2 else ("a.example", "200")
        head = [(":method", "GET"), (":path", f"/{n}"), (":scheme", "http"), (":authority", name)]
        talk.client.send_headers(stream, head, end_stream=True)
        talk.said()
        talk.answers(stream, b"ok", status=status)
    (said,) = of(told_alone(talk), "refused-names")
    assert (values(said)["names"], values(said)["status"]) == ("b.example", "421")
