"""What a small capture may cost: exchanges beyond the budget are not made, and that is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http import budget, connection
from lbtrace.http.budget import ExchangeBudget
from lbtrace.model.http import Mark, Protocol
from tests.http.h2.wire import (
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    PUSH,
    RST,
    End,
    frame,
    settings_frame,
)
from tests.http.streams import Heard, Talk, get, hear, ok
from tests.laws import examples

SMALL = b"GET / HTTP/1.1\r\n\r\n"
NOTHING = b"HTTP/1.1 204 \r\n\r\n"


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "SPARE", 10)


def unread(heard: Heard) -> list[int]:
    """The bytes that were said to be not read, for each stream."""
    return [
        int(d.text.rsplit(" ", 1)[1].rstrip("."))
        for d in heard.diagnostics
        if d.slug == "exchanges-limited"
    ]


def test_each_connection_has_its_own_bytes_and_all_share_the_spare_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budget, "SPARE", 10)
    monkeypatch.setattr(budget, "BYTES_EACH", 100)
    shared = ExchangeBudget()
    limits = []
    earned = ((1000, 10), (99, 0), (1000, 3), (1000, 14), (500, 5), (500, 11), (100, 100), (1, 0))
    for size, made in earned:
        shared.begin(size)
        limits.append(shared.limit)
        shared.spend(made)
    assert limits == [20, 10, 20, 20, 11, 11, 1, 0], "what one does not use no other gets"


@examples(100)
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from([b"", b"x" * 300])),
        min_size=2,
        max_size=6,
    ),
    st.integers(0, 12),
)
def test_what_waits_for_being_paired_spends_as_if_it_did_not(
    said: list[tuple[int, int, bytes]], spare: int
) -> None:
    talks, frame = [], 0
    for asked, answered, body in said:
        talk = Talk(frame=frame).client(SMALL, lost=asked % 2 == 1).client(SMALL * asked)
        talks.append(talk.server(NOTHING * answered + ok(body)))
        frame = talk.frame
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(budget, "SPARE", spare)
        together = hear(*talks)
        patched.setattr(connection, "_TOGETHER", -1)
        one_by_one = hear(*talks)
    assert (together, together.spent) == (one_by_one, one_by_one.spent)


def test_the_documented_limits() -> None:
    assert (budget.BYTES_EACH, budget.SPARE, budget.FRAMES_EACH) == (256, 100_000, 4)
    assert budget.UNFOLDED_EACH == 4096


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize("careful", [False, True])
def test_pipelined_requests(careful: bool) -> None:
    heard = hear(Talk().client(SMALL * 50), careful=careful)
    limit = 10 + 50 * len(SMALL) // budget.BYTES_EACH
    assert len(heard.exchanges) == limit
    assert unread(heard) == [(50 - limit) * len(SMALL)]
    assert heard.applications[0].protocol is Protocol.HTTP1
    assert hear(Talk().client(SMALL * 13), careful=careful).slugs == {"exchanges-limited"}
    assert hear(Talk().client(SMALL * 9), careful=careful).slugs == set()


@pytest.mark.usefixtures("tight")
def test_a_stream_that_just_fits_is_whole() -> None:
    heard = hear(Talk().client(SMALL * 10))
    assert len(heard.exchanges) == 10
    assert unread(heard) == []


@pytest.mark.usefixtures("tight")
def test_pipelined_answers_and_interim_ones() -> None:
    heard = hear(Talk().client(SMALL * 40).server(NOTHING * 40))
    assert [e.response is not None for e in heard.exchanges] == [True] * len(heard.exchanges)
    assert 10 <= len(heard.exchanges) < 20
    assert len(unread(heard)) == 2
    early = b"HTTP/1.1 103 \r\n\r\n"
    heard = hear(Talk().client(get("/")).server(early * 50 + ok(b"x")))
    (exchange,) = heard.exchanges
    assert 10 <= len(exchange.interim) < 20
    assert len(unread(heard)) == 1


@pytest.mark.usefixtures("tight")
def test_messages_read_in_bulk_cost_no_budget() -> None:
    talk = Talk()
    for _ in range(50):
        talk.client(get("/a")).server(ok(b"x"))
    heard = hear(talk, talk.client(SMALL * 3).server(ok() * 3))
    assert len(heard.exchanges) == 2 * 53
    assert heard.slugs == set()


def streams(count: int) -> bytes:
    client = End()
    return b"".join(client.ask(2 * k + 1, "/") for k in range(count))


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize("reset", [False, True])
def test_streams_of_http_2(reset: bool) -> None:
    asked = b"".join(
        frame(HEADERS, END_HEADERS | END_STREAM, 2 * k + 1, b"\x82\x84\x86")
        + (frame(RST, 0, 2 * k + 1, b"\0\0\0\x08") if reset else b"")
        for k in range(60)
    )
    heard = hear(Talk().client(PREFACE + asked).server(settings_frame()))
    limit = 10 + (len(PREFACE + asked) + 15) // budget.BYTES_EACH
    assert len(heard.exchanges) == limit
    assert len(unread(heard)) == 1
    done = heard.exchanges[0]
    assert done.marks == ((Mark.RESET,) if reset else (Mark.CAPTURE_ENDED,))
    assert done.request is not None
    assert done.request.body.complete


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize(
    "answers",
    [
        b"".join(frame(HEADERS, END_HEADERS | END_STREAM, k, b"\x88") for k in range(1, 60, 2)),
        b"".join(frame(HEADERS, END_HEADERS, 1, b"\x08\x03103") for _ in range(60)),
        b"".join(
            frame(PUSH, END_HEADERS, 1, bytes([0, 0, 0, k]) + b"\x82\x84\x86")
            for k in range(2, 120, 2)
        ),
        b"".join(frame(0, 0, k, b"x") for k in range(1, 60, 2)),
    ],
)
def test_what_a_server_of_http_2_may_make_is_limited_too(answers: bytes) -> None:
    heard = hear(Talk().client(PREFACE + streams(1)).server(settings_frame() + answers))
    assert len(heard.exchanges) < 20
    assert sum(len(e.interim) for e in heard.exchanges) < 20
    assert len(unread(heard)) == 1


@pytest.mark.usefixtures("tight")
def test_one_connection_cannot_take_what_the_bytes_of_another_earn() -> None:
    ordinary = Talk()
    for k in range(20):
        asked = get(f"/{k}", "X-Filler: " + "x" * 200)
        ordinary.client(asked + asked).server(ok(b"y" * 200) * 2)
    heard = hear(Talk().client(SMALL * 500), ordinary)
    assert sum(e.connection == 1 for e in heard.exchanges) == 40
    assert len(unread(heard)) == 1


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize(
    ("flood", "each"),
    [
        (settings_frame(), 1),
        (frame(4, 0, 0, b"\0\3\0\0\0\1" * 5), 5),
        (frame(4, 1, 0, b""), 1),
        (frame(6, 0, 0, b"12345678"), 1),
        (frame(8, 0, 0, b"\0\0\0\1"), 1),
        (frame(RST, 0, 77, b"\0\0\0\x08"), 1),
        (frame(7, 0, 0, b"\0\0\0\1\0\0\0\0"), 1),
    ],
)
def test_control_frames_of_http_2_are_limited_too(flood: bytes, each: int) -> None:
    heard = hear(Talk().client(PREFACE + settings_frame() + flood * 400).server(flood * 400))
    limit = 10 + 2 * 400 * len(flood) // budget.BYTES_EACH
    kept = len(list(heard.control))
    assert limit * budget.FRAMES_EACH <= kept <= 2 * (limit + 2) * budget.FRAMES_EACH + 2 * each
    assert unread(heard)


@pytest.mark.usefixtures("tight")
def test_connections_share_what_control_frames_may_cost_beyond_their_bytes() -> None:
    flood = settings_frame() * 40
    talks = [Talk().client(PREFACE + flood).server(settings_frame()) for _ in range(4)]
    connections = [frame.connection for frame in hear(*talks).control]
    kept = [connections.count(number) for number in range(4)]
    assert kept[0] == 41
    assert kept[3] < kept[0]


def looked_up(stream: int, times: int) -> bytes:
    """A request whose header block refers so many times to the newest entry of the table."""
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\x82\x84\x86" + b"\xbe" * times)


@pytest.mark.usefixtures("tight")
def test_what_header_blocks_unfold_to_is_limited() -> None:
    """A byte of a block may stand for a field of kilobytes, a cookie as a rule."""
    client = End()
    first = client.ask(1, "/", END_STREAM, ("x-big", "v" * 4000))
    bombs = b"".join(looked_up(2 * k + 1, 100) for k in range(1, 30))
    heard = hear(Talk().client(PREFACE + first + bombs).server(settings_frame()))
    limit = 10 + len(PREFACE + first + bombs + settings_frame()) // budget.BYTES_EACH
    told = sum(len(line.raw) for e in heard.exchanges for line in e.request.lines)  # type: ignore
    assert limit * budget.UNFOLDED_EACH < told <= limit * budget.UNFOLDED_EACH + 101 * 4010
    assert len(unread(heard)) == 1


@pytest.mark.usefixtures("tight")
def test_a_large_cookie_in_each_request_meets_no_limit() -> None:
    """As many exchanges as without it, if a request unfolds to 4 KiB."""
    client = End()
    first = client.ask(1, "/", END_STREAM, ("x-big", "v" * 3900))
    more = b"".join(looked_up(2 * k + 1, 1) for k in range(1, 12))
    heard = hear(Talk().client(PREFACE + first + more).server(settings_frame()))
    assert len(heard.exchanges) == 12
    assert heard.slugs == set()


@pytest.mark.usefixtures("tight")
def test_connections_share_what_header_blocks_may_unfold_to() -> None:
    client = End()
    first = client.ask(1, "/", END_STREAM, ("x-big", "v" * 4000))
    bombs = b"".join(looked_up(2 * k + 1, 10) for k in range(1, 9))
    talks = [Talk().client(PREFACE + first + bombs).server(settings_frame()) for _ in range(3)]
    made = [e.connection for e in hear(*talks).exchanges]
    assert made.count(0) > made.count(1) == made.count(2)
