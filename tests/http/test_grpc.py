"""gRPC calls: how they ended, what the caller gave them, and how many messages they carried."""

from __future__ import annotations

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.grpc import GrpcDigest, timeout_ns
from lbtrace.model.grpc import GrpcCall, status_name
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
from tests.http.streams import Talk, hear
from tests.laws import examples

GRPC = ("content-type", "application/grpc")


def message(payload: bytes) -> bytes:
    return b"\0" + len(payload).to_bytes(4, "big") + payload


def call(
    *more: tuple[str, str],
    asked: bytes = message(b"hello"),
    head: tuple[tuple[str, str], ...] = ((":status", "200"), GRPC),
    body: bytes = b"",
    trailers: tuple[tuple[str, str], ...] = (),
) -> Talk:
    """A call and its answer."""
    client, server = End(), End()
    block = client.block(
        (":method", "POST"), (":path", "/shop.Cart/Add"), (":scheme", "http"), GRPC, *more
    )
    talk = Talk().client(PREFACE + settings_frame() + frame(HEADERS, END_HEADERS, 1, block))
    talk.client(frame(DATA, END_STREAM, 1, asked))
    only = END_STREAM if not body and not trailers else 0
    answer = frame(HEADERS, END_HEADERS | only, 1, server.block(*head))
    if body:
        answer += frame(DATA, 0 if trailers else END_STREAM, 1, body)
    if trailers:
        answer += frame(HEADERS, END_HEADERS | END_STREAM, 1, server.block(*trailers))
    return talk.server(settings_frame() + answer)


def told(talk: Talk) -> GrpcCall:
    (found,) = hear(talk).calls
    return found


def test_the_status_stands_in_the_trailers() -> None:
    found = told(
        call(
            ("grpc-timeout", "250m"),
            ("grpc-previous-rpc-attempts", "2"),
            asked=message(b"one") + message(b""),
            body=message(b"x" * 9) * 3,
            trailers=(("grpc-status", "5"), ("grpc-message", "no%20such%20cart")),
        )
    )
    assert found == GrpcCall(0, 5, False, "no such cart", 250_000_000, 2, 2, 3)


def test_or_in_the_head_of_a_response_without_a_body() -> None:
    head = ((":status", "200"), GRPC, ("grpc-status", "14"), ("grpc-message", "down"))
    found = told(call(head=head))
    assert (found.status, found.trailers_only, found.message) == (14, True, "down")
    assert (found.asked, found.answered) == (1, 0)


def test_an_answer_without_a_status_has_none() -> None:
    assert told(call(body=message(b"x"))).status is None
    assert told(call(trailers=(("grpc-status", "nonsense"),), body=message(b"x"))).status is None


def test_a_body_with_a_hole_has_no_count() -> None:
    client = End()
    block = client.block((":method", "POST"), (":path", "/a"), (":scheme", "http"), GRPC)
    talk = Talk().client(PREFACE + settings_frame() + frame(HEADERS, END_HEADERS, 1, block))
    body = frame(DATA, END_STREAM, 1, message(b"x" * 100))
    talk.client(body[:50]).client(body[50:70], lost=True).client(body[70:])
    found = told(talk.server(settings_frame() + End().answer(1)))
    assert found.asked is None


def test_other_exchanges_are_no_calls() -> None:
    client, server = End(), End()
    talk = Talk().client(PREFACE + settings_frame() + client.ask(1, "/a"))
    assert list(hear(talk.server(settings_frame() + server.answer(1))).calls) == []


@examples(80)
@given(st.lists(st.binary(max_size=40), max_size=6), st.binary(max_size=4), st.integers(1, 9))
def test_messages_are_counted_wherever_the_body_is_cut(
    payloads: list[bytes], rest: bytes, size: int
) -> None:
    """What is left behind the last whole message counts for nothing; the digest is that of all."""
    body = b"".join(map(message, payloads)) + rest
    sink = GrpcDigest("")
    for k in range(0, len(body), size):
        sink.update(body[k : k + size])
    assert sink.messages == len(payloads)
    assert sink._hash.hexdigest() == xxhash.xxh3_128_hexdigest(body)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1H", 3_600_000_000_000),
        ("2M", 120_000_000_000),
        ("3S", 3_000_000_000),
        ("4m", 4_000_000),
        ("5u", 5_000),
        ("99999999n", 99_999_999),
        ("100000000n", None),
        ("1.5S", None),
        ("S", None),
        ("", None),
    ],
)
def test_timeouts(text: str, ns: int | None) -> None:
    assert timeout_ns(text) == ns


def test_names() -> None:
    assert (status_name(14), status_name(77)) == ("UNAVAILABLE", "77")
