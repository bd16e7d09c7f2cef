"""Request smuggling recorded on the wire: a proxy that passes a request with Content-Length and
Transfer-Encoding on as it is.

desync/clte-*: the proxy reads Content-Length, the backend Transfer-Encoding; desync/tecl-*: the
other way round. Three GETs, then a POST /search that hides GET /admin/delete?user=7 in what the
proxy takes for its body, then three GETs of other clients, each of which gets the answer to the
request before its own. Recorded on a loopback of their own, proxy and backend in Python. And
responses of the backend that can be read in two ways.
"""

from pathlib import Path

import pytest

import lbtrace
from lbtrace.model.pairing import Confidence, UnpairedReason
from lbtrace.model.report import Severity
from lbtrace.pipeline import show
from tests.findings.protocols.test_protocol_mismatch import told
from tests.findings.simulated import values
from tests.simulator.script import Script

HERE = Path(__file__).parent / "desync"


@pytest.mark.parametrize("kind", ["clte", "tecl"])
def test_one_request_that_became_two_and_whose_answers_crossed(kind: str) -> None:
    report = lbtrace.compare(HERE / f"{kind}-client.pcap", HERE / f"{kind}-backend.pcap")
    found = {f.slug: f for f in report.findings if f.slug.startswith("framing-desync")}
    assert set(found) == {"framing-desync.smuggled", "framing-desync.crossed-answers"}
    assert {f.severity for f in found.values()} == {Severity.CRITICAL}
    assert found["framing-desync.smuggled"].confidence is Confidence.HIGH
    smuggled = {v.name: v.value for v in found["framing-desync.smuggled"].values}
    assert smuggled["target"] == "/search"
    assert smuggled.get("smuggled", "GET /admin/delete?user=7") == "GET /admin/delete?user=7"
    assert {v.name: v.value for v in found["framing-desync.crossed-answers"].values}["count"] == 3


@pytest.mark.parametrize("kind", ["clte", "tecl"])
def test_who_got_anothers_answer_is_paired_with_nobody(kind: str) -> None:
    report = lbtrace.compare(HERE / f"{kind}-client.pcap", HERE / f"{kind}-backend.pcap")
    client = report.clients[0]
    paired = {p.client.id for p in report.correlation.pairs if p.confidence is not Confidence.LOW}
    targets = {client.exchanges[i].request.target for i in paired if client.exchanges[i].request}  # type: ignore[union-attr]
    assert targets <= {"/item/0", "/item/1", "/item/2", "/search", "/admin/delete?user=7"}
    crossed = [u for u in report.correlation.unpaired if u.side == "client"]
    assert {u.reason for u in crossed} == {UnpairedReason.UNKNOWN}


HEAD = b"HEAD /page HTTP/1.1\r\nHost: a.example\r\n\r\n"
HEAD_OF_FIVE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


@pytest.mark.parametrize(
    ("passed_on", "variant"),
    [(HEAD_OF_FIVE + b"hello", "response"), (HEAD_OF_FIVE, "response-mended")],
)
def test_a_body_that_answers_head_reaches_the_client_or_does_not(
    passed_on: bytes, variant: str, tmp_path: Path
) -> None:
    play = Script()
    for n in range(3):
        ask = HEAD.replace(b"page", b"page%d" % n)
        front = play.front().asks(ask)
        play.back().asks(ask).answers(HEAD_OF_FIVE + b"hello").closes()
        front.answers(passed_on).closes()
        play.wait(100)
    (said,) = told(play.report(tmp_path), "framing-desync")
    assert said.slug == f"framing-desync.{variant}"
    assert ("reached clients" in said.statement) == (passed_on != HEAD_OF_FIVE)
    assert values(said)["count"] == 3


UNCHANGED = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n%05d"


def asked_again(got: bytes = UNCHANGED) -> Script:
    """Each page is asked for twice; the second answer says 304, and a body follows behind the
    balancer.
    """
    play = Script()
    for n in range(3):
        front, back = play.front(), play.back()
        for given, passed in ((PAGE % n, PAGE % n), (UNCHANGED + b"not again", got)):
            ask = b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % n
            front.asks(ask)
            back.asks(ask).answers(given)
            front.answers(passed)
        front.leaves()
        back.closes()
        play.wait(100)
    return play


def test_bytes_behind_a_status_without_a_body_are_told_and_part_no_pair(tmp_path: Path) -> None:
    report = asked_again().report(tmp_path)
    assert len(report.correlation.pairs) == 6
    (said,) = told(report, "framing-desync")
    assert said.slug == "framing-desync.response-mended"
    assert (values(said)["count"], values(said)["empty"]) == (3, 3)


@pytest.mark.parametrize(("lost", "count"), [(False, 3), (True, 0)])
def test_one_capture_shows_them_where_it_has_every_byte(
    lost: bool, count: int, tmp_path: Path
) -> None:
    play = asked_again()
    if lost:
        play.backend = [p for p in play.backend if b"HTTP/1.1 200" not in p.data]
    report = show([[str(play.write(tmp_path)[1])]])
    said = [f for f in report.findings if f.slug.startswith("framing-desync")]
    assert [(f.slug, values(f)["count"]) for f in said] == (
        [("framing-desync.seen-responses", 3)] if count else []
    )


def test_one_capture_shows_requests_that_can_be_read_in_two_ways(tmp_path: Path) -> None:
    play = Script()
    ask = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    play.front().asks(ask + b"0\r\n\r\n").answers(PAGE % 1).leaves()
    report = show([[str(play.write(tmp_path)[0])]])
    (said,) = [f for f in report.findings if f.slug.startswith("framing-desync")]
    assert (said.slug, values(said)["count"]) == ("framing-desync.seen-requests", 1)
    assert said.remedy
