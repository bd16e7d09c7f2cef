"""Bulk reading gives what the readers give, and leaves to them what is not one message a burst."""

from __future__ import annotations

import gzip
from array import array

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lbtrace.http.bulk.bulk_connections import BulkConnections
from lbtrace.options import Options
from lbtrace.tables.exchanges import Exchanges
from tests.http.streams import Talk, get, hear, ok, table
from tests.http.test_laws import CHUNKED, chunks, cut, mangled
from tests.http.test_laws import _segments as damaged_segments
from tests.laws import examples

PLAIN = [
    get("/a"),
    get("/b", "X-Y: z", 'If-None-Match: "x\\r"'),
    get("/long/" + "x" * 200),
    get("http://a/absolute"),
]
REQUESTS = [
    *PLAIN,
    get("/h", method="HEAD"),
    get("/z", "Content-Length: 0", method="POST"),
    get("/z", "Content-Length:0", "X:y", "Y: \t z ", "Z:", method="POST"),
    b"POST /p HTTP/1.1\r\nContent-Length: 11\r\n\r\nhello world",
    b"PUT /g HTTP/1.1\r\ncontent-length: 25\r\nContent-Encoding: gzip\r\n\r\n"
    + gzip.compress(b"hello", mtime=0),
    b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(b"hello world", [3, 4]),
    b"GET /old HTTP/1.0\r\nHost: a\r\n\r\n",
    b"GET /bare HTTP/1.1\r\n\r\n",
    b"POST /s HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /o HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /lf HTTP/1.1\nHost: a\n\n",
    b"GET /fold HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
    b"GET /up HTTP/1.1\r\nUpgrade: h2c\r\n\r\n",
    b"\r\nGET /empty HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /two HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    b"GET /nul HTTP/1.1\r\nA: \0\r\n\r\n",
    b"GET /colon HTTP/1.1\r\nnone\r\n\r\n",
    b"GET /ahead HTTP/1.1\r\nA: b\r\n\r\nGET /second HTTP/1.1\r\nA: b\r\n\r\n",
]
RESPONSES = [
    ok(),
    ok(b"body"),
    ok(b"two\r\n\r\nparts", 'ETag: "a\\b"', "X-Cafe: caf\u00e9", "Server: a  b "),
    ok(b"HTTP/1.1 200 OK\r\n\r\n"),
    ok(gzip.compress(b"plain", mtime=0), "Content-Encoding: gzip"),
    ok(b"x", "Content-Encoding: gzip"),
    ok(b"x", "Upgrade: h2", "Connection: close"),
    CHUNKED + chunks(b"chunked body", [1, 5]),
    CHUNKED + b"1;x=y\r\na\r\n0\r\n\r\n",
    CHUNKED + b"1\r\na\r\n0\r\nX: trailer\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
    + chunks(gzip.compress(b"plain", mtime=0), [9]),
    b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nbody",
    b"HTTP/1.0 404 \r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 404\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\nServer: until the close\r\n\r\nbody",
    b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" + ok(b"x"),
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nopaque",
    b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nServer: long\r\nX: " + b"x" * 9000 + b"\r\nContent-Length: 0\r\n\r\n",
    ok(b"x")[:-1],
    ok(b"x") + b"y",
    ok(b"x") * 2,
]
bursts = st.tuples(
    st.sampled_from(REQUESTS), st.sampled_from(RESPONSES), st.lists(st.integers(0, 300), max_size=3)
)
plain_bursts = st.tuples(
    st.sampled_from(PLAIN),
    st.sampled_from(RESPONSES[:6]),
    st.lists(st.integers(0, 300), max_size=2),
)


def spoken(
    said: list[tuple[bytes, bytes, list[int]]], talk: Talk | None = None, least: int = 0
) -> Talk:
    """Each message cut into pieces, of which the first has at least so many bytes."""
    talk = talk or Talk()
    for asked, answered, cuts in said:
        for who, message in ((0, asked), (1, answered)):
            for piece in cut(message, [least + c % (len(message) - least) for c in cuts]):
                talk.say(who, piece)
    return talk


def pipelined(
    said: list[tuple[bytes, bytes, list[int]]], ahead: int, talk: Talk | None = None
) -> Talk:
    """So many requests are sent before the first of them is answered; each message in pieces, of
    which the first has twelve bytes.
    """
    talk = talk or Talk()
    for low in range(0, len(said), ahead):
        some = said[low : low + ahead]
        sent = [(0, asked, cuts) for asked, _, cuts in some]
        sent += [(1, answered, cuts) for _, answered, cuts in some]
        for who, message, cuts in sent:
            for piece in cut(message, [12 + c % (len(message) - 12) for c in cuts]):
                talk.say(who, piece)
    return talk


def both_roads(*talks: Talk, decode: bool = True) -> None:
    options = Options(decode_content=decode)
    assert hear(*talks, options=options) == hear(*talks, options=options, careful=True)


def complete_in_bulk(*talks: Talk) -> list[bool]:
    found: list[bool] = BulkConnections(
        table(talks), True, lambda _fraction: None
    ).complete.tolist()
    return found


