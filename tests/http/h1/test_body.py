"""Bodies by each framing, over gaps and cuts; chunked framing against an oracle."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_128_hexdigest

from lbtrace.http.cursor import Cursor, StreamPieces
from lbtrace.http.h1.body import (
    MAX_CHUNK_LINE,
    chunked_end,
    read_chunked,
    read_length,
    read_until_close,
    whole_chunked,
)
from lbtrace.model.http import Body, Framing
from tests.http.streams import Talk, table
from tests.laws import examples


def over(*parts: bytes | int) -> Cursor:
    """A cursor over these pieces; a number is so many bytes that were lost."""
    talk = Talk()
    for part in parts:
        if isinstance(part, int):
            talk.client(b"?" * part, lost=True)
        else:
            talk.client(part)
    return Cursor(StreamPieces(table([talk])), 0)


_chunks = st.lists(st.binary(min_size=1, max_size=30), max_size=5)


def encoded(chunks: list[bytes], extension: bytes = b"", trailers: bytes = b"") -> bytes:
    parts = [b"%x%s\r\n%s\r\n" % (len(c), extension, c) for c in chunks]
    return b"".join(parts) + b"0\r\n" + trailers + b"\r\n"


def of(content: bytes, framing: Framing, declared: int | None = None) -> Body:
    return Body(framing, len(content), declared, True, xxh3_128_hexdigest(content))


@examples(200)
@given(_chunks, st.sampled_from([b"", b";a=b"]), st.sampled_from([b"", b"X: y\r\n"]), st.binary())
def test_what_was_chunked_comes_back(
    chunks: list[bytes], extension: bytes, trailers: bytes, behind: bytes
) -> None:
    sent = encoded(chunks, extension, trailers)
    content = b"".join(chunks)
    cursor = over(sent + behind)
    read = read_chunked(cursor, None, "")
    assert read.body == of(content, Framing.CHUNKED)
    assert read.ended
    assert cursor.offset == len(sent) == chunked_end(sent + behind)
    assert list(read.trailers) == ([b"X: y"] if trailers else [])
    assert read.weirds == (("chunk-extension",) if extension and chunks else ())
    ordinary = not (extension and chunks) and not trailers
    assert whole_chunked(sent, "") == (read.body if ordinary else None)
    assert whole_chunked(sent + b"x", "") is None


@examples(200)
@given(_chunks, st.integers(0, 200))
def test_any_cut_of_it_is_not_complete(chunks: list[bytes], at: int) -> None:
    sent = encoded(chunks)
    cut = sent[: at % len(sent)]
    read = read_chunked(over(cut), None, "")
    assert not read.ended
    assert not read.body.complete
    assert read.body.digest is None
    assert read.weirds == ()
    assert chunked_end(cut) is None
    assert whole_chunked(cut, "") is None


@examples(200)
@given(_chunks, st.lists(st.integers(0, 200), max_size=5))
def test_it_does_not_matter_how_it_is_cut_into_pieces(chunks: list[bytes], cuts: list[int]) -> None:
    sent = encoded(chunks)
    places = sorted({c % len(sent) for c in cuts} | {0, len(sent)})
    pieces = over(*(sent[a:b] for a, b in pairwise(places)))
    assert read_chunked(pieces, None, "") == read_chunked(over(sent), None, "")


def test_a_gap_inside_of_a_chunk_is_skipped_by_its_size() -> None:
    cursor = over(b"9\r\nab", 5, b"hi\r\n3\r\nxyz\r\n0\r\n\r\nnext")
    read = read_chunked(cursor, None, "")
    assert read.ended
    assert (read.body.length, read.body.complete, read.body.digest) == (7, False, None)
    assert cursor.peek(9) == b"next"


def test_a_gap_of_just_the_end_of_a_chunk_is_skipped_too() -> None:
    cursor = over(b"3\r\nabc", 2, b"0\r\n\r\nnext")
    read = read_chunked(cursor, None, "")
    assert (read.ended, read.body.length) == (True, 3)
    assert cursor.peek(9) == b"next"
    assert not read_chunked(over(b"3\r\nabc\r", 1, b"0\r\n\r\n"), None, "").ended


@pytest.mark.parametrize("lost", [b"3", b"3\r\nabc\r\n0", b"3\r\nabc\r\n0\r\n"])
def test_a_gap_in_the_framing_ends_the_reading(lost: bytes) -> None:
    read = read_chunked(over(lost, 3, b"\r\n\r\n"), None, "")
    assert not read.ended


@pytest.mark.parametrize(
    ("line", "weird"),
    [
        (b"3 \t\r\nabc\r\n0\r\n\r\n", None),
        (b"03\r\nabc\r\n0\r\n\r\n", None),
        (b"3\nabc\r\n0\r\n\r\n", "chunk-bare-lf"),
        (b"3\r\nabc\n0\r\n\r\n", "chunk-bare-lf"),
        (b"3\r\nabc\r\n0\r\n\n", "chunk-bare-lf"),
        (b"3;x\r\nabc\r\n0\r\n\r\n", "chunk-extension"),
    ],
)
def test_readings_that_differ_are_named(line: bytes, weird: str | None) -> None:
    read = read_chunked(over(line), None, "")
    assert read.body == of(b"abc", Framing.CHUNKED)
    assert read.weirds == ((weird,) if weird else ())


@pytest.mark.parametrize(
    ("line", "weird"),
    [
        (b"x\r\n", "chunk-size-invalid"),
        (b"0x3\r\nabc\r\n", "chunk-size-invalid"),
        (b"\r\nabc\r\n", "chunk-size-invalid"),
        (b"1" * 1025 + b"\r\n", "chunk-size-invalid"),
        (b"1" * 1024 + b"\r\n", "chunk-size-huge"),
        (b"10000000000000000\r\n", "chunk-size-huge"),
        (b"3\r\nabcd\r\n0\r\n\r\n", "chunk-end-missing"),
    ],
)
def test_what_is_no_chunk_ends_the_reading(line: bytes, weird: str) -> None:
    read = read_chunked(over(line), 7, "")
    assert not read.ended
    assert read.weirds == (weird,)
    assert (read.body.complete, read.body.declared) == (False, 7)


def test_the_longest_chunk_and_the_longest_line() -> None:
    cursor = over(b"ffffffffffffffff\r\nabc")
    assert read_chunked(cursor, None, "").body.length == 3
    line = b"3;" + b"x" * (MAX_CHUNK_LINE - 4)
    assert read_chunked(over(line + b"\r\nabc\r\n0\r\n\r\n"), None, "").ended
    assert not read_chunked(over(line + b"x\r\nabc\r\n0\r\n\r\n"), None, "").ended
    assert chunked_end(line + b"\r\nabc\r\n0\r\n\r\n") == len(line) + 12
    assert chunked_end(line + b"x\r\nabc\r\n0\r\n\r\n") is None


def test_where_another_reader_would_find_the_end() -> None:
    assert chunked_end(b"3\nabc\n0\n\nnext") == 9
    assert chunked_end(b"3;x\r\nabc\r\n0\r\nT: x\r\n\r\nnext") == 21
    assert chunked_end(b"0\r\n\r\n") == 5
    assert chunked_end(b"") is None
    assert chunked_end(b"x\r\n") is None
    assert chunked_end(b"3\r\nabc") is None


def test_trailers_are_limited() -> None:
    trailer = b"X: " + b"y" * 995 + b"\r\n"
    few, many = b"0\r\n" + trailer * 65 + b"\r\n", b"0\r\n" + trailer * 66 + b"\r\n"
    assert read_chunked(over(few), None, "").ended
    read = read_chunked(over(many), None, "")
    assert not read.ended
    assert len(read.trailers) == 65


def test_a_body_of_stated_length() -> None:
    cursor = over(b"abcdef")
    read = read_length(cursor, 4, "")
    assert (read.body, read.ended, cursor.offset) == (
        of(b"abcd", Framing.CONTENT_LENGTH, 4),
        True,
        4,
    )
    read = read_length(over(b"abc"), 4, "")
    assert (read.body, read.ended) == (Body(Framing.CONTENT_LENGTH, 3, 4, False, None), False)
    cursor = over(b"ab", 3, b"cdef")
    read = read_length(cursor, 6, "")
    assert (read.body, read.ended, cursor.offset) == (
        Body(Framing.CONTENT_LENGTH, 3, 6, False, None),
        True,
        6,
    )
    assert read_length(over(b"abc"), 0, "").body == of(b"", Framing.CONTENT_LENGTH, 0)


def test_a_body_until_the_close() -> None:
    assert read_until_close(over(b"abc"), "", True, 3).body == of(b"abc", Framing.UNTIL_CLOSE)
    for cursor, closed, end in (
        (over(b"abc"), False, 3),
        (over(b"abc"), True, 4),
        (over(b"a", 1, b"c"), True, 3),
    ):
        read = read_until_close(cursor, "", closed, end)
        assert read.ended
        assert not read.body.complete
        assert read.body.digest is None
