"""Files whose times go back: put together, or recorded by a clock that was set back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.trace import SET_BACK
from lbtrace.tables.packets import SegmentTable
from lbtrace.tcp import connections, in_time_order
from tests.tcp.wire import CLIENT, Segment, Wire

S = 1_000_000_000
LENGTH = 12  # segments of the conversation


def conversation(second: int = 0) -> Wire:
    """A request every two seconds, each answered at once, from this second on."""
    at = iter(range(second * S, (second + 3 * LENGTH) * S, S))
    wire = Wire().c("SYN", 99, at=next(at)).s("SYN", 999, ack=100, at=next(at))
    wire.c("", 100, ack=1000, at=next(at))
    for n in range((LENGTH - 3) // 3):
        wire.c("PSH", 100 + n, b"q", ack=1000 + n, at=next(at))
        wire.s("PSH", 1000 + n, b"a", ack=101 + n, at=next(at))
        wire.c("", 101 + n, ack=1001 + n, at=next(at))
    return wire


def read(segments: list[Segment]) -> SegmentTable:
    return in_time_order(Wire(segments).table())


def slugs(table: SegmentTable) -> list[str]:
    return [said.slug for said in table.diagnostics]


def test_a_file_in_order_stays_as_it_is() -> None:
    table = conversation().table()
    assert in_time_order(table) is table


def test_packets_of_different_queues_stay_as_they_are() -> None:
    wire = conversation()
    wire.segments[4].time_ns = wire.segments[3].time_ns - S
    table = wire.table()
    assert in_time_order(table) is table


@given(st.integers(2, LENGTH - 2))
def test_parts_in_the_wrong_order_are_read_in_order_of_time(cut: int) -> None:
    segments = conversation().segments
    table = read(segments[cut:] + segments[:cut])
    assert slugs(table) == ["time-order"]
    assert table.time_ns.tolist() == [s.time_ns for s in segments]
    # frames keep the numbers that they have in the file
    assert table.frame.tolist() == [(n - cut) % LENGTH + 1 for n in range(LENGTH)]
    [c], streams = connections(table)
    assert c.opened
    assert streams.clean.all()


def test_both_directions_recorded_apart_and_put_together() -> None:
    segments = conversation().segments
    client = segments[0].flow[0]
    asked = [s for s in segments if s.flow[0] == client]
    table = read(asked + [s for s in segments if s.flow[0] != client])
    assert slugs(table) == ["time-order"]
    assert table.time_ns.tolist() == [s.time_ns for s in segments]


@given(st.integers(2, LENGTH - 2), st.integers(3, 40))
def test_a_clock_that_is_set_back_does_not_change_the_order(at: int, seconds: int) -> None:
    segments = conversation(second=100).segments
    for segment in segments[at:]:
        segment.time_ns -= seconds * S
    table = read(segments)
    assert slugs(table) == [SET_BACK]
    assert table.frame.tolist() == list(range(1, LENGTH + 1))
    [said] = table.diagnostics
    assert said.frame == at + 1


@given(st.integers(0, LENGTH - 1), st.integers(-(2**62), 2**62))
def test_one_damaged_time_moves_no_packet(row: int, damaged: int) -> None:
    segments = conversation().segments
    segments[row].time_ns = damaged
    assert read(segments).frame.tolist() == list(range(1, LENGTH + 1))


@given(st.integers(0, LENGTH), st.integers(2, 40))
def test_one_damaged_time_moves_no_packet_of_a_connection_of_its_own(row: int, ago: int) -> None:
    """A SYN that nothing else belongs to contradicts no order: one packet alone shows none."""
    other = Wire(client=CLIENT._replace(port=40001)).c("SYN", 7).segments
    segments = conversation(second=100).segments
    segments[row:row] = other
    nearby = segments[row - 1 if row else 1].time_ns
    other[0].time_ns = nearby - ago * S if row else nearby + ago * S
    assert read(segments).frame.tolist() == list(range(1, LENGTH + 2))


@pytest.mark.parametrize("of_client", [True, False])
def test_of_one_direction_its_numbers_alone_tell_that_the_clock_was_set_back(
    of_client: bool,
) -> None:
    segments = [s for s in conversation(100).segments if (s.flow[0] == CLIENT) == of_client]
    for segment in segments[2:]:
        segment.time_ns -= 50 * S
    table = read(segments)
    assert slugs(table) == [SET_BACK]
    assert table.frame.tolist() == list(range(1, len(segments) + 1))


def test_numbers_that_go_down_by_one_go_down() -> None:
    """Bytes that were typed, each sent twice; the clock was set back between two of them."""
    wire = Wire()
    for n, at in ((0, 100), (0, 101), (1, 50), (1, 51)):
        wire.c("PSH", 100 + n, b"q", ack=1000, at=at * S)
    assert slugs(read(wire.segments)) == [SET_BACK]


def test_a_byte_that_is_acknowledged_was_sent_before() -> None:
    """In order of time its acknowledgement, sent twice, would come first."""
    wire = Wire().c("PSH", 99, b"p", at=90 * S)
    wire.c("PSH", 100, b"q", at=100 * S).c("PSH", 100, b"q", at=101 * S)
    wire.s("", 1000, ack=101, at=95 * S).s("", 1000, ack=101, at=96 * S)
    assert slugs(read(wire.segments)) == [SET_BACK]


def test_the_numbers_of_each_connection_are_looked_at() -> None:
    """One that stands in the file before it, in order, hides nothing of the one after it."""
    other = Wire(client=CLIENT._replace(port=39999)).c("SYN", 5, at=90 * S).segments
    wire = Wire().c("PSH", 99, b"p", at=91 * S)
    wire.c("PSH", 100, b"q", at=100 * S).c("PSH", 100, b"q", at=101 * S)
    wire.s("", 1000, ack=101, at=95 * S).s("", 1000, ack=101, at=96 * S)
    assert slugs(read(other + wire.segments)) == [SET_BACK]
