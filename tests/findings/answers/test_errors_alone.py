"""What `show` says of errors: which are none, what they state, and what to do about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.findings._own import LOGIN, NO_SERVER, NONE_HEALTHY, OTHER_HOST, TOO_LATE
from lbtrace.findings.answers.errors import COMPARED, NONE_WORKED
from lbtrace.listing import listing_alone
from lbtrace.model.report import Finding
from lbtrace.pipeline import show
from tests.findings.simulated import values
from tests.simulator.script import Script

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n%s\r\n"
PLAIN = GET % b""
LOGS_IN = GET % b"Authorization: Basic abc\r\n"
TO_PROXY = GET % b"Proxy-Authorization: Basic abc\r\n"


def said(folder: Path, *connections: list[tuple[bytes, bytes]]) -> list[Finding]:
    """`errors.seen` of a capture of these connections: what is asked, and what is answered."""
    play = Script()
    for talk in connections:
        spoken = play.front()
        for request, response in talk:
            spoken.asks(request).answers(response)
        spoken.leaves()
    play.write(folder)
    found = show([[str(folder / "client.pcap")]]).findings
    return [f for f in found if f.slug == "errors.seen"]


def answer(status: str, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


OK = answer("200 OK", b"ok")


@pytest.mark.parametrize(
    ("talk", "count"),
    [
        ([(PLAIN, answer("401 Unauthorized")), (LOGS_IN, OK)], 0),
        ([(PLAIN, answer("407 Proxy Authentication Required")), (TO_PROXY, OK)], 0),
        ([(PLAIN, answer("401 Unauthorized")), (LOGS_IN, answer("403 Forbidden"))], 1),
        ([(PLAIN, answer("401 Unauthorized")), (LOGS_IN, answer("401 Unauthorized"))], 2),
        ([(PLAIN, answer("401 Unauthorized")), (PLAIN, OK)], 1),
        ([(PLAIN, answer("401 Unauthorized")), (TO_PROXY, OK)], 1),
        ([(PLAIN, answer("403 Forbidden")), (LOGS_IN, OK)], 1),
        ([(PLAIN, answer("401 Unauthorized")), (LOGS_IN, b"")], 1),
    ],
)
def test_a_challenge_that_is_answered_well_is_no_error(
    talk: list[tuple[bytes, bytes]], count: int, tmp_path: Path
) -> None:
    assert [values(f)["count"] for f in said(tmp_path, talk)] == ([count] if count else [])


def test_a_login_on_another_connection_answers_no_challenge(tmp_path: Path) -> None:
    found = said(tmp_path, [(PLAIN, answer("401 Unauthorized"))], [(LOGS_IN, OK)])
    assert [values(f)["count"] for f in found] == [1]


HAPROXY = b"<html><body><h1>%s</h1>\n%s\n</body></html>\n"


@pytest.mark.parametrize(
    ("status", "body", "reason", "remedy"),
    [
        (
            "503 Service Unavailable",
            HAPROXY
            % (b"503 Service Unavailable", b"No server is available to handle this request."),
            "No server is available to handle this request",
            NO_SERVER,
        ),
        (
            "504 Gateway Time-out",
            HAPROXY % (b"504 Gateway Time-out", b"The server didn't respond in time."),
            "The server didn't respond in time",
            TOO_LATE,
        ),
        ("421 Misdirected Request", b"", None, OTHER_HOST),
        ("401 Unauthorized", b"", None, LOGIN),
        ("418 Teapot", b"", None, COMPARED),
    ],
)
def test_what_a_status_or_a_page_says_tells_what_to_do(
    status: str, body: bytes, reason: str | None, remedy: str, tmp_path: Path
) -> None:
    (found,) = said(tmp_path, [(PLAIN, answer(status, body)), (PLAIN, OK)])
    assert values(found).get("reason") == reason
    assert found.remedy == remedy


def test_where_nothing_worked_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    (found,) = said(tmp_path, [(PLAIN, answer("404 Not Found"))])
    assert found.remedy == NONE_WORKED


@pytest.mark.parametrize(
    ("phrase", "told"),
    [
        ("Backend fetch failed", "Backend fetch failed"),
        ("Service Temporarily Unavailable", None),
        ("Service Unavailable", None),
    ],
)
def test_a_reason_phrase_of_its_own_is_told(phrase: str, told: str | None, tmp_path: Path) -> None:
    """The page repeats it, so each of these answers says it."""
    page = b"<title>503 %s</title>" % phrase.encode()
    (found,) = said(tmp_path, [(PLAIN, answer(f"503 {phrase}", page)), (PLAIN, OK)])
    assert values(found).get("reason") == told


def test_a_phrase_of_a_status_that_nobody_defined_is_not_compared(tmp_path: Path) -> None:
    (found,) = said(tmp_path, [(PLAIN, answer("599 Odd", b"<title>599 Odd</title>")), (PLAIN, OK)])
    assert "reason" not in values(found)


def test_errors_of_several_statuses_say_each_its_reason(tmp_path: Path) -> None:
    """The most frequent one whose reason is known tells what to do."""
    oops, none = answer("500 Oops", b"oops"), answer("503 Sorry", b"no healthy upstream")
    (found,) = said(tmp_path, [(PLAIN, oops), (PLAIN, none), (PLAIN, none), (PLAIN, OK)])
    assert values(found)["stated"] == '500 "oops", 503 "no healthy upstream"'
    assert "reason" not in values(found)
    assert found.remedy == NONE_HEALTHY
    (found,) = said(tmp_path, [(PLAIN, oops), (PLAIN, answer("502 No", b"")), (PLAIN, OK)])
    assert values(found)["stated"] == '500 "oops"'


@pytest.mark.parametrize(
    ("of_error", "of_others", "told"),
    [
        ("awselb/2.0", "gunicorn", "Their Server field says {signed}, that of the other"),
        ("nginx", "", "Their Server field says {signed}, and the other responses have none"),
        ("", "gunicorn", "They have no Server field, and that of the other responses says"),
        ("", "", "One capture does not show who made them"),
        ("nginx", "nginx", "One capture does not show who made them"),
        ("nginx", "NGINX", "One capture does not show who made them"),
    ],
)
def test_who_signs_other_responses_did_not_make_errors_that_are_signed_otherwise(
    of_error: str, of_others: str, told: str, tmp_path: Path
) -> None:
    (found,) = said(
        tmp_path,
        [
            (PLAIN, signed("200 OK", of_others)),
            (PLAIN, signed("503 Service Unavailable", of_error)),
        ],
        [(PLAIN, signed("200 OK", of_others))],
    )
    assert told in found.statement


@pytest.mark.parametrize("sometimes", ["200 OK", "503 Service Unavailable"])
def test_who_signs_only_some_of_its_responses_may_have_made_all(
    sometimes: str, tmp_path: Path
) -> None:
    talk = [
        (PLAIN, signed(status, server))
        for status in ("200 OK", "503 Service Unavailable")
        for server in (["nginx", ""] if status == sometimes else [""])
    ]
    (found,) = said(tmp_path, talk)
    assert "One capture does not show who made them" in found.statement


def test_errors_alone_are_compared_with_nothing(tmp_path: Path) -> None:
    (found,) = said(tmp_path, [(PLAIN, signed("503 Service Unavailable", "nginx"))])
    assert "One capture does not show who made them" in found.statement


def signed(status: str, server: str) -> bytes:
    field = f"Server: {server}\r\n" if server else ""
    return f"HTTP/1.1 {status}\r\n{field}Content-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("early", "lost", "of", "statuses"),
    [
        (True, None, 0, [(400, 1)]),
        (False, None, 1, [(0, 1)]),
        (True, "SYN", 1, [(0, 1)]),  # then the answer may be one to a request before the capture
        (True, "header", 1, [(0, 1)]),  # or to a request that the capture lost
    ],
)
def test_what_was_answered_before_it_was_asked_is_no_request_without_an_answer(
    early: bool, lost: str | None, of: int, statuses: list[tuple[int, int]], tmp_path: Path
) -> None:
    """A server refuses a PROXY header; the request behind it was on its way."""
    play = Script()
    back = play.back()
    if lost == "SYN":
        play.backend.clear()
    back.asks(b"PROXY TCP4 192.0.2.9 198.51.100.80 4001 80\r\n")
    if lost == "header":
        del play.backend[-2]
    if early:
        back.answers(answer("400 Bad Request", b"no"))
    back.asks(PLAIN).closes()
    play.write(tmp_path)
    (alone,) = show([[str(tmp_path / "backend.pcap")]]).captures
    unanswered = [values(f)["count"] for f in alone.findings if f.slug == "errors.unanswered"]
    assert unanswered == [1] * of
    assert listing_alone(alone.trace, ()).statuses == statuses


@pytest.mark.parametrize(
    ("status", "told"),
    [("502 Bad Gateway", True), ("400 Bad Request", False), ("500 Internal Server Error", False)],
)
def test_what_a_server_refuses_by_itself_it_need_not_sign(
    status: str, told: bool, tmp_path: Path
) -> None:
    """Go answers 400 before any program that is written with it sees the request."""
    talk = [(PLAIN, signed("200 OK", "Caddy")), (PLAIN, signed(status, ""))]
    (found,) = said(tmp_path, talk)
    assert ("another program" in found.statement) is told
