"""Digests of bodies: as sent, and after content decoding (RFC 9110 §8.4)."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_128_hexdigest

from lbtrace.http import digest
from lbtrace.http.digest import BodyDigest
from lbtrace.model.http import Body, Framing
from lbtrace.options import Options
from tests.http.h2.wire import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, End, frame
from tests.http.streams import Talk, get, hear, ok
from tests.laws import examples


def raw_deflate(data: bytes) -> bytes:
    z = zlib.compressobj(wbits=-15)
    return z.compress(data) + z.flush()


CODED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "raw deflate": raw_deflate,
    "zstd": zstandard.ZstdCompressor().compress,
}


def passed(coding: str, parts: list[bytes], complete: bool = True) -> Body:
    sink = BodyDigest(coding)
    for part in parts:
        sink.update(part)
    return sink.body(Framing.CHUNKED, sink.length, None, complete)


@examples(60)
@given(
    st.sampled_from(sorted(CODED)),
    st.binary(max_size=3000),
    st.lists(st.integers(0, 3000), max_size=6),
)
def test_content_is_what_was_encoded_however_it_is_cut(
    coding: str, content: bytes, cuts: list[int]
) -> None:
    sent = CODED[coding](content)
    places = sorted({c % (len(sent) + 1) for c in cuts} | {0, len(sent)})
    parts = [sent[a:b] for a, b in pairwise(places)]
    body = passed(coding.split()[-1], parts)
    assert (body.length, body.digest) == (len(sent), xxh3_128_hexdigest(sent))
    assert (body.content_length, body.content_digest) == (len(content), xxh3_128_hexdigest(content))


@pytest.mark.parametrize("coding", ["", "br", "gzip, br", "identity", "compress"])
def test_a_coding_that_is_not_undone_leaves_the_content_unknown(coding: str) -> None:
    body = passed(coding, [b"some bytes"])
    assert body.digest == xxh3_128_hexdigest(b"some bytes")
    assert (body.content_digest, body.content_length) == (None, None)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_content_that_cannot_be_decoded_or_is_cut_is_unknown(coding: str) -> None:
    sent = CODED[coding](b"content " * 50)
    for parts in ([b"no such coding"], [sent[:-1]], [sent[:9], b"\xff" * 9]):
        body = passed(coding, parts)
        assert body.digest == xxh3_128_hexdigest(b"".join(parts))
        assert (body.content_digest, body.content_length) == (None, None)
    assert passed(coding, [sent], complete=False)[3:] == (False, None, None, None)


def test_content_beyond_the_limit_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "MAX_DECODED", 1000)
    for coding in ("gzip", "deflate", "zstd"):
        assert passed(coding, [CODED[coding](b"x" * 1000)]).content_length == 1000
        assert passed(coding, [CODED[coding](b"x" * 1001)]).content_length is None


@examples(40)
@given(
    st.sampled_from(sorted(CODED)),
    st.binary(max_size=300),
    st.integers(0, 1 << 20),
    st.binary(max_size=9000),
    st.lists(st.integers(0, 20_000), max_size=6),
)
def test_what_unfolds_too_far_is_unknown_however_it_is_cut(
    coding: str, before: bytes, zeros: int, behind: bytes, cuts: list[int]
) -> None:
    """Little is decoded in vain, and what bytes of their own allow is known."""
    content = before + bytes(zeros) + behind
    sent = CODED[coding](content)
    places = sorted({c % (len(sent) + 1) for c in cuts} | {0, len(sent)})
    sink, whole = BodyDigest(coding.split()[-1]), BodyDigest(coding.split()[-1])
    for begin, end in pairwise(places):
        sink.update(sent[begin:end])
    whole.update(sent)
    body = sink.body(Framing.CHUNKED, sink.length, None, True)
    assert body == whole.body(Framing.CHUNKED, sink.length, None, True)
    assert sink.limited == whole.limited
    assert body.content_length == (None if sink.limited else len(content))
    steps = -(-len(sent) // digest.STEP)
    if len(content) <= digest.RATIO * digest.STEP:
        assert not sink.limited
    if len(content) > digest.RATIO * digest.STEP * steps:
        assert sink.limited


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_capture_of_small_bodies_that_unfold_costs_no_more_than_their_bytes_allow(
    coding: str,
) -> None:
    bomb = CODED[coding](bytes((1 << 24) - 1))
    sink = BodyDigest(coding)
    sink.update(bomb)
    assert sink.body(Framing.CONTENT_LENGTH, len(bomb), None, True).content_length is None
    assert sink.decoded < 1 << 20


def test_what_a_body_may_unfold_to_grows_with_each_step_of_its_bytes() -> None:
    random = Random(1)
    part = random.randbytes(digest.STEP) + bytes(digest.STEP * (digest.RATIO - 2))
    content = part * 20
    assert passed("gzip", [gzip.compress(content)]).content_length == len(content)


ZEROS = gzip.compress(bytes(300_000))


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        ok(ZEROS, "Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + ZEROS,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n"
        % len(ZEROS)
        + ZEROS
        + b"\r\n0\r\n\r\n",
    ],
)
def test_a_body_that_unfolds_too_far_is_said_and_is_not_malformed(
    answer: bytes, careful: bool
) -> None:
    heard = hear(Talk().client(get("/")).server(answer).fin(), careful=careful)
    (exchange,) = heard.exchanges
    assert exchange.response is not None
    (said,) = heard.diagnostics
    first = exchange.response.first_frame
    assert (said.slug, said.count, said.frame) == (digest.CONTENT_LIMITED, 1, first)
    body = exchange.response.body
    assert (body.complete, body.digest) == (True, xxh3_128_hexdigest(ZEROS))
    assert (body.content_length, exchange.response.marks) == (None, ())
    plain = hear(
        Talk().client(get("/")).server(answer).fin(),
        careful=careful,
        options=Options(decode_content=False),
    )
    assert plain.diagnostics == ()


def test_a_body_of_http_2_that_unfolds_too_far_is_said() -> None:
    client, server = End(), End()
    head = server.block((":status", "200"), ("content-encoding", "gzip"))
    answer = frame(HEADERS, END_HEADERS, 1, head) + frame(DATA, END_STREAM, 1, ZEROS)
    heard = hear(Talk().client(PREFACE + client.ask(1, "/")).server(answer))
    assert heard.slugs == {digest.CONTENT_LIMITED}


EMPTY = xxh3_128_hexdigest(b"")
NOTHING_SENT = {
    "sized": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0\r\n\r\n",
    "until close": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
}


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize("how", NOTHING_SENT)
def test_a_coded_body_of_no_bytes_has_a_content_of_no_bytes(how: str, careful: bool) -> None:
    talk = Talk().client(get("/")).server(NOTHING_SENT[how]).fin()
    (exchange,) = hear(talk, careful=careful).exchanges
    assert exchange.response is not None
    body = exchange.response.body
    assert (body.length, body.digest, body.complete) == (0, EMPTY, True)
    assert (body.content_length, body.content_digest) == (0, EMPTY)
    (exchange,) = hear(talk, careful=careful, options=Options(decode_content=False)).exchanges
    assert exchange.response is not None
    assert exchange.response.body.content_length is None


def test_content_of_no_bytes_that_took_some_to_encode() -> None:
    sent = gzip.compress(b"")
    (exchange,) = hear(Talk().client(get("/")).server(ok(sent, "Content-Encoding: gzip"))).exchanges
    assert exchange.response is not None
    assert exchange.response.body.length == len(sent)
    assert exchange.response.body.content_length == 0


def test_of_http_2_too() -> None:
    client, server = End(), End()
    head = server.block((":status", "200"), ("content-encoding", "gzip"))
    answer = frame(HEADERS, END_HEADERS, 1, head) + frame(DATA, END_STREAM, 1)
    (exchange,) = hear(Talk().client(PREFACE + client.ask(1, "/")).server(answer)).exchanges
    assert exchange.response is not None
    assert exchange.response.body.content_length == 0


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_what_has_no_body_has_no_content(status: str, careful: bool) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n".encode()
    (exchange,) = hear(Talk().client(get("/")).server(answer), careful=careful).exchanges
    assert exchange.response is not None
    assert exchange.response.body == (Framing.NONE, 0, 0, True, None, None, None)
