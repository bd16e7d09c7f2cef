"""`Streams` of the compiled core refuses what would lead it outside its buffers, and goes on after
a connection that it leaves to Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hpack.huffman_constants import REQUEST_CODES_LENGTH
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.h2.frames import PREFACE
from lbtrace.http.h2.hpack_tolerant import STATIC
from tests.compiled import CORE, needs_core
from tests.http.h2.wire import End, frame, settings_frame
from tests.laws import examples

pytestmark = needs_core
NAMES = (b":method", b":path", b":status", b":scheme", b":protocol", b":authority",
         b"content-type", b"content-encoding", b"content-length")  # fmt: skip
FIXED = [(name or b"", value or b"") for name, value in STATIC]
LENGTHS = bytes(REQUEST_CODES_LENGTH)
ASK = PREFACE + settings_frame() + End().ask(1, "/a")
ANSWER = settings_frame() + End().answer(1, b"x", ("content-type", "text/html"))
KINDS = (np.int64, np.uint32, np.int64, np.uint8, np.uint32, np.int64, np.uint8)


def _nothing(which: int, value: bytes) -> int:
    return 0


def _streams(
    pieces: list[list[int]],
    buffers: Any = (ASK + ANSWER,),
    examine: Any = _nothing,
    fixed: Any = FIXED,
    lengths: bytes = LENGTHS,
    names: Any = NAMES,
) -> Any:
    """`pieces`: start, length, payload, buffer, frame, time of each, and whether it is repeated."""
    assert CORE is not None
    columns = [
        np.array(of, kind) for of, kind in zip(zip(*pieces, strict=True), KINDS, strict=True)
    ]
    return CORE.Streams(tuple(columns), buffers, 10**8, fixed, lengths, names, examine, 7)  # type: ignore[arg-type]


PIECES = [[0, len(ASK), 0, 0, 1, 1, 0], [0, len(ANSWER), len(ASK), 0, 2, 2, 0]]
ENDS = (0, 1, 0, True), (1, 2, 0, True)


def _read(streams: Any, ends: Any = ENDS, limits: tuple[int, int, int] = (99, 99, 9999)) -> Any:
    return streams.read(5, ends, *limits)


def test_a_connection_becomes_a_row() -> None:
    streams = _streams(PIECES)
    made, bodies, schemes, apart, fields, asking, answering = _read(streams)
    assert (made, schemes, apart, fields) == (1, [b"http"], [], {})
    at = len(ASK + ANSWER) - 1
    assert np.frombuffer(bodies, np.int64).tolist() == [4, -1, 1, 0, 2, 1, 0, at, at + 1]
    assert [len(end[0]) // 48 for end in (asking, answering)] == [1, 2]
    rows, asked, answered, sizes, lines = streams.columns()
    assert np.frombuffer(rows, np.int64).tolist() == [5, 1, 1]
    assert np.frombuffer(asked, np.int64).tolist() == [
        0,
        0,
        0,
        1,
        1,
        1,
        1,
        1,
        1,
        len(PREFACE) + 15,
        0,
    ]
    assert np.frombuffer(answered, np.int64).tolist() == [0, 4, 1, 2, 2, 2, 2, 2, 2, 15, 0]
    assert np.frombuffer(sizes, np.int64).tolist() == [1, 2]
    texts = [b":authority: shop.example", b"server: x", b"content-type: text/html"]
    assert streams.texts() == (texts, [b"GET /a HTTP/2"], [b"HTTP/2 200 "])
    assert np.frombuffer(lines, np.int32).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("which", "value"),
    [(0, 1), (0, -1), (1, 0), (1, 2**31), (1, 10_000), (2, -1), (2, 2**62), (3, 1), (3, 255)],
)
def test_a_piece_outside_its_buffer_is_left_alone(which: int, value: int) -> None:
    pieces = [list(piece) for piece in PIECES]
    pieces[1][which] = value
    streams = _streams(pieces)
    assert _read(streams) is None
    assert streams.columns()[0] == b""


@pytest.mark.parametrize(
    "ends",
    [
        ((0, 1, 0, True), (1, 3, 0, True)),
        ((0, 1, 0, True), (2, 2, 0, True)),
        ((-1, 1, 0, True), (1, 2, 0, True)),
        ((0, 1, 0, True), (1, 2, len(ANSWER), True)),
        ((0, 1, -1, True), (1, 2, 0, True)),
        ((0, 1, 0, True), (1, 2, 1, True)),
        ((0, 1, 0, True), (0, 1, 0, True)),
        ((0, 2, 0, True), (1, 2, 0, True)),
        ((2**62, 2**63 - 1, 0, True), (1, 2, 0, True)),
    ],
)
def test_pieces_that_are_no_direction_are_left_alone(ends: Any) -> None:
    assert _read(_streams(PIECES), ends) is None


@pytest.mark.parametrize("limits", [(1, 99, 9999), (99, 0, 9999), (99, 99, 40)])
def test_what_is_beyond_its_limits_is_left_alone(limits: tuple[int, int, int]) -> None:
    streams = _streams(PIECES)
    assert _read(streams, limits=limits) is None
    assert _read(streams) is not None


def test_frames_in_pieces_of_one_byte_are_the_same() -> None:
    pieces = [
        [at, 1, at + low, 0, 1 + who, 1 + who, 0]
        for who, low, size in ((0, 0, len(ASK)), (1, len(ASK), len(ANSWER)))
        for at in range(size)
    ]
    streams = _streams(pieces)
    found = _read(streams, ((0, len(ASK), 0, True), (len(ASK), len(ASK + ANSWER), 0, True)))
    whole = _read(_streams(PIECES))
    assert found == whole
    assert streams.texts()[1] == [b"GET /a HTTP/2"]


@examples(200)
@given(st.binary(max_size=60), st.integers(0, 60), st.lists(st.integers(1, 9), max_size=20))
def test_any_bytes_are_borne(said: bytes, at: int, sizes: list[int]) -> None:
    text = ASK[:at] + said + ANSWER
    pieces, start = [], 0
    for size in [*sizes, len(text)]:
        size = min(size, len(text) - start)
        if size:
            pieces.append([start, size, start, 0, 1, 1, 0])
            start += size
    streams = _streams([*pieces, [0, len(ANSWER), len(text) - len(ANSWER), 0, 2, 2, 0]], (text,))
    _read(streams, ((0, len(pieces), 0, True), (len(pieces), len(pieces) + 1, 0, False)))
    good = _streams(PIECES)
    assert _read(good) is not None


@pytest.mark.parametrize(
    "given_tables",
    [
        {"lengths": LENGTHS[:-1]},
        {"lengths": bytes(257)},
        {"lengths": bytes([5]) * 257},
        {"lengths": bytes([31]) * 257},
        {"lengths": bytes([30]) * 257},
        {"fixed": FIXED[:-1]},
        {"fixed": [*FIXED[:-1], (b"a",)]},
        {"fixed": [*FIXED[:-1], None]},
        {"names": NAMES[:-1]},
        {"names": (*NAMES[:-1], 3)},
        {"buffers": (3,)},
        {"buffers": [b""]},
        {"examine": lambda which, value: "x"},
        {"examine": lambda which, value: 2**70},
        {"examine": None},
    ],
)
def test_tables_that_are_none_are_refused(given_tables: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        _read(_streams(PIECES, **given_tables))


def test_after_an_error_it_reads_no_other_connection() -> None:
    said = []

    def fail(which: int, value: bytes) -> int:
        said.append((which, value))
        if value == b"text/html":
            raise KeyError(value)
        return 0

    streams = _streams(PIECES, examine=fail)
    with pytest.raises(KeyError):
        _read(streams)
    assert said[-1] == (6, b"text/html")
    with pytest.raises(ValueError, match="none after an error"):
        _read(streams)


def test_examining_a_field_may_not_begin_another_connection() -> None:
    streams: Any = None

    def again(which: int, value: bytes) -> int:
        if value == b"text/html":
            _read(streams)
        return 0

    streams = _streams(PIECES, examine=again)
    with pytest.raises(ValueError, match="one connection at a time"):
        _read(streams)


def test_columns_of_other_items_are_refused() -> None:
    assert CORE is not None
    good = [np.array([0], kind) for kind in KINDS]
    for which, kind in enumerate(KINDS):
        odd = list(good)
        odd[which] = np.array([0], np.uint16)
        with pytest.raises(ValueError, match="items"):
            CORE.Streams(tuple(odd), (b"",), 1, FIXED, LENGTHS, NAMES, _nothing, 7)  # type: ignore[arg-type]
        odd[which] = np.array([0, 0], kind)
        if which:
            with pytest.raises(ValueError, match="1 items"):
                CORE.Streams(tuple(odd), (b"",), 1, FIXED, LENGTHS, NAMES, _nothing, 7)  # type: ignore[arg-type]


def test_what_a_connection_left_behind_is_in_no_row() -> None:
    """Its lines are among the fields that were seen, but no row has them."""
    end = End()
    odd = PREFACE + end.ask(1, "/odd", 1, ("x-odd", "1")) + frame(5, 4, 1, b"\0\0\0\2")
    text = odd + ASK + ANSWER
    pieces = [[0, len(odd), 0, 0, 1, 1, 0], [0, len(ANSWER), len(odd + ASK), 0, 2, 2, 0]]
    pieces += [[0, len(ASK), len(odd), 0, 3, 3, 0], [0, len(ANSWER), len(odd + ASK), 0, 4, 4, 0]]
    streams = _streams(pieces, (text,))
    assert _read(streams) is None
    assert _read(streams, ((2, 3, 0, True), (3, 4, 0, True))) is not None
    assert b"x-odd: 1" not in streams.texts()[0]
    assert streams.texts()[1] == [b"GET /a HTTP/2"]
