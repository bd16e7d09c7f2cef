"""One direction of HTTP/2: frames, padding, cuts and gaps."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_128_hexdigest

from lbtrace.http.cursor import Cursor, StreamPieces
from lbtrace.http.h2.direction import Http2Direction
from lbtrace.http.weirds import Weirds
from lbtrace.model.http import Framing
from tests.http.h2.wire import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH,
    RST,
    End,
    frame,
    settings_frame,
)
from tests.http.streams import Talk, table
from tests.laws import examples

GET = b"\x82\x84\x86"
PINGED = frame(PING, 0, 0, bytes(8))


def read(*parts: bytes | int, limit: int = 999, syn: bool = True) -> Http2Direction:
    """A direction of these pieces; a number is so many bytes that were lost."""
    talk = Talk(syn=syn)
    for part in parts:
        if isinstance(part, int):
            talk.client(b"?" * part, lost=True)
        else:
            talk.client(part)
    cursor = Cursor(StreamPieces(table([talk])), 0)
    return Http2Direction(cursor, Weirds(), True, limit)


def content(direction: Http2Direction, stream: int = 1) -> tuple[int, str | None]:
    half = direction.halves[stream]
    assert half.digest is not None
    body = half.digest.body(Framing.DATA_FRAMES, half.length, None, not half.holes)
    return body.length, body.digest


@examples(150)
@given(st.lists(st.integers(0, 500), max_size=12))
def test_how_it_is_cut_into_pieces_does_not_matter(cuts: list[int]) -> None:
    end = End()
    raw = PREFACE + settings_frame() + end.ask(1, "/a", 0) + frame(DATA, 0, 1, b"abc")
    raw += PINGED + end.ask(3, "/b") + frame(DATA, END_STREAM, 1, b"def")
    raw += frame(RST, 0, 3, bytes(4)) + frame(GOAWAY, 0, 0, bytes(8))
    places = sorted({c % len(raw) for c in cuts} | {0, len(raw)})
    found = read(*(raw[a:b] for a, b in pairwise(places)))
    assert content(found) == (6, xxh3_128_hexdigest(b"abcdef"))
    assert [half.ended for half in found.halves.values()] == [True, True]
    assert found.resets == {3}
    assert found.unread == 0
    assert not found.weirds.found


@pytest.mark.parametrize("padding", [0, 1, 5, 255])
def test_padding_of_data_is_no_content(padding: int) -> None:
    data = frame(DATA, PADDED | END_STREAM, 1, bytes([padding]) + b"abc" + bytes(padding))
    found = read(PREFACE + data + frame(HEADERS, END_HEADERS | END_STREAM, 3, GET))
    assert content(found) == (3, xxh3_128_hexdigest(b"abc"))
    assert found.halves[1].ended
    assert found.halves[3].section is not None


def test_padding_that_is_longer_than_the_frame() -> None:
    found = read(PREFACE + frame(DATA, PADDED, 1, b"\x09abc") + PINGED + frame(DATA, 0, 1, b"d"))
    assert content(found) == (1, xxh3_128_hexdigest(b"d"))
    found = read(PREFACE + frame(DATA, PADDED, 1) + frame(DATA, 0, 1, b"d"))
    assert content(found) == (1, xxh3_128_hexdigest(b"d"))


@pytest.mark.parametrize("padding", [0, 1, 7])
@pytest.mark.parametrize("priority", [False, True])
def test_padding_and_priority_of_headers(padding: int, priority: bool) -> None:
    payload = (b"\0\0\0\0\x10" if priority else b"") + GET
    flags = END_HEADERS | END_STREAM | PADDED | (PRIORITY if priority else 0)
    found = read(PREFACE + frame(HEADERS, flags, 1, bytes([padding]) + payload + bytes(padding)))
    section = found.halves[1].section
    assert section is not None
    assert (section.method, section.path, section.readable) == ("GET", "/", True)


def test_continuation() -> None:
    parts = [frame(HEADERS, END_STREAM, 1, GET[:1]), frame(CONTINUATION, 0, 1, GET[1:2])]
    last = frame(CONTINUATION, END_HEADERS, 1, GET[2:])
    whole = read(PREFACE + b"".join(parts) + last).halves[1]
    assert whole.section is not None
    assert whole.section.readable
    assert whole.head_end == len(PREFACE + b"".join(parts) + last)
    for cut in (parts[0], b"".join(parts), b"".join(parts) + last[:-1], parts[0] + PINGED):
        half = read(PREFACE + cut).halves[1]
        assert half.section is not None
        assert not half.section.readable
        assert half.unreadable


def test_a_header_block_is_limited() -> None:
    first = frame(HEADERS, 0, 1, b"\x82" * 9)
    big = frame(CONTINUATION, END_HEADERS, 1, b"\x82" * ((1 << 20) - 9))
    bigger = frame(CONTINUATION, END_HEADERS, 1, b"\x82" * ((1 << 20) - 8))
    assert read(PREFACE + first + frame(CONTINUATION, 4, 1, GET)).halves[1].section is not None
    section = read(PREFACE + first + big).halves[1].section
    assert section is not None
    assert not section.readable  # more than a block may unfold to
    found = read(PREFACE + first + bigger, frame(PING, 0, 0, bytes(8)))
    section = found.halves[1].section
    assert section is not None
    assert not section.readable


def test_push_promise() -> None:
    promise = frame(PUSH, END_HEADERS | PADDED, 1, b"\x02" + b"\x80\0\0\x02" + GET + b"\0\0")
    found = read(settings_frame() + promise + PINGED)
    assert list(found.promised) == [2]
    half = found.promised[2]
    assert (half.ended, half.begin, half.end) == (
        True,
        len(settings_frame()),
        len(settings_frame() + promise),
    )
    assert half.section is not None
    assert half.section.method == "GET"


def test_trailers_end_a_message() -> None:
    end = End()
    head = frame(HEADERS, END_HEADERS, 1, end.block((":status", "200")))
    trailers = frame(HEADERS, END_HEADERS | END_STREAM, 1, end.block(("grpc-status", "0")))
    half = read(settings_frame() + head + frame(DATA, 0, 1, b"x") + trailers).halves[1]
    assert half.ended
    assert [line.raw for line in half.trailers] == ["grpc-status: 0"]
    assert half.end == len(settings_frame() + head + frame(DATA, 0, 1, b"x") + trailers)


@pytest.mark.parametrize(
    ("status", "ended", "interim"),
    [("100", False, True), ("199", False, True), ("103", True, False), ("200", False, False)],
)
def test_which_header_blocks_are_interim(status: str, ended: bool, interim: bool) -> None:
    end = End()
    flags = END_HEADERS | (END_STREAM if ended else 0)
    half = read(settings_frame() + frame(HEADERS, flags, 1, end.block((":status", status)))).halves[
        1
    ]
    assert bool(half.interims) == interim
    assert (half.section is None) == interim


def test_a_gap_inside_of_data_is_skipped_by_its_length() -> None:
    end = End()
    head = end.ask(1, "/up", 0)
    data = frame(DATA, END_STREAM, 1, b"x" * 100)
    found = read(PREFACE + head + data[:40], 20, data[60:] + end.ask(3, "/b"))
    half = found.halves[1]
    assert (half.length, half.holes, half.ended) == (80, True, True)
    section = found.halves[3].section
    assert section is not None
    assert section.readable


def test_a_gap_inside_of_headers_loses_the_state() -> None:
    end = End()
    head = end.ask(1, "/up")
    found = read(PREFACE + head[:15], len(head) - 15, end.ask(3, "/b") + PINGED)
    assert found.halves[1].unreadable
    assert found.halves[1].section is None
    assert {slug for slug, _ in found.weirds.found} == {"http2-state-lost"}
    section = found.halves[3].section
    assert section is not None
    assert not section.readable


def test_padding_whose_length_is_in_a_gap_is_taken_for_none() -> None:
    data = frame(DATA, PADDED, 1, b"\x01abc\0")
    found = read(PREFACE + data[:9], 1, data[10:] + PINGED)
    assert (found.halves[1].length, found.halves[1].holes) == (4, False)


def test_reading_goes_on_at_a_piece_that_begins_with_frames() -> None:
    found = read(b"inside of a frame", frame(DATA, 0, 1, b"x") + PINGED, syn=False)
    assert content(found) == (1, xxh3_128_hexdigest(b"x"))
    assert read(b"inside of a frame", b"and no other", syn=False).halves == {}


@pytest.mark.parametrize("limit", [0, 1, 2, 3])
def test_no_more_streams_than_the_limit_are_read(limit: int) -> None:
    asked = [frame(HEADERS, END_HEADERS | END_STREAM, stream, GET) for stream in (1, 3, 5)]
    found = read(PREFACE + b"".join(asked), limit=limit)
    assert list(found.halves) == [1, 3, 5][:limit]
    assert found.unread == sum(map(len, asked[limit:]))