@examples(300)
@example(
    [[(get("/a"), ok(b"x") + b"y", []), (get("/a"), ok(), [])]], True, True
)  # bytes are passed over, but none is missing
@given(
    st.lists(st.lists(bursts | plain_bursts, max_size=4), min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
)
def test_both_roads_tell_the_same(
    said: list[list[tuple[bytes, bytes, list[int]]]], end: bool, decode: bool
) -> None:
    talks, frame = [], 0
    for each in said:
        talks.append(spoken(each, Talk(frame=frame)))
        frame = talks[-1].frame
        if end:
            talks[-1].fin()
    both_roads(*talks, decode=decode)


@examples(300)
@given(st.lists(bursts | plain_bursts, max_size=6), st.integers(2, 4), st.booleans(), st.booleans())
@example([(get("/h", method="HEAD"), ok(b"x" * 17), []), (get("/a"), ok(), [])], 2, True, True)
@example([(get("/a"), ok(b"x"), []), (get("/h", method="HEAD"), ok(), [])], 2, True, True)
def test_both_roads_tell_the_same_of_pipelined_requests(
    said: list[tuple[bytes, bytes, list[int]]], ahead: int, syn: bool, decode: bool
) -> None:
    both_roads(pipelined(said, ahead, Talk(syn=syn)), decode=decode)


def test_a_body_that_looks_like_a_request_is_no_request() -> None:
    """Its second piece begins like one; the reader knows that it is content."""
    inside = get("/inside")
    head = b"POST /p HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (5 + len(inside))
    talk = Talk().client(head + b"hello").client(inside).server(ok(b"x")).client(get("/after"))
    heard = hear(talk.server(ok(b"y"))).exchanges
    assert [e.request.target for e in heard if e.request] == ["/p", "/after"]
    assert len(heard) == 2
    both_roads(talk)


@examples(300)
@given(damaged_segments, st.booleans(), st.booleans())
def test_both_roads_tell_the_same_of_anything(
    segments: list[tuple[int, bytes, int, int]], syn: bool, reset: bool
) -> None:
    talk = mangled(segments, syn)
    both_roads(
        talk.rst() if reset else talk,
        spoken([(get("/calm"), ok(b"x"), [])], Talk(frame=talk.frame)),
    )


@examples(100)
@given(
    st.lists(plain_bursts, min_size=1, max_size=6),
    st.integers(0, 40),
    st.sampled_from(["lost", "repeated", "cut"]),
)
@example([(get("/a"), ok(b"body"), [])], 0, "lost")
@example([(get("/a"), ok(b""), [])] * 3, 5, "lost")
@example([(get("/a"), ok(b"HTTP/1.1 200 OK\r\n\r\n"), [27])], 0, "lost")
def test_whatever_is_damaged_takes_the_careful_road(
    said: list[tuple[bytes, bytes, list[int]]], which: int, how: str
) -> None:
    whole = spoken(said, least=12)
    pieces = sorted((p.frame, who, p.data) for who in (0, 1) for p in whole.pieces[who])
    talk = Talk()
    for place, (_, who, data) in enumerate(pieces):
        hit = place == which % len(pieces)
        talk.say(
            who,
            data,
            lost=hit and how == "lost",
            repeated=hit and how == "repeated",
            cut=len(data) - 1 if hit and how == "cut" else None,
        )
    begun = sum(data.startswith(b"HTTP/1.") for _, who, data in pieces if who == 1)
    plain = begun == len(said)  # no piece of a body begins like a head, which is left to the other
    assert complete_in_bulk(whole) == [plain]
    assert complete_in_bulk(talk) == [False]
    both_roads(talk)


@pytest.mark.parametrize("asked", REQUESTS[len(PLAIN) + 7 :])
def test_odd_requests_take_the_careful_road(asked: bytes) -> None:
    talk = Talk().client(get("/a")).server(ok(b"a")).client(asked).server(ok(b"b"))
    assert complete_in_bulk(talk, Talk().client(get("/a")).server(ok())) == [False, True]
    both_roads(talk)


@pytest.mark.parametrize("answer", RESPONSES[13:14] + RESPONSES[16:])
def test_odd_answers_take_the_careful_road(answer: bytes) -> None:
    talk = Talk().client(get("/a")).server(answer)
    assert complete_in_bulk(talk) == [False]
    both_roads(talk)


def rows(talk: Talk) -> int:
    """How many exchanges of a conversation are told by rows."""
    heard = hear(talk).exchanges
    assert isinstance(heard, Exchanges)
    return len(heard.table)


def test_what_is_around_damage_is_read_in_bulk() -> None:
    calm: list[tuple[bytes, bytes, list[int]]] = [(get("/a"), ok(b"a"), [])] * 3
    assert rows(spoken(calm).client(get("/lost"), lost=True)) == 3
    assert rows(spoken(calm, spoken(calm).client(get("/b")).server(ok(b"b"), repeated=True))) == 7
    assert rows(spoken(calm, spoken(calm).client(get("/b"), lost=True).server(ok(b"b")))) == 6
    assert (
        rows(
            spoken(
                calm,
                spoken(calm).client(get("/b")).server(b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"b")),
            )
        )
        == 6
    )
    assert rows(spoken(calm, spoken(calm).client(get("/b") * 2).server(ok(b"b") * 2))) == 6
    assert rows(pipelined(calm * 2, 3, spoken(calm))) == 9


