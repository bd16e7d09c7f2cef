"""TLS handshakes that ended in an alert: who sent it, which it was, which name was asked for."""

from __future__ import annotations

from pathlib import Path

from lbtrace.findings.tls.tls_alerts import REMEDY, SNI
from lbtrace.model.report import Finding, Report, Severity
from tests.findings.protocols.test_protocol_mismatch import GATEWAY, GET, OK, frames, told
from tests.findings.simulated import values
from tests.http.test_detect import hello
from tests.simulator.script import Script, Spoken, alert

SERVER_HELLO = bytes((0x16, 3, 3, 0, 4)) + b"\x02\0\0\0"


def alerts(report: Report) -> list[Finding]:
    return told(report, "tls-alerts")


def handshake(play: Script, name: str | None) -> Spoken:
    return play.back(8443).asks(hello(name, []))


def test_a_server_that_was_asked_for_no_name(tmp_path: Path) -> None:
    play = Script()
    for _ in range(3):
        front = play.front().asks(GET)
        handshake(play, None).answers(alert(112)).closes()
        front.answers(GATEWAY).leaves()
    report = play.report(tmp_path)
    (finding,) = alerts(report)
    assert (finding.slug, finding.severity) == ("tls-alerts.by-server-backend", Severity.MEDIUM)
    said = values(finding)
    assert (said["count"], said["of"], said["server"]) == (3, 3, "10.0.9.11:8443")
    assert (said["alert"], said["number"], said["names"]) == ("unrecognized_name", "112", "none ×3")
    assert finding.remedy == SNI
    # the 502s are what came of it, and nothing is hidden where nothing was carried
    (problem,) = report.problems
    kinds = [slug.partition(".")[0] for slug in problem.slugs]
    assert kinds == ["tls-alerts", "answered-by-balancer", "errors"]
    assert (
        "handshakes of 3 connections on the backend side ended in an alert" in report.verdict.reason
    )
    assert report.verdict.next_step.startswith("First mend the TLS handshakes on the backend side")
    assert frames(finding)[:2] == [("backend", 4), ("backend", 6)]
    assert told(report) == []  # both ends speak TLS


def test_a_name_that_the_server_does_not_know(tmp_path: Path) -> None:
    play = Script()
    handshake(play, "a.example").answers(alert(112)).closes()
    handshake(play, "b.example").answers(SERVER_HELLO + b"\x17\x03\x03\x00\x01x").closes()
    (finding,) = alerts(play.report(tmp_path))
    assert (values(finding)["of"], values(finding)["names"]) == (2, "a.example ×1")
    assert finding.remedy == REMEDY[112]


def test_a_client_that_does_not_trust_the_certificate(tmp_path: Path) -> None:
    play = Script()
    handshake(play, "a.example").answers(SERVER_HELLO).asks(alert(48)).leaves()
    (finding,) = alerts(play.report(tmp_path))
    assert finding.slug == "tls-alerts.by-client-backend"
    assert values(finding)["alert"] == "unknown_ca"
    assert finding.remedy == REMEDY[48]


def test_an_alert_of_its_own_kind_each(tmp_path: Path) -> None:
    play = Script()
    for number in (40, 70, 40):
        handshake(play, "a.example").answers(alert(number)).closes()
    assert [(values(f)["alert"], values(f)["count"]) for f in alerts(play.report(tmp_path))] == [
        ("handshake_failure", 2),
        ("protocol_version", 1),
    ]


def test_handshakes_of_which_some_succeed_hide_what_those_carry(tmp_path: Path) -> None:
    play = Script()
    front = play.front().asks(GET)
    handshake(play, "a.example").answers(alert(112)).closes()
    other = handshake(play, "b.example").answers(SERVER_HELLO)
    other.asks(b"\x17\x03\x03\x00\x01x").closes()
    front.answers(GATEWAY).leaves()
    report = play.report(tmp_path)
    (hidden,) = [f for f in report.findings if f.slug.startswith("encrypted-traffic")]
    assert (values(hidden)["count"], values(hidden)["of"]) == (1, 2)
    assert "TLS hides the exchanges of 1 connection" in report.verdict.reason
    assert "mend" not in report.verdict.next_step


def test_a_warning_and_an_ordinary_end_are_no_errors(tmp_path: Path) -> None:
    play = Script()
    handshake(play, "a.example").answers(alert(112, level=1) + SERVER_HELLO).asks(alert(0)).leaves()
    assert alerts(play.report(tmp_path)) == []


def test_on_the_client_side_some_clients_are_scanners(tmp_path: Path) -> None:
    play = Script()
    play.front(443).asks(hello("a.example", [])).answers(alert(70)).closes()
    play.front(443).asks(hello("a.example", [])).answers(SERVER_HELLO).closes()
    (finding,) = alerts(play.report(tmp_path))
    assert (finding.slug, finding.severity) == ("tls-alerts.by-server-client", Severity.LOW)


def test_an_alert_is_something_that_happened_behind(tmp_path: Path) -> None:
    play = Script()
    for n in range(3):
        front = play.front().asks(GET.replace(b"/a", b"/%d" % n))
        back = play.back().asks(GET.replace(b"/a", b"/%d" % n))
        back.answers(OK.replace(b"ok", b"%02d" % n)).closes()
        front.answers(OK.replace(b"ok", b"%02d" % n)).leaves()
        play.wait(500)
    front = play.front().asks(GET.replace(b"/a", b"/tls"))
    handshake(play, None).answers(alert(40)).closes()
    front.answers(GATEWAY).leaves()
    (finding,) = told(play.report(tmp_path), "answered-by-balancer")
    assert values(finding)["event"] == "a TLS handshake ended in a fatal alert"
