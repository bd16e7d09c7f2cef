"""Laws of the HTTP stage: how a stream is cut into pieces does not matter; a prefix tells a prefix;
nothing that can be in a capture raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from lbtrace.model.http import Exchange, Mark, Request, Response
from tests.http.streams import Heard, Talk, get, hear, ok
from tests.laws import examples

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunks(body: bytes, sizes: list[int]) -> bytes:
    out, at = b"", 0
    for size in sizes:
        part = body[at : at + size]
        out += b"%x\r\n%s\r\n" % (len(part), part) if part else b""
        at += size
    rest = body[at:]
    return out + (b"%x\r\n%s\r\n" % (len(rest), rest) if rest else b"") + b"0\r\n\r\n"


_REQUESTS = st.sampled_from(
    [
        get("/a"),
        get("/b", "X-Y: z"),
        get("/h", method="HEAD"),
        b"POST /p HTTP/1.1\r\nContent-Length: 11\r\n\r\nhello world",
        b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(b"hello world", [3, 4]),
        b"GET /lf HTTP/1.0\nHost: a\n\n",
        b"POST /s HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ]
)
_RESPONSES = st.sampled_from(
    [
        ok(),
        ok(b"body"),
        CHUNKED + chunks(b"chunked body", [1, 5]),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"x"),
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n",
        ok(b"x", "Content-Encoding: gzip"),
    ]
)
_conversations = st.lists(st.tuples(_REQUESTS, _RESPONSES), min_size=1, max_size=6)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({c % (len(data) + 1) for c in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places) if a < b]


def talk(parts: list[tuple[list[bytes], list[bytes]]]) -> Talk:
    spoken = Talk()
    for asked, answered in parts:
        for piece in asked:
            spoken.client(piece)
        for piece in answered:
            spoken.server(piece)
    return spoken.fin()


def half(message: Request | Response | None) -> object:
    """A message without its frames and times."""
    if message is None:
        return None
    return message._replace(
        first_frame=0, head_frame=0, last_frame=0, first_ns=0, head_ns=0, last_ns=0
    )


def content(heard: Heard) -> list[object]:
    return [
        (half(e.request), half(e.response), [i.status for i in e.interim], e.marks, e.ordinal)
        for e in heard.exchanges
    ]


@examples(80)
@given(_conversations, st.lists(st.integers(0, 400), max_size=12))
def test_cutting_a_stream_into_pieces_changes_nothing(
    said: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    whole = hear(talk([([q], [a]) for q, a in said]))
    pieces = hear(talk([(cut(q, cuts), cut(a, cuts)) for q, a in said]))
    assert content(pieces) == content(whole)
    assert {(d.slug, d.count) for d in pieces.diagnostics} == {
        (d.slug, d.count) for d in whole.diagnostics
    }


def test_byte_by_byte() -> None:
    said = [
        (get("/a"), ok(b"first")),
        (b"POST /p HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", CHUNKED + chunks(b"Wikipedia", [4])),
    ]
    single = [([bytes([b]) for b in q], [bytes([b]) for b in a]) for q, a in said]
    assert content(hear(talk(single))) == content(hear(talk([([q], [a]) for q, a in said])))


@examples(60)
@given(_conversations, st.integers(0, 3000))
def test_a_prefix_of_a_conversation_tells_a_prefix(
    said: list[tuple[bytes, bytes]], keep: int
) -> None:
    """Complete messages of a prefix are the same in the whole; the last may be cut, and then says
    so.
    """
    whole, part = Talk(), Talk()
    for asked, answered in said:
        whole.client(asked).server(answered)
        if keep > 0:
            part.client(asked[:keep])
            keep -= len(asked)
        if keep > 0:
            part.server(answered[:keep])
            keep -= len(answered)
    full, cut_short = content(hear(whole)), content(hear(part))
    done = [x for x in cut_short if complete(x)]
    assert done == full[: len(done)]
    assert len(cut_short) - len(done) <= 1 + (keep > 0)


def complete(x: object) -> bool:
    assert isinstance(x, tuple)
    request, response = x[0], x[1]
    whole = (
        request is not None
        and response is not None
        and request.body.complete
        and response.body.complete
    )
    return whole and not {Mark.HEAD_TRUNCATED, Mark.CAPTURE_ENDED} & {
        *request.marks,
        *response.marks,
    }


@examples(60)
@given(st.binary(max_size=2000), st.lists(st.integers(0, 500), max_size=8))
def test_any_chunking_of_a_body_has_its_digest(body: bytes, sizes: list[int]) -> None:
    plain = hear(Talk().client(get("/")).server(ok(body))).exchanges[0].response
    chunked = (
        hear(Talk().client(get("/")).server(CHUNKED + chunks(body, sizes))).exchanges[0].response
    )
    assert plain is not None
    assert chunked is not None
    assert chunked.body.digest == plain.body.digest
    assert chunked.body.length == len(body)


_NASTY = st.one_of(
    st.binary(max_size=60),
    _REQUESTS,
    _RESPONSES,
    st.sampled_from(
        [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
            b"\r\n\r\n\x00\r\nQUIT\n!\x11\x00\x0c",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"fffffffffffffff\r\n",
            b"CONNECT a:1 HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
            b"\x00\x00\x04\x01\x04\x00\x00\x00\x01\x82\x84\x86A",
            b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
            b"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n",
            b"\x00\x00\x10\x00\x01\x00\x00\x00\x01",
            b"Content-Length: 99999999999999999999\r\n",
            b"\r\n\r\n",
            b"\n\n",
            b"\r",
            b"HTTP/1.1 204\r\n\r\n",
        ]
    ),
)
_segments = st.lists(
    st.tuples(st.integers(0, 1), _NASTY, st.sampled_from([0, 0, 0, 1, 2, 3]), st.integers(-1, 300)),
    max_size=14,
)  # who, data, damage (1 lost, 2 cut, 3 repeated), acknowledgement


def mangled(segments: list[tuple[int, bytes, int, int]], syn: bool) -> Talk:
    spoken = Talk(syn=syn)
    for who, data, damage, ack in segments:
        if data:
            spoken.say(
                who,
                data,
                lost=damage == 1,
                cut=len(data) // 2 if damage == 2 else None,
                repeated=damage == 3,
                ack=ack if damage else None,
            )
    return spoken


@examples(250)
@given(_segments, st.booleans(), st.booleans())
@example([(0, b"GET /\r\n", 0, 0), (1, b"x", 0, 0)], True, True)
def test_nothing_raises_and_what_is_said_hangs_together(
    segments: list[tuple[int, bytes, int, int]], syn: bool, reset: bool
) -> None:
    spoken = mangled(segments, syn)
    if reset:
        spoken.rst()
    heard = hear(spoken, Talk().client(get("/calm")).server(ok(b"x")))
    sound(heard.exchanges)
    (calm,) = [e for e in heard.exchanges if e.connection == 1]
    assert calm.request is not None
    assert calm.request.target == "/calm"
    assert len(heard.applications) == 2


def sound(exchanges: Sequence[Exchange]) -> None:
    for i, e in enumerate(exchanges):
        assert e.id == i
        assert e.request is not None or e.response is not None or e.interim
        for message in (e.request, e.response):
            if message is not None:
                assert message.first_frame >= 1
                assert message.first_ns <= message.head_ns <= message.last_ns
                assert (message.body.digest is None) or message.body.complete
                assert message.body.length >= 0
    for connection in {e.connection for e in exchanges}:
        ordinals = [e.ordinal for e in exchanges if e.connection == connection]
        assert len(set(ordinals)) == len(ordinals)
