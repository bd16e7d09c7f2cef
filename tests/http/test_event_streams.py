"""Event streams: how many events came, and for how long nothing did."""

from __future__ import annotations

import gzip

import pytest

from lbtrace.model.event_stream import EventStream
from tests.http.streams import MS, Talk, get, hear, ok

KIND = "Content-Type: text/event-stream; charset=utf-8"
HEAD = f"HTTP/1.1 200 OK\r\n{KIND}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
EVENT = b"data: tick\n\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def streaming(*waits: int) -> Talk:
    """A stream with an event after each of these times, in ms."""
    talk = Talk().client(get("/events")).server(HEAD)
    for wait in waits:
        talk.frame += wait - 1
        talk.server(chunk(EVENT))
    return talk


@pytest.mark.parametrize("careful", [False, True])
def test_of_a_chunked_body(careful: bool) -> None:
    talk = streaming(5, 900, 3).server(b"0\r\n\r\n")
    other = Talk().client(get("/")).server(ok(EVENT))
    assert hear(other, talk, careful=careful).event_streams == [EventStream(1, 3, 900 * MS)]


@pytest.mark.parametrize("careful", [False, True])
def test_of_a_body_with_a_length(careful: bool) -> None:
    talk = Talk().client(get("/events")).server(ok(EVENT * 2, KIND))
    assert hear(talk, careful=careful).event_streams == [EventStream(0, 2, 0)]


def test_of_a_body_that_ends_with_the_connection() -> None:
    talk = Talk().client(get("/events"))
    talk.server(f"HTTP/1.1 200 OK\r\n{KIND}\r\n\r\n".encode() + EVENT)
    talk.server(b": keep\n\n").server(EVENT).fin()
    assert hear(talk).event_streams == [EventStream(0, 2, MS)]


def test_a_stream_that_goes_on_when_the_capture_ends() -> None:
    assert hear(streaming(5, 40)).event_streams == [EventStream(0, 2, 40 * MS)]


def test_with_a_byte_missing_neither_is_known() -> None:
    talk = streaming(5).server(chunk(EVENT), lost=True).server(chunk(EVENT))
    assert hear(talk).event_streams == [EventStream(0, None, None)]
    cut = streaming(5).server(chunk(EVENT), lost=True)
    assert hear(cut).event_streams == [EventStream(0, None, None)]


def test_events_of_a_compressed_body_are_not_counted() -> None:
    body = gzip.compress(EVENT)
    talk = Talk().client(get("/events")).server(ok(body, KIND, "Content-Encoding: gzip"))
    assert hear(talk).event_streams == [EventStream(0, None, 0)]
