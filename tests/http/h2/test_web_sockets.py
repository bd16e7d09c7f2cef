"""WebSockets on HTTP/2 streams: see tests/http/test_websocket.py for what is in them."""

from __future__ import annotations

from tests.http.h2.wire import DATA, END_HEADERS, HEADERS, PREFACE, RST, End, frame, settings_frame
from tests.http.streams import Talk, hear


def asked(*streams: int) -> tuple[Talk, End]:
    client = End()
    talk = Talk().client(PREFACE + settings_frame()).server(settings_frame())
    for stream in streams:
        block = client.block((":method", "CONNECT"), (":protocol", "websocket"), (":path", "/c"))
        talk.client(frame(HEADERS, END_HEADERS, stream, block))
    return talk, End()


def test_streams_are_apart() -> None:
    talk, server = asked(1, 3)
    for stream in (3, 1):
        talk.server(frame(HEADERS, END_HEADERS, stream, server.block((":status", "200"))))
    talk.client(frame(DATA, 0, 1, b"\x82\x80abcd") + frame(DATA, 0, 3, b"\x82\x81abcd"))
    talk.client(frame(DATA, 0, 3, b"x"))
    found = hear(talk).web_sockets
    assert [(w.stream, w.client.messages, w.client.bytes) for w in found] == [(1, 1, 0), (3, 1, 1)]
    assert [(w.client.digest, w.client.last_frame) for w in found] == [(None, 7), (None, 8)]


def test_a_stream_that_is_reset_has_ended() -> None:
    talk, server = asked(1)
    talk.server(frame(HEADERS, END_HEADERS, 1, server.block((":status", "200"))))
    talk.client(frame(DATA, 0, 1, b"\x82\x80abcd") + frame(RST, 0, 1, b"\0\0\0\x08"))
    (found,) = hear(talk).web_sockets
    assert found.client.digest is not None
    assert found.client.close_code is None
    assert (found.server.messages, found.server.last_frame) == (0, None)


def test_with_a_byte_missing_there_is_no_digest() -> None:
    talk, server = asked(1)
    talk.server(frame(HEADERS, END_HEADERS, 1, server.block((":status", "200"))))
    data = frame(DATA, 1, 1, b"\x82\x89abcd" + b"x" * 9)
    talk.client(data[:20], lost=False).client(data[20:22], lost=True).client(data[22:])
    (found,) = hear(talk).web_sockets
    assert (found.client.whole, found.client.digest) == (False, None)
