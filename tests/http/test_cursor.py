"""A cursor over pieces reads what one over the joined bytes would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.cursor import Cursor, StreamPieces
from lbtrace.model.http import Mark
from tests.http.streams import Talk, table
from tests.laws import examples


class Bytes:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.data = b""

    def update(self, data: bytes | memoryview, /) -> None:
        self.data += bytes(data)


def cursor(talk: Talk, who: int = 0) -> Cursor:
    return Cursor(StreamPieces(table([talk])), who)


def spoken(parts: list[tuple[bytes, bool]]) -> tuple[Talk, list[int | None]]:
    """The pieces, of which some are lost; and of each offset its byte, None where it is lost."""
    talk, oracle = Talk(), list[int | None]()
    for data, lost in parts:
        talk.client(data, lost=lost)
        oracle += [None] * len(data) if lost else list(data)
    while oracle and oracle[-1] is None:
        oracle.pop()
    return talk, oracle


_pieces = st.binary(min_size=1, max_size=9).map(lambda b: b.replace(b"\0", b"\n"))
_parts = st.lists(
    st.tuples(
        st.binary(min_size=1, max_size=9).map(lambda b: b.replace(b"\0", b"\n")), st.booleans()
    ),
    max_size=8,
)
_steps = st.lists(
    st.tuples(st.sampled_from(["peek", "take", "line"]), st.integers(0, 14)), max_size=12
)


@examples(300)
@given(_parts, _steps)
def test_it_walks_as_an_oracle_over_single_bytes_does(
    parts: list[tuple[bytes, bool]], steps: list[tuple[str, int]]
) -> None:
    talk, oracle = spoken(parts)
    c = cursor(talk)
    at = next((k for k, byte in enumerate(oracle) if byte is not None), 0)
    for step, size in steps:
        assert c.offset == at
        run = bytearray()
        for byte in oracle[at : at + size]:
            if byte is None:
                break
            run.append(byte)
        match step:
            case "peek":
                assert c.peek(size) == run
            case "line":
                end = run.find(b"\n") + 1
                assert c.line(size) == (bytes(run[:end]) if end else None)
                at += end
            case "take":
                sink = Bytes()
                stop = min(at + size, len(oracle))
                captured = sum(byte is not None for byte in oracle[at:stop])
                assert c.take(size, sink) == captured
                assert sink.data == run
                at = stop
        assert c.ended() == (at >= len(oracle))
        assert c.at_gap() == (at < len(oracle) and oracle[at] is None)


def test_a_line_is_found_over_pieces_and_not_beyond_the_limit() -> None:
    talk = Talk().client(b"ab").client(b"c\r").client(b"\nd")
    assert cursor(talk).line(5) == b"abc\r\n"
    c = cursor(talk)
    assert c.line(4) is None
    assert c.offset == 0
    assert c.line(0) is None
    assert c.take(5, None) == 5
    assert c.line(9) is None


def test_rows_ahead() -> None:
    talk = Talk().client(b"abc").client(b"def").client(b"x", lost=True).client(b"ghi")
    c = cursor(talk)
    assert list(c.rows_ahead()) == [0, 1, 2]
    assert list(c.rows_ahead(0)) == [1, 2]
    assert list(c.rows_ahead(2)) == [1, 2]
    assert list(c.rows_ahead(3)) == [2]
    c.take(1, None)
    assert list(c.rows_ahead()) == [1, 2]
    c.take(5, None)
    assert list(c.rows_ahead()) == [2]
    assert list(cursor(Talk()).rows_ahead()) == []


def test_moving_and_skipping() -> None:
    talk = Talk().client(b"abc").client(b"def").client(b"x", lost=True).client(b"ghi")
    c = cursor(talk)
    for offset, left in ((1, b"bcdef"), (4, b"ef"), (7, b"ghi")):
        c.move_to(offset)
        assert (c.offset, c.peek(9)) == (offset, left)
    c = cursor(talk)
    c.skip(3)
    assert (c.offset, c.peek(9)) == (3, b"def")
    c.skip(6)
    assert c.at_gap()
    assert [c.row_at(offset) for offset in (0, 2, 3, 5, 6, 7, 9)] == [0, 0, 1, 1, 1, 2, 2]


@examples(200)
@given(_parts, st.integers(0, 20))
def test_gaps_are_what_is_not_captured(parts: list[tuple[bytes, bool]], more: int) -> None:
    talk, oracle = spoken(parts)
    talk.client(b"z" * more, lost=True)
    begins, ends = StreamPieces(table([Talk().client(b"other"), talk])).gaps(2)
    missing = {k for begin, end in zip(begins, ends, strict=True) for k in range(begin, end)}
    sent = talk.sent[0]
    assert missing == {k for k in range(sent) if k >= len(oracle) or oracle[k] is None}
    assert all(begin < end for begin, end in zip(begins, ends, strict=True))


def test_what_cuts_a_message_short() -> None:
    def mark(talk: Talk) -> Mark:
        return StreamPieces(table([talk])).cut_mark(0)

    assert mark(Talk().client(b"a")) is Mark.CAPTURE_ENDED
    assert mark(Talk().client(b"a").fin()) is Mark.CLOSED
    assert mark(Talk().fin()) is Mark.CLOSED
    assert mark(Talk().client(b"a").fin().rst()) is Mark.RESET


def test_a_fin_behind_bytes_that_were_not_captured_cuts_nothing_short() -> None:
    pieces = StreamPieces(table([Talk().server(b"abc").fin(unseen=5)]))
    assert pieces.cut_mark(1) is Mark.LOST
    assert pieces.gaps(1) == ([3], [8])
    assert pieces.cut_mark(0) is Mark.CLOSED


def test_no_end_behind_lost_bytes_cuts_a_message_short() -> None:
    lost = Talk().client(b"abc").client(b"def", lost=True)
    for talk in (lost, lost.fin(), lost.rst()):  # one and the same talk, that goes on
        assert StreamPieces(table([talk])).cut_mark(0) is Mark.LOST
