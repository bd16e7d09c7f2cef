"""What is complete and what was cut short on an HTTP/2 stream (RFC 9113 §5.1, §8.1)."""

from __future__ import annotations

import struct

import pytest
import xxhash

from lbtrace.model.http import Exchange, Framing, Mark
from tests.http.h2.wire import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    RST,
    End,
    frame,
    settings_frame,
)
from tests.http.streams import Talk, hear

NO_ERROR, CANCEL, REFUSED = 0, 8, 7


def reset(stream: int, code: int) -> bytes:
    return frame(RST, 0, stream, struct.pack(">I", code))


def exchange(asked: bytes, answered: bytes, *more: tuple[int, bytes]) -> Exchange:
    talk = Talk().client(PREFACE + settings_frame() + asked).server(settings_frame() + answered)
    for who, data in more:
        talk.say(who, data)
    (found,) = hear(talk).exchanges
    return found


def upload(client: End, rest: bytes = b"") -> bytes:
    head = client.block((":method", "POST"), (":path", "/up"), (":scheme", "http"))
    return frame(HEADERS, END_HEADERS, 1, head) + frame(DATA, 0, 1, b"half of it") + rest


@pytest.mark.parametrize("code", [NO_ERROR, CANCEL])
@pytest.mark.parametrize("later", [False, True])
def test_an_early_answer_that_ended_is_complete_whatever_reset_follows(
    code: int, later: bool
) -> None:
    """§8.1: a server may answer early, and then ask the client to stop sending."""
    answer = End().answer(1, b"too big", ("content-length", "7"))
    stop = reset(1, code)
    found = exchange(upload(End()), answer if later else answer + stop, (1, stop * later))
    assert found.marks == ()
    assert found.request is not None
    assert found.response is not None
    assert found.response.body == (
        Framing.DATA_FRAMES,
        7,
        7,
        True,
        xxhash.xxh3_128_hexdigest(b"too big"),
        None,
        None,
    )
    assert found.response.marks == ()
    assert not found.request.body.complete
    assert found.request.body.digest is None
    assert found.request.marks == (Mark.BODY_TRUNCATED, Mark.RESET)


def test_an_answer_without_content_is_complete_too() -> None:
    found = exchange(upload(End()), End().answer(1) + reset(1, NO_ERROR))
    assert found.response is not None
    assert found.response.body == (Framing.NONE, 0, None, True, None, None, None)
    assert found.response.marks == ()


@pytest.mark.parametrize("who", [0, 1])
def test_an_answer_that_did_not_end_is_cut_by_a_reset_of_either_end(who: int) -> None:
    server = End()
    begun = frame(HEADERS, END_HEADERS, 1, server.block((":status", "200"))) + frame(
        DATA, 0, 1, b"begun"
    )
    found = exchange(End().ask(1, "/a"), begun, (who, reset(1, CANCEL)))
    assert found.request is not None
    assert found.response is not None
    assert found.response.marks == (Mark.BODY_TRUNCATED, Mark.RESET)
    assert not found.response.body.complete
    assert found.request.body.complete
    assert found.request.marks == ()


def test_without_a_reset_the_end_of_the_connection_cuts() -> None:
    server = End()
    begun = frame(HEADERS, END_HEADERS, 1, server.block((":status", "200")))
    found = exchange(End().ask(1, "/a"), begun)
    assert found.response is not None
    assert found.response.marks == (Mark.BODY_TRUNCATED, Mark.CAPTURE_ENDED)


def test_a_stream_that_was_reset_before_any_answer() -> None:
    for who in (0, 1):
        found = exchange(End().ask(1, "/a"), b"", (who, reset(1, REFUSED)))
        assert found.response is None
        assert found.marks == (Mark.RESET,)


def test_holes_are_not_forgiven_by_the_end_of_the_stream() -> None:
    server = End()
    head = frame(HEADERS, END_HEADERS, 1, server.block((":status", "200")))
    body = frame(DATA, END_STREAM, 1, b"x" * 100)
    talk = Talk().client(PREFACE + settings_frame() + End().ask(1, "/a"))
    talk.server(settings_frame() + head + body[:50]).server(body[50:80], lost=True)
    (found,) = hear(talk.server(body[80:])).exchanges
    assert found.response is not None
    assert (found.response.body.complete, found.response.body.length) == (False, 70)
    assert found.response.marks == (Mark.BODY_TRUNCATED,)
