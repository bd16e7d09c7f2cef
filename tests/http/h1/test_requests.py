"""HTTP/0.9, as monitors of balancers ask: a line without a version, answered by bare content."""

from __future__ import annotations

import pytest
import xxhash

from lbtrace.model.http import Exchange, Framing, Mark, Protocol
from tests.http.streams import Heard, Talk, hear, ok

PAGE = b"<html>the shop is open</html>\n"
LINES = (
    b"GET /\r\n",
    b"GET /\n",
    b"GET /\r\n\r\n",
    b"GET /health?a=b\r\n\r\n\r\n",
    b"GET /up \r\n",
)


def only(heard: Heard) -> Exchange:
    assert heard.applications[0].protocol is Protocol.HTTP1
    (found,) = heard.exchanges
    return found


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("asked", LINES)
def test_content_until_the_close_answers_it(asked: bytes, cut: bool) -> None:
    talk = Talk()
    for part in (asked[:3], asked[3:]) if cut else (asked,):
        talk.client(part)
    found = only(hear(talk.server(PAGE[:9]).server(PAGE[9:]).fin()))
    request, response = found.request, found.response
    assert request is not None
    assert response is not None
    assert (request.method, request.target) == ("GET", asked.split()[1].decode())
    assert (request.version, response.version) == ("HTTP/0.9", "HTTP/0.9")
    assert (response.status, response.reason, response.lines) == (0, "", ())
    assert response.body[:5] == (
        Framing.UNTIL_CLOSE,
        len(PAGE),
        None,
        True,
        xxhash.xxh3_128_hexdigest(PAGE),
    )
    assert response.last_frame - response.first_frame == 1
    assert response.offset == 0
    assert found.marks == ()
    assert request.marks == (Mark.MALFORMED,)
    assert response.marks == ()


def test_it_says_what_it_is_and_nothing_else() -> None:
    heard = hear(Talk().client(LINES[2]).server(PAGE).fin())
    assert heard.slugs == {"http-0.9-request"}


@pytest.mark.parametrize("asked", LINES)
def test_a_status_line_in_the_answer_is_read(asked: bytes) -> None:
    found = only(hear(Talk().client(asked).server(ok(PAGE)).fin()))
    assert found.response is not None
    assert (found.response.status, found.response.version) == (200, "HTTP/1.1")
    assert found.response.body.length == len(PAGE)


def test_content_that_is_cut_short_says_so() -> None:
    for reset, mark in ((False, Mark.CAPTURE_ENDED), (True, Mark.RESET)):
        talk = Talk(reset=reset).client(LINES[0]).server(PAGE)
        found = only(hear(talk))
        assert found.response is not None
        assert found.response.marks == (Mark.BODY_TRUNCATED, mark)
        assert found.response.body.digest is None
    lost = Talk().client(LINES[0]).server(PAGE).server(PAGE, lost=True).server(PAGE).fin()
    found = only(hear(lost))
    assert found.response is not None
    assert found.response.marks == (Mark.BODY_TRUNCATED, Mark.CLOSED)
    assert found.response.body.length == 2 * len(PAGE)


def test_nothing_answers_it() -> None:
    found = only(hear(Talk().client(LINES[2]).fin()))
    assert found.response is None
    assert found.marks == (Mark.CLOSED,)


def test_one_that_is_refused_in_clear_words() -> None:
    found = only(hear(Talk().client(LINES[2]).server(b"HTTP/1.1 400 Bad Request\r\n\r\n").fin()))
    assert found.response is not None
    assert found.response.status == 400


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (b"GET /\r\nmore", PAGE),
        (b"GET /\r\n\r\nQUIT\r\n", PAGE),
        (b"GET key\r\n", b"VALUE key 0 1\r\nx\r\nEND\r\n"),
        (b"GET /key\r\n", b"$5\r\nvalue\r\n"),
        (b"POST /\r\n", PAGE),
        (b"GET /\0\r\n", PAGE),
    ],
)
def test_what_only_resembles_it_is_no_http(asked: bytes, answered: bytes) -> None:
    heard = hear(Talk().client(asked).server(answered).fin())
    assert heard.applications[0].protocol is Protocol.OTHER
    assert heard.exchanges == []


def test_in_the_middle_of_a_connection_it_is_no_request() -> None:
    heard = hear(Talk(syn=False).client(LINES[0]).server(PAGE).fin())
    assert heard.applications[0].protocol is Protocol.OTHER
