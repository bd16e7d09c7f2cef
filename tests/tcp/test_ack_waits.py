"""Small segments that were sent only when the one before was acknowledged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.stream import Direction
from lbtrace.tables.packets import SegmentTable
from lbtrace.tcp.ack_waits import AT_ONCE_NS, SMALL, ack_waits
from lbtrace.tcp.connections import connections
from tests.compiled import on_both
from tests.laws import examples
from tests.tcp.wire import Wire

MS = 1_000_000


def opened(way_ns: int = 0) -> Wire:
    """A handshake; the way from the capture to the client and back takes `way_ns`."""
    return Wire().c("SYN", 99, at=0).s("SYN", 999, ack=100, at=0).c("ACK", 100, ack=1000, at=way_ns)


def waited(
    wire: Wire, at: int = 100 * MS, ack_after: int = 40 * MS, rest_after: int = 0, rest: int = 8
) -> Direction:
    """The server sends a head, the client acknowledges it, the server sends the rest."""
    wire.s("PSH", 1000, b"head", ack=100, at=at)
    wire.c("ACK", 100, ack=1004, at=at + ack_after)
    wire.s("PSH", 1004, b"x" * rest, ack=100, at=at + ack_after + rest_after)
    return server(wire)


def server(wire: Wire) -> Direction:
    [c], _ = connections(wire.table())
    assert c.from_client.ack_waits == 0
    return c.from_server


def test_the_rest_that_comes_with_a_late_acknowledgement_was_held_back() -> None:
    sent = waited(opened())
    assert (sent.ack_waits, sent.ack_wait_for_ns) == (1, 40 * MS)
    assert (sent.ack_wait_frame, sent.ack_wait_ns) == (6, 140 * MS)


def test_the_client_may_be_the_one_that_waits() -> None:
    wire = opened().c("PSH", 100, b"head", ack=1000, at=10 * MS)
    wire.s("ACK", 1000, ack=104, at=50 * MS).c("PSH", 104, b"body", ack=1000, at=50 * MS)
    [c], _ = connections(wire.table())
    assert (c.from_client.ack_waits, c.from_server.ack_waits) == (1, 0)


@pytest.mark.parametrize(
    ("ack_after", "rest_after", "rest", "count"),
    [
        (30 * MS, 0, 8, 1),
        (30 * MS - 1, 0, 8, 0),
        (40 * MS, 0, 1, 1),
        (40 * MS, 0, 0, 0),
        (40 * MS, AT_ONCE_NS, 8, 1),
        (40 * MS, AT_ONCE_NS + 1, 8, 0),
        (501 * MS, 0, 8, 0),
        (40 * MS, 0, SMALL, 0),  # a segment that is not small is sent at once
        (40 * MS, 0, SMALL - 1, 1),
    ],
)
def test_late_at_once_and_small(ack_after: int, rest_after: int, rest: int, count: int) -> None:
    assert waited(opened(), 100 * MS, ack_after, rest_after, rest).ack_waits == count


def test_the_way_there_and_back_is_no_delay() -> None:
    assert waited(opened(way_ns=40 * MS)).ack_waits == 0
    sent = waited(opened(way_ns=40 * MS), ack_after=80 * MS)
    assert (sent.ack_waits, sent.ack_wait_for_ns) == (1, 40 * MS)


def test_what_comes_sooner_than_an_answer_can_was_not_sent_because_of_it() -> None:
    """The capture was taken far from the server: its answers take 40 ms."""
    far = Wire().c("SYN", 99, at=0).s("SYN", 999, ack=100, at=40 * MS)
    far.c("ACK", 100, ack=1000, at=40 * MS)
    for rest_after, count in ((0, 0), (19 * MS, 0), (20 * MS, 1), (82 * MS, 1), (83 * MS, 0)):
        wire = Wire([*far.segments])
        assert waited(wire, 100 * MS, 400 * MS, rest_after).ack_waits == count
    assert waited(Wire([*far.segments]), 100 * MS, 160 * MS, 41 * MS).ack_waits == 0


def test_where_no_answer_was_seen_nothing_is_told() -> None:
    """How long the way is, is not known."""
    wire = Wire().c("ACK", 100, ack=1000, at=0)
    assert waited(wire).ack_waits == 0


def test_who_once_sent_a_second_small_segment_at_once_holds_none_back() -> None:
    wire = opened().s("PSH", 1000, b"head", ack=100, at=10 * MS)
    wire.s("PSH", 1004, b"body", ack=100, at=11 * MS).c("ACK", 100, ack=1008, at=12 * MS)
    wire.s("PSH", 1008, b"head", ack=100, at=20 * MS).c("ACK", 100, ack=1012, at=60 * MS)
    wire.s("PSH", 1012, b"rest", ack=100, at=60 * MS)
    assert server(wire).ack_waits == 0


def test_an_answer_is_no_acknowledgement_that_came_late() -> None:
    """What carries payload was not held back for its acknowledgement's sake."""
    wire = opened().s("PSH", 1000, b"head", ack=100, at=10 * MS)
    wire.c("PSH", 100, b"ask", ack=1004, at=50 * MS).s("PSH", 1004, b"rest", ack=103, at=50 * MS)
    assert server(wire).ack_waits == 0


