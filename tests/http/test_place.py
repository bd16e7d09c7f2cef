"""Frames and times of a message, however its pieces arrived."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.http.cursor import Cursor, StreamPieces
from lbtrace.http.place import Delivery, Ending, place
from lbtrace.model.http import Mark
from tests.http.streams import MS, Talk, table
from tests.laws import examples

SIZE = 10


def arrived(order: list[int], repeated: set[int]) -> Cursor:
    """Pieces of SIZE bytes; `order[k]` is the place in time of the k-th one in the stream."""
    talk = Talk()
    for k, frame in enumerate(order):
        talk.frame = 10 * frame
        talk.client(b"x" * SIZE, repeated=k in repeated)
    talk.frame = 1000
    return Cursor(StreamPieces(table([talk])), 0)


_orders = st.integers(1, 6).flatmap(lambda n: st.permutations(range(n)))


@examples(200)
@given(_orders, st.sets(st.integers(0, 5)), st.data())
def test_a_part_ends_with_its_last_arrival(
    order: list[int], repeated: set[int], data: st.DataObject
) -> None:
    cursor = arrived(order, repeated)
    total = SIZE * len(order)
    offset = data.draw(st.integers(0, total - 1))
    head_end = data.draw(st.integers(offset, total))
    end = data.draw(st.integers(max(head_end, offset + 1), total))
    frames = [10 * frame + 1 for frame in order]
    rows = [offset // SIZE, max(head_end - 1, offset) // SIZE, (end - 1) // SIZE]
    found = place(cursor, offset, head_end, end)
    assert found.row == rows[0]
    assert found.first_frame == frames[rows[0]]
    assert found.head_frame == max(frames[rows[0] : rows[1] + 1])
    assert found.last_frame == max(frames[rows[0] : rows[2] + 1])
    assert (found.first_ns, found.head_ns, found.last_ns) == tuple(
        frame * MS for frame in found[1:4]
    )
    assert found.repeated == any(k in repeated for k in range(rows[0], rows[2] + 1))


@examples(200)
@given(_orders, st.sets(st.integers(0, 5)), st.integers(0, 59), st.integers(0, 59))
def test_where_messages_overlap_a_byte_counts_when_all_before_it_are_there(
    order: list[int], repeated: set[int], one: int, other: int
) -> None:
    cursor = arrived(order, repeated)
    total = SIZE * len(order)
    offset, end = sorted((one % total, other % total + 1))
    end = max(end, offset + 1)
    found = Delivery(cursor).place(offset, end, end)
    frames = [10 * frame + 1 for frame in order]
    assert found.first_frame == frames[offset // SIZE]
    assert found.head_frame == found.last_frame == max(frames[: (end - 1) // SIZE + 1])
    assert found.repeated == any(
        k in repeated for k in range(offset // SIZE, (end - 1) // SIZE + 1)
    )


def test_a_clean_stream_has_no_repetition() -> None:
    cursor = arrived([0, 1, 2], set())
    assert cursor.pieces.clean[0]
    assert Delivery(cursor).place(0, 5, 25) == place(cursor, 0, 5, 25)
    assert place(cursor, 5, 15, 25) == (0, 1, 11, 21, MS, 11 * MS, 21 * MS, False)


def test_how_a_stream_ended() -> None:
    def ending(talk: Talk) -> Ending:
        return Ending.of(Cursor(StreamPieces(table([talk])), 0))

    assert ending(Talk().client(b"abc")) == (Mark.CAPTURE_ENDED, -1, 3, False)
    assert ending(Talk().client(b"abc").fin()) == (Mark.CLOSED, 3, 3, False)
    assert ending(Talk().client(b"abc").client(b"d", lost=True)) == (
        Mark.LOST,
        -1,
        4,
        True,
    )
    assert ending(Talk()) == (Mark.CAPTURE_ENDED, -1, 0, False)
