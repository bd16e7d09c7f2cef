"""HTTP/2 in the clear: streams become exchanges; compression state that was missed is never
guessed.
"""

from __future__ import annotations

import struct

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.http import Framing, Mark, Protocol
from tests.http.h2.wire import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH,
    RST,
    WINDOW,
    End,
    frame,
    settings_frame,
)
from tests.http.streams import Talk, hear, story
from tests.laws import examples


def test_frames_of_types_nobody_knows_are_passed_over() -> None:
    """RFC 9113 §5.5; browsers send some so that readers stay honest."""
    client, server = End(), End()
    odd = (
        frame(0x10, 0, 0, b"\0\0\0\1u=1") + frame(0xFE, 0, 0, b"") + frame(0x2A, 0xFF, 3, b"z" * 99)
    )
    talk = Talk().client(PREFACE + odd + settings_frame() + odd + client.ask(1, "/a") + odd)
    heard = hear(talk.server(settings_frame() + odd + server.answer(1, b"ok") + odd))
    assert story(heard) == [("/a", 200)]
    assert heard.slugs == set()


def test_connect_names_the_authority() -> None:
    client, server = End(), End()
    asked = frame(
        HEADERS,
        END_HEADERS,
        1,
        client.block((":method", "CONNECT"), (":authority", "a.example:443")),
    )
    heard = hear(
        Talk()
        .client(PREFACE + settings_frame() + asked)
        .server(settings_frame() + server.answer(1))
    )
    assert story(heard) == [("a.example:443", 200)]


def test_a_capture_that_begins_inside_a_frame_of_one_end() -> None:
    client, server = End(), End()
    client.ask(1, "/lost"), server.answer(1, b"lost")
    talk = (
        Talk(syn=False)
        .client(b"the rest of an upload")
        .server(frame(WINDOW, 0, 1, b"\0\0\1\0") + frame(PING, 0, 0, bytes(8)))
    )
    heard = hear(talk.client(client.ask(3, "/a")).server(server.answer(3, b"ok")))
    assert heard.applications[0].protocol is Protocol.HTTP2
    assert [(e.stream_id, e.response.status if e.response else None) for e in heard.exchanges] == [
        (3, 200)
    ]


def test_two_streams_interleaved() -> None:
    client, server = End(), End()
    talk = (
        Talk()
        .client(PREFACE + settings_frame() + client.ask(1, "/a") + client.ask(3, "/b"))
        .server(settings_frame())
    )
    heads = server.block((":status", "200")), server.block((":status", "404"))
    talk.server(frame(HEADERS, END_HEADERS, 3, heads[0]) + frame(DATA, 0, 3, b"bb"))
    talk.server(
        frame(HEADERS, END_HEADERS, 1, heads[1])
        + frame(DATA, END_STREAM, 1, b"a")
        + frame(DATA, END_STREAM, 3, b"bb")
    )
    heard = hear(talk)
    assert heard.applications[0].protocol is Protocol.HTTP2
    assert story(heard) == [("/a", 404), ("/b", 200)]
    assert [e.stream_id for e in heard.exchanges] == [1, 3]
    assert [e.ordinal for e in heard.exchanges] == [1, 2]
    second = heard.exchanges[1].response
    assert second is not None
    assert second.version == "HTTP/2"
    assert second.body.framing is Framing.DATA_FRAMES
    assert second.body.digest == xxhash.xxh3_128_hexdigest(b"bbbb")
    assert (second.first_frame, second.last_frame) == (3, 4)
    request = heard.exchanges[0].request
    assert request is not None
    assert [(x.name, x.value) for x in request.lines] == [(":authority", "shop.example")]


def test_padding_priority_continuation_and_trailers() -> None:
    client, server = End(), End()
    block = client.block((":method", "POST"), (":path", "/p"), ("x-long", "v" * 50))
    asked = frame(HEADERS, PADDED | PRIORITY, 1, b"\x03" + bytes(5) + block[:9] + bytes(3)) + frame(
        CONTINUATION, END_HEADERS, 1, block[9:]
    )
    asked += frame(DATA, PADDED, 1, b"\x04body" + bytes(4)) + frame(
        HEADERS, END_HEADERS | END_STREAM, 1, client.block(("grpc-status", "0"))
    )
    heard = hear(
        Talk()
        .client(PREFACE + settings_frame() + asked)
        .server(settings_frame() + server.answer(1))
    )
    (exchange,) = heard.exchanges
    assert exchange.request is not None
    assert (exchange.request.method, exchange.request.target) == ("POST", "/p")
    assert exchange.request.body.digest == xxhash.xxh3_128_hexdigest(b"body")
    assert [(x.name, x.value) for x in exchange.request.trailers] == [("grpc-status", "0")]
    assert exchange.request.marks == ()