def test_who_sends_more_before_the_acknowledgement_holds_nothing_back() -> None:
    wire = opened().s("PSH", 1000, b"head", ack=100, at=10 * MS)
    wire.s("PSH", 1004, b"more", ack=100, at=11 * MS)
    wire.c("ACK", 100, ack=1004, at=50 * MS).s("PSH", 1008, b"rest", ack=100, at=50 * MS)
    assert server(wire).ack_waits == 0


def test_a_segment_sent_again_is_not_the_rest() -> None:
    wire = opened().s("PSH", 1000, b"head", ack=100, at=10 * MS)
    wire.c("ACK", 100, ack=1004, at=50 * MS).s("PSH", 1000, b"head", ack=100, at=50 * MS)
    assert server(wire).ack_waits == 0


@given(st.sets(st.integers(0, 11)))
def test_what_the_capture_lost_is_never_taken_for_waiting(lost: set[int]) -> None:
    """Client and server take turns and wait for nothing: whatever packets are missing, no segment
    was held back.
    """
    wire = opened(way_ns=MS)
    for n in range(3):
        at, ask, answer = (100 + 60 * n) * MS, 100 + 3 * n, 1000 + 4 * n
        wire.c("PSH", ask, b"ask", ack=answer, at=at)
        wire.s("PSH", answer, b"told", ack=ask + 3, at=at + MS)
        wire.c("ACK", ask + 3, ack=answer + 4, at=at + 41 * MS)
    wire.segments = [s for n, s in enumerate(wire.segments) if n not in lost]
    if wire.segments:
        for c in connections(wire.table())[0]:
            assert c.from_client.ack_waits == c.from_server.ack_waits == 0


# a segment: its stream, when it came, its flags, what it goes on with and acknowledges of what was
# sent so far (with what is off by a byte), how long it is
segment = st.tuples(
    st.integers(0, 3),
    st.sampled_from([0, MS, 3 * MS, 35 * MS, 45 * MS, 600 * MS, -MS, 1 << 63]),
    st.sampled_from([16, 16, 16, 24, 2, 18, 17, 20, 0]),
    st.sampled_from([0, 0, 0, 0, 1]),
    st.sampled_from([0, 0, 0, 0, 1]),
    st.sampled_from([0, 0, 8, 64, 1219, 1220, 1448]),
)


@examples(500)
@given(st.lists(segment, max_size=14), st.integers(0, (1 << 32) - 1))
def test_both_roads_find_the_same(steps: list[tuple[int, ...]], begin: int) -> None:
    sent, now, rows = [begin] * 4, 0, list[tuple[int, ...]]()
    for of, step, flags, off, known, size in steps:
        now = (now + step + (1 << 63)) % (1 << 64) - (1 << 63)
        rows.append((of, now, flags, sent[of] + off, sent[of ^ 1] - known, size))
        sent[of] += size + (flags & 2 != 0)
    streams, time_ns, marks, seq, ack, sizes = (
        [row[column] for row in rows] for column in range(6)
    )
    table = SimpleNamespace(
        time_ns=np.array(time_ns, np.int64),
        flags=np.array(marks, np.uint8),
        seq=np.array([number % (1 << 32) for number in seq], np.uint32),
        ack=np.array([number % (1 << 32) for number in ack], np.uint32),
        wire_length=np.array(sizes, np.uint32),
    )

    def found() -> list[list[int]]:
        waits = ack_waits(cast(SegmentTable, table), np.array(streams, np.int32), 4)
        return [column.tolist() for column in (waits.count, waits.longest_ns, waits.row)]

    plain, compiled = on_both(found)
    assert plain == compiled
