"""Responses whose end depends on a request that may not be known."""

from __future__ import annotations

import pytest

from lbtrace.model.http import Framing, Mark
from tests.http.streams import Talk, get, hear, ok, story

SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def bodies(talk: Talk) -> list[tuple[Framing, int, bool]]:
    return [
        (e.response.body.framing, e.response.body.length, e.response.body.complete)
        for e in hear(talk).exchanges
        if e.response is not None
    ]


@pytest.mark.parametrize("head", [SIZED, CHUNKED])
def test_a_request_from_before_the_capture_may_have_been_head(head: bytes) -> None:
    """Who asked is not known; what follows the head is the next response."""
    talk = Talk(syn=False).server(head).server(ok(b"x"), ack=0)
    found = bodies(talk)
    assert found[-1] == (Framing.CONTENT_LENGTH, 1, True)
    assert len(found) == (2 if head is SIZED else 1) or found[0][0] is Framing.NONE


def test_a_body_that_begins_like_a_response_is_a_body_where_the_request_is_known() -> None:
    inner = ok(b"inner")
    talk = Talk().client(get("/a")).server(ok(inner)).client(get("/b")).server(ok(b"b"))
    assert bodies(talk) == [
        (Framing.CONTENT_LENGTH, len(inner), True),
        (Framing.CONTENT_LENGTH, 1, True),
    ]


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_a_bodiless_response_in_front_of_a_gap_swallows_nothing(status: str) -> None:
    """Requests are pipelined and one was lost, so that no response knows its request."""
    silent = f"HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\n".encode()
    talk = Talk().client(get("/a")).client(get("/b")).client(get("/h", method="HEAD"))
    talk.server(ok(b"a")).server(ok(b"b"), lost=True).server(silent)
    talk.server(ok(b"c"), lost=True).server(ok(b"d"))
    found = bodies(talk)
    assert found == [
        (Framing.CONTENT_LENGTH, 1, True),
        (Framing.NONE, 0, True),
        (Framing.CONTENT_LENGTH, 1, True),
    ]


def test_a_body_in_a_gap_is_read_where_the_method_is_not_known() -> None:
    """Bytes are missing behind the head: they are its body, or the next response; it is cut."""
    talk = Talk().client(get("/a")).client(get("/b")).client(get("/h", method="HEAD"))
    talk.server(ok(b"a")).server(ok(b"b"), lost=True).server(SIZED)
    talk.server(b"y" * 50, lost=True).server(ok(b"d"))
    assert bodies(talk) == [
        (Framing.CONTENT_LENGTH, 1, True),
        (Framing.CONTENT_LENGTH, 0, False),
        (Framing.CONTENT_LENGTH, 1, True),
    ]


def test_the_last_head_of_a_stream_may_answer_head() -> None:
    """Nothing follows, and nothing is missing: no byte of a body was sent."""
    talk = Talk().client(get("/a")).client(get("/b")).client(get("/h", method="HEAD"))
    talk.server(ok(b"a")).server(ok(b"b"), lost=True).server(SIZED)
    assert bodies(talk)[-1] == (Framing.NONE, 0, True)


def test_interim_responses_without_a_final_one_go_to_the_request_that_waits() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    heard = hear(Talk().client(get("/a")).server(ok(b"a")).client(get("/b")).server(early))
    assert story(heard) == [("/a", 200), ("/b", None)]
    assert [len(e.interim) for e in heard.exchanges] == [0, 1]
    heard = hear(Talk(syn=False).server(early).server(early).fin())
    (alone,) = heard.exchanges
    assert (alone.request, alone.response) == (None, None)
    assert [i.status for i in alone.interim] == [103, 103]
    assert alone.interim[0].frame == 1
    assert alone.marks == (Mark.CLOSED,)
    assert alone.first_frame == 1


def test_a_cut_interim_response() -> None:
    heard = hear(Talk().client(get("/a")).server(b"HTTP/1.1 103 Early Hints\r\nLink: </"))
    (found,) = heard.exchanges
    assert [i.status for i in found.interim] == [103]
    assert found.response is None


@pytest.mark.parametrize("status", [101, 199, 200])
def test_which_responses_are_final(status: int) -> None:
    asked = get("/a", "Upgrade: x")
    heard = hear(Talk().client(asked).server(f"HTTP/1.1 {status} x\r\n\r\n".encode()).fin())
    (found,) = heard.exchanges
    assert (found.response is not None) == (status != 199)
    assert len(found.interim) == (status == 199)


def test_junk_in_front_of_a_response() -> None:
    heard = hear(Talk().client(get("/a")).server(b"junk\r\n").server(ok(b"x")))
    assert story(heard) == [("/a", 200)]
    heard = hear(Talk().client(get("/a")).server(b"\r\n" + ok(b"x")))
    assert story(heard) == [("/a", 200)]
    assert heard.slugs == {"leading-empty-lines"}
