"""WebSockets: messages are counted and digested, whoever masks them and however they are cut, and a
Close frame says who closed. `wsproto` writes the frames and is the oracle.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.extensions import PerMessageDeflate

from lbtrace.http.websocket import NO_CODE, WebSocketReader, unmasked
from lbtrace.model.websocket import WebSocket, WebSocketEnd, close_name
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
from tests.http.streams import MS, Talk, get, hear
from tests.laws import examples

ASK = get("/chat", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: abc")
GRANT = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s\r\n"
MESSAGE = st.one_of(
    st.text(max_size=200).map(lambda text: TextMessage(text)),
    st.binary(max_size=70_000).map(lambda data: BytesMessage(data)),
    st.binary(max_size=125).map(Ping),
)


def end(client: bool) -> Connection:
    return Connection(ConnectionType.CLIENT if client else ConnectionType.SERVER)


def said(client: bool, *events: Event) -> bytes:
    """The frames that say it."""
    speaker = end(client)
    return b"".join(speaker.send(event) for event in events)


def read(data: bytes, size: int = 1 << 20) -> WebSocketEnd:
    reader = WebSocketReader()
    for n, k in enumerate(range(0, len(data), size)):
        reader.update(data[k : k + size], n + 1, n * MS)
    return reader.end(True)


def opened(extensions: bytes = b"") -> Talk:
    return Talk().client(ASK).server(GRANT % extensions)


def carried(talk: Talk) -> WebSocket:
    (found,) = hear(talk).web_sockets
    return found


@examples(60)
@given(st.lists(MESSAGE, max_size=5), st.integers(1, 5000))
def test_both_ends_say_the_same_whatever_masks_and_cuts(events: list[Event], size: int) -> None:
    masked, plain = read(said(True, *events), size), read(said(False, *events))
    for found in (masked, plain):
        assert found.messages == sum(not isinstance(e, Ping) for e in events)
        assert found.pings == sum(isinstance(e, Ping) for e in events)
        assert found.whole
    assert masked.digest == plain.digest
    assert masked.bytes == sum(
        len(e.data.encode() if isinstance(e, TextMessage) else e.data)
        for e in events
        if isinstance(e, TextMessage | BytesMessage)
    )


@examples(40)
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=4))
def test_fragments_make_one_message(data: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(data), *(c for c in cuts if c < len(data))})
    parts = [data[a:b] for a, b in pairwise(places)] or [b""]
    events = [
        BytesMessage(part, message_finished=n == len(parts) - 1) for n, part in enumerate(parts)
    ]
    whole, cut = read(said(True, BytesMessage(data))), read(said(True, *events))
    assert (cut.messages, cut.digest) == (1, whole.digest)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([BytesMessage(b"ab")], [BytesMessage(b"a"), BytesMessage(b"b")]),
        ([BytesMessage(b"ab")], [TextMessage("ab")]),
        ([BytesMessage(b"ab")], [BytesMessage(b"ac")]),
    ],
)
def test_other_messages_have_another_digest(one: list[Event], other: list[Event]) -> None:
    assert read(said(False, *one)).digest != read(said(False, *other)).digest


def test_who_closed_with_which_code() -> None:
    talk = opened().client(said(True, TextMessage("hi"))).server(said(False, TextMessage("hello")))
    talk.server(said(False, CloseConnection(1001, "restart")))
    talk.client(said(True, CloseConnection(1001))).fin()
    found = carried(talk)
    assert (found.connection, found.stream, found.deflate) == (0, None, False)
    assert (found.server.close_code, found.server.close_reason) == (1001, "restart")
    assert (found.server.close_frame, found.server.close_ns) == (5, 5 * MS)
    assert (found.client.messages, found.client.close_frame) == (1, 6)
    assert found.client.digest is not None


@pytest.mark.parametrize("early_ms", [0, 2])
def test_the_answer_to_a_close_comes_behind_it_whatever_the_times_say(early_ms: int) -> None:
    """It acknowledges the Close that it answers."""
    talk = opened().server(said(False, CloseConnection(1001, "restart")))
    talk.client(said(True, CloseConnection(1001)), early_ns=early_ms * MS)
    found = carried(talk)
    assert found.client.close_ns is not None
    assert found.server.close_ns is not None
    assert found.client.close_ns > found.server.close_ns


def test_a_close_frame_without_a_code() -> None:
    assert read(b"\x88\x00").close_code == NO_CODE
    assert (close_name(NO_CODE), close_name(1011), close_name(4000)) == (
        "no code",
        "1011 internal error",
        "4000",
    )


def test_deflate_is_noted() -> None:
    extension = PerMessageDeflate()
    extension.finalize("")
    speaker = Connection(ConnectionType.SERVER, [extension])
    talk = opened(b"Sec-WebSocket-Extensions: permessage-deflate\r\n")
    found = carried(talk.server(speaker.send(TextMessage("a" * 500))))
    assert (found.deflate, found.server.messages) == (True, 1)
    assert found.server.bytes < 500


def test_behind_a_gap_nothing_is_counted() -> None:
    talk = opened().server(said(False, TextMessage("one")))
    talk.server(said(False, TextMessage("two")), lost=True)
    found = carried(talk.server(said(False, TextMessage("three"))).fin())
    assert (found.server.messages, found.server.digest, found.server.whole) == (1, None, False)


def test_a_websocket_that_goes_on_has_no_digest() -> None:
    found = carried(opened().server(said(False, TextMessage("one"))))
    assert (found.server.messages, found.server.digest, found.server.whole) == (1, None, True)


@pytest.mark.parametrize("data", [b"\x83\x01x", b"\x09\x00", b"\x88\x7e\x00\x80" + bytes(128)])
def test_what_is_no_frame_ends_the_reading(data: bytes) -> None:
    found = read(said(False, TextMessage("one")) + data + said(False, TextMessage("two")))
    assert (found.messages, found.whole, found.digest) == (1, False, None)


def test_on_an_http2_stream() -> None:
    """RFC 8441: DATA frames carry it, however they cut it."""
    client, server = End(), End()
    asked = client.block(
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/chat"),
        (":authority", "a"),
    )
    talk = Talk().client(PREFACE + settings_frame() + frame(HEADERS, END_HEADERS, 1, asked))
    talk.server(settings_frame() + frame(HEADERS, END_HEADERS, 1, server.block((":status", "200"))))
    front = said(True, TextMessage("hello")) + said(True, CloseConnection(1000))
    back = said(False, BytesMessage(bytes(300))) + said(False, CloseConnection(1000))
    talk.client(frame(DATA, 0, 1, front[:3]) + frame(DATA, END_STREAM, 1, front[3:]))
    found = carried(talk.server(frame(DATA, END_STREAM, 1, back)))
    assert (found.stream, found.client.messages, found.server.messages) == (1, 1, 1)
    assert (found.client.close_code, found.client.close_frame) == (1000, 3)
    assert found.client.digest == read(front).digest
    assert found.server.bytes == 300


def test_one_that_was_declined_is_none() -> None:
    client, server = End(), End()
    asked = client.block((":method", "CONNECT"), (":protocol", "websocket"), (":path", "/chat"))
    talk = Talk().client(PREFACE + settings_frame() + frame(HEADERS, END_HEADERS, 1, asked))
    head = frame(HEADERS, END_HEADERS | END_STREAM, 1, server.block((":status", "403")))
    assert hear(talk.server(settings_frame() + head)).web_sockets == []


@examples(40)
@given(st.binary(max_size=50), st.binary(min_size=4, max_size=4), st.integers(0, 3))
def test_unmasking(data: bytes, key: bytes, phase: int) -> None:
    """RFC 6455 §5.3, byte by byte."""
    expected = bytes(b ^ key[(k + phase) % 4] for k, b in enumerate(data))
    assert unmasked(data, key, phase) == expected