def test_upgrade_from_http_1() -> None:
    """Stream 1 answers the HTTP/1.1 request; 101 is an interim response to it."""
    client, server = End(), End()
    talk = Talk().client(
        b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: "
        b"h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    )
    talk.server(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        + settings_frame()
        + server.answer(1, b"one")
    )
    talk.client(PREFACE + settings_frame() + client.ask(3, "/b")).server(server.answer(3, b"two"))
    heard = hear(talk)
    assert story(heard) == [("/a", 200), ("/b", 200)]
    assert [i.status for i in heard.exchanges[0].interim] == [101]
    assert [e.ordinal for e in heard.exchanges] == [1, 2]
    assert heard.applications[0].upgraded == "h2c"


def test_push_promise_is_a_request_of_the_server() -> None:
    client, server = End(), End()
    promise = struct.pack(">I", 2) + server.block((":method", "GET"), (":path", "/pushed"))
    talk = Talk().client(PREFACE + settings_frame() + client.ask(1, "/a"))
    talk.server(
        settings_frame()
        + frame(PUSH, END_HEADERS, 1, promise)
        + server.answer(1, b"a")
        + server.answer(2, b"p")
    )
    assert story(hear(talk)) == [("/a", 200), ("/pushed", 200)]


def test_interim_and_reset() -> None:
    client, server = End(), End()
    talk = Talk().client(PREFACE + settings_frame() + client.ask(1, "/a") + client.ask(3, "/b"))
    talk.server(
        settings_frame()
        + frame(HEADERS, END_HEADERS, 1, server.block((":status", "103")))
        + server.answer(1, b"a")
    )
    talk.server(frame(RST, 0, 3, b"\0\0\0\x08"))
    heard = hear(talk)
    assert story(heard) == [("/a", 200), ("/b", None)]
    assert [i.status for i in heard.exchanges[0].interim] == [103]
    assert heard.exchanges[1].marks == (Mark.RESET,)


def test_a_capture_that_begins_later_never_invents_fields() -> None:
    """Fields known from the static table or sent in full are read; those in the part of the dynamic
    table that was missed are left out.
    """
    client, server = End(), End()
    client.ask(1, "/missed", END_STREAM, ("x-token", "first"))
    server.answer(1, b"", ("x-server", "first"))
    talk = Talk(syn=False).client(
        client.ask(3, "/seen", END_STREAM, ("x-token", "first"), ("x-new", "n"))
        + frame(PING, 0, 0, bytes(8))
    )
    talk.server(server.answer(3, b"body", ("x-server", "first"))).client(
        client.ask(5, "/seen", END_STREAM, ("x-new", "n"))
    )
    heard = hear(talk)
    assert heard.applications[0].protocol is Protocol.HTTP2
    first, second = heard.exchanges
    assert first.request is not None
    assert second.request is not None
    assert first.response is not None
    assert first.request.target == "/seen"
    assert ("x-new", "n") in [(x.name, x.value) for x in first.request.lines]
    assert all(x.value != "/missed" for x in first.request.lines)
    assert Mark.HEAD_TRUNCATED in first.request.marks
    assert "http2-state-lost" in heard.slugs
    assert second.request.target == "/seen"


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_loss_never_mixes_streams(lost: int) -> None:
    client, server = End(), End()
    talk = (
        Talk()
        .client(PREFACE + settings_frame() + client.ask(1, "/a"))
        .client(client.ask(3, "/b"), lost=lost == 1)
    )
    talk.server(settings_frame() + server.answer(1, b"a" * 20), lost=lost == 2).server(
        server.answer(3, b"b" * 30), lost=lost == 3
    )
    talk.client(client.ask(5, "/c") + frame(PING, 0, 0, bytes(8))).server(
        server.answer(5, b"c" * 40) + frame(PING, 0, 0, bytes(8))
    )
    heard = hear(talk)
    lengths = {1: 20, 3: 30, 5: 40}
    targets = {1: "/a", 3: "/b", 5: "/c"}
    assert heard.exchanges[-1].stream_id == 5
    for e in heard.exchanges:
        assert e.stream_id is not None
        if e.request is not None and e.request.target:
            assert e.request.target == targets[e.stream_id]
        if e.response is not None:
            assert e.response.body.length == lengths[e.stream_id]


@examples(150)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 10), st.integers(0, 255), st.integers(0, 4), st.binary(max_size=30)
        ),
        max_size=12,
    ),
    st.booleans(),
)
def test_any_frames(frames: list[tuple[int, int, int, bytes]], preface: bool) -> None:
    raw = b"".join(frame(kind, flags, stream, payload) for kind, flags, stream, payload in frames)
    heard = hear(Talk(syn=preface).client((PREFACE if preface else b"") + raw).server(raw))
    assert [e.id for e in heard.exchanges] == list(range(len(heard.exchanges)))
