"""TLS connections that were closed before anything was asked: by whom, and what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.findings.tls.unused_tls import BALANCERS, CERTIFICATE
from lbtrace.model.report import Severity
from lbtrace.pipeline import show
from tests.findings.protocols.test_protocol_mismatch import GATEWAY, GET, frames, told
from tests.findings.simulated import values
from tests.findings.tls.test_tls_alerts import SERVER_HELLO
from tests.http.test_detect import hello
from tests.simulator.script import Script, Spoken, alert

# TLS 1.3: as long as a Finished, as an alert, as a request
FINISHED, CLOSE, ASKED = (bytes((0x17, 3, 3, 0, size)) + bytes(size) for size in (53, 19, 64))


def handshake(connection: Spoken, random: int = 0) -> Spoken:
    begin = hello("a.example", [])
    begin = begin[:11] + random.to_bytes(32, "big") + begin[43:]
    return connection.asks(begin).answers(SERVER_HELLO).asks(FINISHED)


def refused(play: Script, count: int = 3) -> None:
    for n in range(count):
        front = play.front().asks(GET)
        handshake(play.back(8443), n).asks(CLOSE).leaves()
        front.answers(GATEWAY).leaves()
        play.wait(200)


def test_a_balancer_that_does_not_accept_the_certificate(tmp_path: Path) -> None:
    play = Script()
    refused(play)
    report = play.report(tmp_path)
    (finding,) = told(report, "unused-tls")
    assert (finding.slug, finding.severity) == ("unused-tls.backend", Severity.LOW)
    said = values(finding)
    assert (said["closer"], said["count"], said["of"]) == ("balancer", 3, 3)
    assert said["server"] == "10.0.9.11:8443"
    assert finding.remedy == BALANCERS
    assert frames(finding)[:2] == [("backend", 4), ("backend", 12)]
    # the 502s are what came of it, and nothing is hidden where nothing was asked
    (problem,) = report.problems
    kinds = [slug.partition(".")[0] for slug in problem.slugs]
    assert kinds == ["unused-tls", "answered-by-balancer", "errors"]
    assert told(report, "encrypted-traffic") == []
    assert "Nothing was asked on 3 connections with TLS" in report.verdict.reason
    assert report.verdict.next_step.startswith("First find out why the TLS connections on the back")


@pytest.mark.parametrize(
    ("offers", "told_of_it"),
    [
        ((["h2"], ["h2"]), True),
        ((["h2", "http/1.1"], ["h2", "http/1.1"]), False),
        ((["h2"], []), False),
    ],
)
def test_a_client_of_http2_alone_may_miss_its_protocol(
    offers: tuple[list[str], ...], told_of_it: bool, tmp_path: Path
) -> None:
    """gRPC leaves where the server chooses no protocol (RFC 9113 §3.3)."""
    play = Script()
    for offered in offers:
        begun = play.front(443).asks(hello("a.example", offered)).answers(SERVER_HELLO)
        begun.asks(FINISHED).asks(CLOSE).leaves()
        play.wait(100)
    (finding,) = told(play.report(tmp_path), "unused-tls")
    assert ("nothing but h2" in finding.statement) is told_of_it
    assert ("alpn h2" in finding.remedy) is told_of_it


def test_beside_connections_that_were_used_it_is_a_fact(tmp_path: Path) -> None:
    play = Script()
    refused(play)
    handshake(play.back(8443), 9).asks(ASKED).answers(ASKED).leaves()
    (finding,) = told(play.report(tmp_path), "unused-tls")
    assert (values(finding)["count"], values(finding)["of"]) == (3, 4)
    assert (finding.severity, finding.remedy) == (Severity.INFO, "")


@pytest.mark.parametrize(("first", "severity"), [(1, Severity.LOW), (2, Severity.INFO)])
def test_a_server_may_close_first_what_its_client_gave_up(
    first: int, severity: Severity, tmp_path: Path
) -> None:
    """Clients say goodbye by an alert that TLS 1.3 hides; some servers close at that."""
    play = Script()
    for n in range(3):
        back = handshake(play.back(8443), n).asks(CLOSE)
        if n < first:
            back.closes()
        else:
            back.leaves()
        play.wait(100)
    (finding,) = told(play.report(tmp_path), "unused-tls")
    assert (values(finding)["count"], values(finding)["of"]) == (3 - first, 3)
    assert finding.severity is severity


@pytest.mark.parametrize("how", ["asked", "closed by the server", "alert", "no answer"])
def test_who_asked_or_did_not_close_is_not_told(how: str, tmp_path: Path) -> None:
    play = Script()
    for n in range(3):
        if how == "no answer":
            play.back(8443).asks(hello(str(n), [])).leaves()
            continue
        back = handshake(play.back(8443), n)
        if how == "asked":
            back.asks(ASKED).leaves()
        elif how == "alert":
            back.answers(alert(40)).leaves()
        else:
            back.closes()
    assert told(play.report(tmp_path), "unused-tls") == []


def test_what_a_balancer_passes_on_the_client_closed(tmp_path: Path) -> None:
    play = Script()
    for n in range(2):
        front, back = play.front(443), play.back(8443)
        for connection in (front, back):
            handshake(connection, n + 1).asks(CLOSE)
        front.leaves()
        back.leaves()
    (finding,) = told(play.report(tmp_path), "unused-tls")
    assert (finding.slug, values(finding)["closer"]) == ("unused-tls.client", "client")
    assert finding.remedy == CERTIFICATE


def test_of_one_capture(tmp_path: Path) -> None:
    play = Script()
    refused(play, 1)
    play.report(tmp_path)
    (path,) = tmp_path.glob("backend*")
    (finding,) = [f for f in show([[str(path)]]).findings if f.slug.startswith("unused-tls")]
    assert (finding.slug, values(finding)["closer"]) == ("unused-tls", "client end")
