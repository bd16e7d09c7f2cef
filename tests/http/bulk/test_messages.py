"""Messages read in bulk: rows, their objects, and what a reader may take of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_128_hexdigest

from lbtrace.http.bulk.bulk_connections import BulkConnections
from lbtrace.http.bulk.messages import BulkMessages
from lbtrace.http.h1.head import HeadCaches
from lbtrace.model.http import Mark, Request, Response
from lbtrace.tables.exchanges import Exchanges
from tests.http.bulk.test_bulk_connections import REQUESTS, RESPONSES, spoken
from tests.http.streams import Talk, get, hear, ok, table
from tests.laws import examples

CACHES = HeadCaches()


def read(*talks: Talk) -> BulkConnections:
    return BulkConnections(table(talks), True, lambda _fraction: None)


def messages(bulk: BulkMessages) -> tuple[list[Request], list[Response]]:
    """The bursts that are messages, as objects."""
    asked, answered = [], []
    for t in range(len(bulk.bursts)):
        if bulk.fits[t] and bulk.bursts.stream[t] & 1:
            answered.append(bulk.response(int(bulk.number[t]), CACHES))
        elif bulk.fits[t]:
            asked.append(bulk.request(int(bulk.number[t]), CACHES))
    return asked, answered


@examples(200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(REQUESTS),
            st.sampled_from(RESPONSES),
            st.lists(st.integers(0, 300), max_size=3),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_what_is_taken_for_a_message_is_one_for_the_plain_reader(
    said: list[tuple[bytes, bytes, list[int]]],
) -> None:
    talk = spoken(said).fin()
    asked, answered = messages(read(talk).bulk)
    plain = hear(talk, careful=True).exchanges
    requests = [e.request._replace(marks=()) for e in plain if e.request is not None]
    responses = [e.response._replace(marks=()) for e in plain if e.response is not None]
    whole = read(talk).complete[0]
    assert not whole or (asked == requests and answered == responses)


def test_ready_messages_are_found_by_their_offset_and_chained() -> None:
    asked = [get(f"/{k}") for k in range(4)]
    talk = Talk()
    for k, request in enumerate(asked):
        talk.client(request).server(ok(b"x" * k))
    talk.client(b"GET lost", lost=True)
    ready = read(talk).ready()
    begins = [sum(map(len, asked[:k])) for k in range(4)]
    assert [ready.at(0, begin) for begin in begins] == [0, 1, 2, 3]
    assert list(ready.stop[:4]) == [4, 4, 4, 4]
    assert [ready.at(0, begin + 1) for begin in begins] == [-1] * 4
    assert ready.at(0, sum(map(len, asked))) == -1
    assert list(ready.head[:4]) == list(ready.end[:4])
    assert ready.at(1, 0) == 4
    assert list(ready.first) == [0, 4, 8]


def test_over_a_gap_messages_follow_each_other_where_one_surely_begins() -> None:
    talk = Talk().client(get("/a")).server(ok(b"a")).client(get("/b"), lost=True)
    talk.server(ok(b"b")).client(get("/c")).server(ok(b"c"))
    ready = read(talk).ready()
    assert list(ready.stop[: ready.first[1]]) == [2, 2]
    assert list(ready.gaps) == [1]
    assert ready.at(0, 2 * len(get("/a"))) == 1


def test_behind_a_gap_a_reason_of_control_characters_is_no_sure_beginning() -> None:
    talk = Talk().client(get("/a")).server(ok(b"a")).client(get("/b"))
    talk.server(ok(b"b"), lost=True).client(get("/c")).server(ok(b"c", status="200 \x01"))
    ready = read(talk).ready()
    assert list(ready.stop[ready.first[1] :]) == [4, 5]
    assert hear(talk) == hear(talk, careful=True)


@pytest.mark.parametrize(
    ("lost", "more", "rows"),
    [
        (b"x" * 30, b"", 3),  # the rest of a body is missing
        (b"x" * 30 + ok(b"lost"), b"", 3),  # and the next response
        (b"x" * 10, b"x" * 20, 2),  # what is missing is in its middle
        (b"x" * 30, ok(b"y")[:5], 2),  # the next response begins with a piece too short to tell
    ],
)
def test_a_body_of_which_the_end_is_missing_is_a_row(lost: bytes, more: bytes, rows: int) -> None:
    talk = Talk().client(get("/a")).server(ok(b"a")).client(get("/b"))
    talk.server(ok(b"x" * 50)[:-30]).server(lost, lost=True).server(more)
    talk.client(get("/c")).server(ok(b"c") if not more or more[:1] == b"x" else ok(b"y")[5:])
    heard = hear(talk)
    assert heard == hear(talk, careful=True)
    assert isinstance(heard.exchanges, Exchanges)
    assert len(heard.exchanges.table) == rows
    cut = [e.response for e in heard.exchanges if e.response and e.response.body.declared == 50]
    assert [response.marks for response in cut] == [(Mark.BODY_TRUNCATED,)]


def test_a_last_body_that_is_cut_is_left_to_the_reader() -> None:
    """Nothing behind it shows that the capture goes on."""
    talk = Talk().client(get("/a")).server(ok(b"x" * 50), cut=len(ok(b"x" * 50)) - 5)
    assert not read(talk).bulk.short.any()
    assert hear(talk) == hear(talk, careful=True)


@pytest.mark.parametrize("size", [8189, 8190, 8191, 8192])
def test_the_longest_head_that_is_remembered(size: int) -> None:
    """8 KiB with the empty line; a longer one is left to the plain reader."""
    start = b"GET /a HTTP/1.1\r\nX: "
    asked = start + b"y" * (size - len(start) - 4) + b"\r\n\r\n"
    talk = Talk().client(asked).server(ok(b"x"))
    assert read(talk).complete.tolist() == [size <= 8192]
    assert read(Talk().client(asked + b"").server(ok(b"x"))).complete.tolist() == [
        len(asked) <= 8192
    ]


@pytest.mark.parametrize("size", [(1 << 18) - 60, 1 << 18, (1 << 18) + 100, 3 << 18])
@pytest.mark.parametrize("piece", [1448, 60000])
def test_large_bodies_have_their_digest(size: int, piece: int) -> None:
    body = bytes(range(251)) * (size // 251 + 1)
    whole = ok(body[:size])
    talk = Talk().client(get("/a"))
    for at in range(0, len(whole), piece):
        talk.server(whole[at : at + piece])
    bulk = read(talk)
    assert bulk.complete.tolist() == [True]
    _, (response,) = messages(bulk.bulk)
    assert response.body.length == size
    assert response.body.digest == xxh3_128_hexdigest(body[:size])
    assert response.last_frame == 1 + -(-len(whole) // piece)


def test_a_head_over_several_pieces_ends_in_its_frame() -> None:
    whole = get("/a", "X: " + "y" * 90)
    for at in range(12, len(whole)):
        talk = (
            Talk().client(whole[:12]).client(whole[12:at]) if at > 12 else Talk().client(whole[:12])
        )
        asked, _ = messages(read(talk.client(whole[at:]).server(ok())).bulk)
        assert asked[0].head_frame == asked[0].last_frame == (3 if at > 12 else 2)
    upload = b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\n"
    asked, _ = messages(read(Talk().client(upload).client(b"123456789").server(ok())).bulk)
    assert (asked[0].first_frame, asked[0].head_frame, asked[0].last_frame) == (1, 1, 2)


def test_batches_do_not_change_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk()
    for k in range(30):
        talk.client(get(f"/{k % 4}")).server(ok(b"z" * k))
    whole = messages(read(talk).bulk)
    monkeypatch.setattr("lbtrace.http.bulk.messages._BATCH_BYTES", 50)
    assert messages(read(talk).bulk) == whole
    monkeypatch.setattr("lbtrace.http.bulk.messages._BATCH_BURSTS", 1)
    assert messages(read(talk).bulk) == whole


def test_progress_is_told() -> None:
    told: list[float] = []
    BulkConnections(table([Talk().client(get("/a")).server(ok())]), True, told.append)
    assert told == [0.0]
