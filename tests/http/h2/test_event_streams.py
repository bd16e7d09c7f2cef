"""Event streams of HTTP/2, which take turns on a connection with others."""

from __future__ import annotations

from lbtrace.model.event_stream import EventStream
from tests.http.h2.wire import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    End,
    frame,
    settings_frame,
)
from tests.http.streams import MS, Talk, hear

EVENT = b"data: tick\n\n"


def over_http2(lost: bool = False) -> Talk:
    """Two streams that take turns, one of them of events."""
    client, server = End(), End()
    talk = Talk().client(PREFACE + settings_frame())
    ask = (":method", "GET"), (":path", "/"), (":scheme", "http")
    for stream in (1, 3):
        talk.client(frame(HEADERS, END_HEADERS | END_STREAM, stream, client.block(*ask)))
    talk.server(settings_frame())
    kinds = {1: "text/event-stream", 3: "text/plain"}
    for stream, kind in kinds.items():
        block = server.block((":status", "200"), ("content-type", kind))
        talk.server(frame(HEADERS, END_HEADERS, stream, block))
    for wait in (10, 300, 20):
        talk.server(frame(DATA, 0, 3, EVENT))
        talk.frame += wait
        talk.server(frame(DATA, 0, 1, EVENT), lost=lost and wait == 300)
    return talk.server(frame(DATA, END_STREAM, 1, b""))


def test_each_stream_of_http2_has_silences_of_its_own() -> None:
    assert hear(over_http2()).event_streams == [EventStream(0, 3, 302 * MS)]


def test_of_http2_with_a_byte_missing_neither_is_known() -> None:
    assert hear(over_http2(lost=True)).event_streams == [EventStream(0, None, None)]
