"""Whether both ends speak the same protocol, and what is said when they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Report, Severity
from tests.findings.simulated import values
from tests.http.h2.wire import PREFACE, frame, settings_frame
from tests.http.test_detect import hello
from tests.simulator.script import Script, alert

GET = b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n"
PROXY = b"PROXY TCP4 198.51.100.10 198.51.100.80 40001 80\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def error(status: str, page: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nServer: nginx\r\nContent-Length: {len(page)}\r\n\r\n"
    return (head + page).encode()


BAD = error("400 Bad Request", "<title>400 Bad Request</title>")
PLAIN = error("400 Bad Request", "<title>400 The plain HTTP request was sent to HTTPS port</title>")
GATEWAY = error("502 Bad Gateway", "<title>502 Bad Gateway</title>")


def told(report: Report, slug: str = "protocol-mismatch") -> list[Finding]:
    return [f for f in report.findings if f.slug.startswith(slug)]


def frames(finding: Finding) -> list[tuple[str, int]]:
    return [(f.side.value, f.number) for e in finding.evidence for f in e.frames]


@pytest.mark.parametrize(
    ("asked", "answered", "slug", "says"),
    [
        (GET, alert(70), "http1-to-tls", "alert protocol_version (70) ×2"),
        (hello("a.example", ["h2"]), BAD, "tls-to-http1", '"400 Bad Request" ×2'),
        (PREFACE + settings_frame(), BAD, "http2-to-http1", '"400 Bad Request" ×2'),
        (GET, settings_frame(), "http1-to-http2", None),
    ],
)
def test_ends_that_speak_different_protocols(
    asked: bytes, answered: bytes, slug: str, says: str | None, tmp_path: Path
) -> None:
    play = Script()
    for _ in range(2):
        front = play.front().asks(GET)
        play.back().asks(asked).answers(answered).closes()
        front.answers(GATEWAY).leaves()
    (finding,) = told(play.report(tmp_path))
    assert finding.slug == f"protocol-mismatch.{slug}-backend"
    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, Confidence.CERTAIN)
    said = values(finding)
    assert (said["count"], said["of"], said["server"]) == (2, 2, "10.0.9.11:8080")
    assert said.get("answers") == says
    assert ("{answers}" in finding.statement) is (says is not None)
    assert frames(finding)[:2] == [("backend", 4), ("backend", 6)]


def test_a_scanner_in_front_is_of_low_severity(tmp_path: Path) -> None:
    play = Script()
    play.front().asks(hello("a.example", [])).answers(BAD).closes()
    front = play.front().asks(GET)
    play.back().asks(GET).answers(OK)
    front.answers(OK)
    (finding,) = told(play.report(tmp_path))
    assert (finding.slug, finding.severity) == (
        "protocol-mismatch.tls-to-http1-client",
        Severity.LOW,
    )


def test_a_page_that_says_that_the_port_is_one_of_tls(tmp_path: Path) -> None:
    play = Script()
    front = play.front().asks(GET)
    play.back(8443).asks(GET).answers(PLAIN).closes()
    front.answers(PLAIN).leaves()
    (finding,) = told(play.report(tmp_path))
    assert finding.slug == "protocol-mismatch.http1-to-tls-backend"
    said = values(finding)
    assert said["reason"] == "400 The plain HTTP request was sent to HTTPS port"
    assert (said["status"], said["count"], said["of"]) == ("400", 1, 1)
    assert frames(finding) == [("backend", 4), ("backend", 6)]


def test_in_front_such_a_page_may_be_that_of_a_port_behind(tmp_path: Path) -> None:
    play = Script()
    play.front().asks(GET).answers(PLAIN).closes()
    (finding,) = told(play.report(tmp_path))
    assert finding.slug == "protocol-mismatch.http1-to-tls-client"
    assert "that port, or one behind it," in finding.statement


def proxied(*answers: bytes | None, early: bool = False) -> Script:
    """Connections that begin with a PROXY header, each answered so, or closed."""
    play = Script()
    for answered in answers:
        front = play.front().asks(GET)
        back = play.back().asks(PROXY)
        if early and answered is not None:
            back.answers(answered).asks(GET).closes(reset=True)
        elif answered is None:
            back.closes(reset=True)
        else:
            back.asks(GET).answers(answered).closes()
        if answered is not None:
            front.answers(answered)
        front.closes()
    return play


def test_an_answer_to_the_header_alone_shows_that_it_was_not_expected(tmp_path: Path) -> None:
    (finding,) = told(proxied(BAD, BAD, early=True).report(tmp_path))
    assert (finding.slug, finding.confidence) == (
        "protocol-mismatch.proxy-header-backend",
        Confidence.HIGH,
    )
    assert (values(finding)["count"], values(finding)["before"]) == (2, 2)
    assert frames(finding)[:2] == [("backend", 4), ("backend", 6)]


def test_a_400_behind_the_request_may_be_about_either(tmp_path: Path) -> None:
    (finding,) = told(proxied(BAD, BAD).report(tmp_path))
    assert finding.confidence is Confidence.MEDIUM
    assert "before" not in values(finding)


@pytest.mark.parametrize("early", [True, False])
def test_a_second_header_is_taken_for_the_request(early: bool, tmp_path: Path) -> None:
    """Two proxies in a row: that a header was expected is not the point."""
    play = Script()
    for _ in range(2):
        front = play.front().asks(GET)
        back = play.back().asks(PROXY + PROXY)
        if early:
            back.answers(BAD).asks(GET).closes(reset=True)
        else:
            back.asks(GET).answers(BAD).closes()
        front.answers(BAD).leaves()
    (finding,) = told(play.report(tmp_path))
    assert finding.slug == "protocol-mismatch.proxy-header-backend"
    assert "several PROXY headers" in finding.statement
    assert "the header is what was refused" not in finding.statement
    assert "Two proxies in a row" in finding.remedy


def test_a_header_that_is_answered_by_the_end_of_the_connection(tmp_path: Path) -> None:
    (finding,) = told(proxied(None, None).report(tmp_path))
    assert values(finding)["answers"] == "closed without an answer ×2"


def test_a_header_that_is_answered_by_an_alert(tmp_path: Path) -> None:
    """The server speaks TLS, and takes the header for a broken ClientHello."""
    play = Script()
    for _ in range(2):
        front = play.front().asks(GET)
        play.back().asks(PROXY).answers(alert(70)).closes()
        front.closes()
    (finding,) = told(play.report(tmp_path), "protocol-mismatch.proxy-header-backend")
    assert values(finding)["count"] == 2
    assert "alert protocol_version (70)" in str(values(finding)["answers"])


def test_a_header_that_one_connection_got_through_with_was_expected(tmp_path: Path) -> None:
    assert told(proxied(BAD, OK).report(tmp_path)) == []
    assert told(proxied(OK, OK).report(tmp_path)) == []
    assert told(proxied(error("404 Not Found", "")).report(tmp_path)) == []


@pytest.mark.parametrize("reset", [False, True])
def test_a_server_that_ends_every_connection_at_its_first_bytes(
    reset: bool, tmp_path: Path
) -> None:
    play = Script()
    for _ in range(2):
        front = play.front().asks(GET)
        play.back().asks(GET).closes(reset)
        front.answers(GATEWAY).leaves()
    (finding,) = told(play.report(tmp_path))
    assert finding.slug == "protocol-mismatch.unanswered-backend"
    assert values(finding)["words"] == "a whole plain HTTP request ×2"
    assert frames(finding)[:2] == [("backend", 4), ("backend", 6)]


def test_a_server_that_answers_only_connections_with_a_header(tmp_path: Path) -> None:
    """Checks come with a PROXY header, the requests of clients without."""
    play = Script()
    play.back().asks(PROXY + GET).answers(OK).closes()
    for _ in range(2):
        front = play.front().asks(GET)
        play.back().asks(GET).closes()
        front.answers(GATEWAY).leaves()
    (finding,) = told(play.report(tmp_path))
    assert finding.slug == "protocol-mismatch.proxy-header-missing-backend"
    assert (values(finding)["count"], values(finding)["of"]) == (2, 3)


@pytest.mark.parametrize("answered", [GET, PROXY + GET])
def test_a_header_makes_no_difference_where_both_are_treated_alike(
    answered: bytes, tmp_path: Path
) -> None:
    """One without a header was answered, or one with a header was ended too."""
    play = Script()
    play.back().asks(PROXY + GET).answers(OK).closes()
    play.back().asks(GET).closes()
    if answered is GET:
        play.back().asks(GET).answers(OK).closes()
    else:
        play.back().asks(PROXY + GET).closes()
    slugs = [f.slug for f in told(play.report(tmp_path))]
    assert "protocol-mismatch.proxy-header-missing-backend" not in slugs


@pytest.mark.parametrize("answered", [False, True])
def test_a_server_that_answers_only_tls(answered: bool, tmp_path: Path) -> None:
    """Unless one of the connections in plain HTTP was answered."""
    play = Script()
    play.front(443).asks(hello("a.example", [])).answers(alert(40)).closes()
    for _ in range(2):
        play.front(443).asks(GET).closes()
    if answered:
        play.front(443).asks(GET).answers(OK).closes()
    found = [f for f in told(play.report(tmp_path)) if "tls-missing" in f.slug]
    assert [(f.slug, values(f)["count"], values(f)["of"]) for f in found] == (
        [] if answered else [("protocol-mismatch.tls-missing-client", 2, 3)]
    )


def test_half_a_request_is_no_whole_one(tmp_path: Path) -> None:
    play = Script()
    for _ in range(2):
        play.back().asks(GET[:-2]).closes()
    (finding,) = told(play.report(tmp_path))
    assert values(finding)["words"] == "plain HTTP ×2"


def test_a_hello_that_is_answered_by_nothing_says_which_name_it_asked_for(tmp_path: Path) -> None:
    play = Script()
    play.back().asks(hello("a.example", [])).closes(reset=True)
    (finding,) = told(play.report(tmp_path))
    assert values(finding)["words"] == "a TLS ClientHello for a.example ×1"
    assert finding.severity is Severity.LOW


def test_a_server_that_answered_another_connection_speaks_the_protocol(tmp_path: Path) -> None:
    play = Script()
    play.back().asks(GET).closes(reset=True)
    play.back().asks(GET).answers(OK).closes()
    assert told(play.report(tmp_path)) == []


def test_a_client_that_leaves_and_a_server_that_thinks_long_are_no_mismatch(
    tmp_path: Path,
) -> None:
    play = Script()
    play.back().asks(GET).leaves()
    play.wait(10)
    late = play.back().asks(GET)
    play.wait(5000)
    late.closes()
    assert told(play.report(tmp_path)) == []


def test_each_server_is_told_apart(tmp_path: Path) -> None:
    play = Script()
    for port in (8081, 8082, 8082, 8083):
        play.back(port).asks(GET).closes(reset=True)
    play.back(8083).asks(GET).answers(OK)
    told_of = [(values(f)["server"], values(f)["count"]) for f in told(play.report(tmp_path))]
    assert sorted(told_of) == [("10.0.9.11:8081", 1), ("10.0.9.11:8082", 2)]


@pytest.mark.parametrize("silent", ["server", "client"])
def test_a_connection_on_which_one_end_alone_spoke_shows_no_common_protocol(
    silent: str, tmp_path: Path
) -> None:
    """A server that greets, and a client that waits for what never comes, tell nothing of what the
    server does with the bytes of clients.
    """
    play = Script()
    play.back().asks(GET).closes(reset=True)
    other = play.back()
    if silent == "client":
        other.answers(b"220 ready\r\n").closes()
    else:
        other.asks(GET).leaves()
    (finding,) = told(play.report(tmp_path), "protocol-mismatch.unanswered")
    assert (values(finding)["count"], values(finding)["of"]) == (1, 1)


HELLO = hello("a.example", [])
BACK_HELLO = b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"  # a ServerHello begins like this


@pytest.mark.parametrize("passes", [False, True])
def test_a_server_that_takes_each_client_hello_and_says_nothing(
    passes: bool, tmp_path: Path
) -> None:
    """A plain port whose service waits for the end of a line; the balancer speaks TLS itself, or
    copies the bytes of its clients.
    """
    play = Script()
    for _ in range(2):
        front = play.front(443).asks(HELLO if passes else GET)
        back = play.back().asks(HELLO)
        back.gives_up(2000)
        if not passes:
            front.answers(GATEWAY)
        front.leaves()
    (said,) = told(play.report(tmp_path))
    assert (said.slug, said.severity) == ("protocol-mismatch.tls-unheard-backend", Severity.MEDIUM)
    assert (values(said)["count"], values(said)["server"]) == (2, "10.0.9.11:8080")
    assert 2_000_000_000 <= int(values(said)["waited"]) < 2_100_000_000
    assert "ssl on the listen" in said.remedy


@pytest.mark.parametrize(
    ("waits_ms", "answers", "other"),
    [
        (800, b"", b""),  # it may only be slow
        (2000, BACK_HELLO, b""),  # it speaks TLS
        (2000, b"", BACK_HELLO),  # … with others
    ],
)
def test_a_client_hello_that_is_not_said_to_be_unheard(
    waits_ms: int, answers: bytes, other: bytes, tmp_path: Path
) -> None:
    play = Script()
    if other:
        play.back().asks(HELLO).answers(other).leaves()
    back = play.back().asks(HELLO)
    if answers:
        back.answers(answers)
    back.gives_up(waits_ms)
    assert not told(play.report(tmp_path), "protocol-mismatch.tls-unheard")


def test_a_client_hello_that_nobody_acknowledged_was_lost(tmp_path: Path) -> None:
    play = Script()
    play.back().asks_in_vain(HELLO, 4)
    assert not told(play.report(tmp_path), "protocol-mismatch.tls-unheard")


def test_an_error_after_a_server_that_closes_everything_asks_what_it_expects(
    tmp_path: Path,
) -> None:
    play = Script()
    for n in range(2):
        get = GET.replace(b"/a", b"/%d" % n)[:-2] + b"X-Id: 7f3a9c0d51e24b8%d\r\n\r\n" % n
        front = play.front().asks(get)
        play.back(8443).asks(get).closes()
        front.answers(GATEWAY).leaves()
        play.wait(100)
    (error_told,) = told(play.report(tmp_path), "answered-by-balancer.error")
    assert "TLS, a PROXY header" in error_told.remedy


def test_what_http2_says_to_an_answer_of_http1_is_no_problem_of_its_own(tmp_path: Path) -> None:
    """The client ends the connection by GOAWAY after the error that it got: one cause."""
    goaway = frame(7, 0, 0, bytes((0, 0, 0, 0, 0, 0, 0, 1)))
    # GET, http, / and :authority of RFC 7541 appendix C.4.1
    head = bytes.fromhex("828684418cf1e3c2e5f23a6ba0ab90f4ff")
    play = Script()
    for n in range(2):
        page = GET.replace(b"/a", b"/%d" % n)
        front = play.front().asks(page)
        play.back().asks(page).answers(OK).leaves()
        front.answers(OK).leaves()
    for _ in range(2):
        asked = PREFACE + settings_frame() + frame(1, 5, 1, head)
        play.front().asks(asked).answers(BAD).asks(goaway).leaves()
    report = play.report(tmp_path)
    (said,) = told(report)
    assert said.slug == "protocol-mismatch.http2-to-http1-client"
    assert not told(report, "goaway")
    (problem,) = (p for p in report.problems if "HTTP/2" in p.text)
    assert problem.cause.slug == said.slug
    assert "answered-by-balancer.error" in problem.slugs