@examples(300)
@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(12, 40), st.integers(0, 60), st.integers(0, 3)),
        min_size=1,
        max_size=4,
    )
)
@example([(True, 12, 20, 2)])
def test_a_part_ends_with_the_last_of_its_segments_by_their_times(
    said: list[tuple[bool, int, int, int]],
) -> None:
    """Times go back by less than a second between packets that waited in different queues."""
    talk = Talk()
    for again, cut_at, more, early in said:
        body = ok(b"x" * 70)
        talk.client(get("/a"), repeated=again).server(body[:cut_at])
        for k, piece in enumerate(cut(body[cut_at:], [more])):
            talk.server(piece, early_ns=(early * 700_000 if k else 0), repeated=again)
    both_roads(talk)


def test_a_connection_that_was_open_is_read_in_bulk() -> None:
    assert rows(spoken([(get("/a"), ok(b"a"), [])] * 4, Talk(syn=False))) == 4


def test_a_head_request_makes_answers_depend_on_each_other() -> None:
    talk = spoken([(get("/a"), ok(b"a"), [])] * 2, Talk(syn=False))
    assert (
        rows(
            talk.client(get("/h", method="HEAD")).server(
                b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"
            )
        )
        == 0
    )
    both_roads(talk)


def test_a_large_body_is_not_joined() -> None:
    body = bytes(range(256)) * 4096
    talk = Talk().client(get("/large"))
    for piece in cut(ok(body), list(range(0, len(body), 1448))):
        talk.server(piece)
    talk.client(get("/next")).server(ok(b"x"))
    assert complete_in_bulk(talk) == [True]
    both_roads(talk)


def test_texts_that_are_forgotten_get_another_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lbtrace.http.bulk.messages._BATCH_BURSTS", 4)
    monkeypatch.setattr("lbtrace.http.bulk.head_dictionary._MANY", 2)
    talk = Talk()
    for i in range(20):
        talk.client(get(f"/{i % 3}", f"X: {i % 7}")).server(ok(b"x", f"Y: {i % 5}"))
    both_roads(talk)


def test_identical_heads_share_their_lines() -> None:
    talk = Talk()
    for _ in range(3):
        talk.client(get("/a", "X: y")).server(ok(b"x", "X: y"))
    heard = hear(talk)
    assert isinstance(heard.exchanges, Exchanges)
    first, *others = (e.request for e in heard.exchanges)
    assert first is not None
    assert all(other is not None and other.lines is first.lines for other in others)


@pytest.mark.parametrize("coding", [b"", b"Content-Encoding: gzip\r\n"])
def test_a_body_that_ends_with_the_connection(coding: bytes) -> None:
    answer = (
        b"HTTP/1.0 200 OK\r\n" + coding + b"Server: x\r\n\r\n" + gzip.compress(b"plain", mtime=0)
    )
    closed = Talk().client(get("/a")).server(answer[:30]).server(answer[30:]).fin()
    alive = Talk().client(get("/a")).server(answer)
    reset = Talk().client(get("/a")).server(answer).fin().rst()
    more = Talk().client(get("/a")).server(answer).client(get("/b")).server(answer).fin()
    assert complete_in_bulk(closed, alive, reset, more) == [True, False, False, False]
    both_roads(closed)
    both_roads(alive)
    both_roads(reset)
    both_roads(more)


def test_heads_of_connections_that_turn_out_unsound_are_let_go() -> None:
    odd = [
        spoken([(get(f"/{i}", f"X: {i}"), ok(b"x", f"Y: {i}"), []), (get("/a"), ok(b"x")[:-1], [])])
        for i in range(5)
    ]
    good = spoken(
        [(get("/good", "X:loose", "Z: 1"), ok(b"x", "Y: 1"), []), (get("/good"), ok(b"x"), [])]
    )
    table_ = BulkConnections(table([*odd, good]), True, lambda _fraction: None).table(array("q"))
    assert sorted(table_.heads.lines) == [
        b"Content-Length: 1",
        b"Host: a",
        b"X:loose",
        b"Y: 1",
        b"Z: 1",
    ]
    assert table_.heads.requests == [b"GET /good HTTP/1.1"]
    both_roads(*odd, good)


@pytest.mark.parametrize("last", REQUESTS)
def test_the_last_request_may_be_unanswered(last: bytes) -> None:
    before: list[tuple[bytes, bytes, list[int]]] = [
        (get("/a"), ok(b"a"), []),
        (get("/b"), ok(b"b"), []),
    ]
    whole = spoken(before).client(last[:20]).client(last[20:])
    both_roads(whole)
    both_roads(spoken(before).client(last).fin())
    both_roads(spoken(before).client(last).rst())
    both_roads(spoken(before).client(last[:-1]))
    assert complete_in_bulk(whole)[0] == (last in REQUESTS[: len(PLAIN) + 7])
