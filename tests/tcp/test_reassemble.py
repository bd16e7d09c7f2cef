"""Reassembly: laws against a bitmap that cannot be wrong, then the cases that have names."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.net import Endpoint
from lbtrace.tables.packets import StreamTable
from lbtrace.tcp import connections
from lbtrace.tcp.connections import connections as with_care
from tests.laws import examples
from tests.tcp.wire import Wire, contents

PATTERN = random.Random(1).randbytes(4096)
cuts = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), min_size=1, max_size=30)
isns = st.one_of(st.integers(0, 2**32 - 1), st.integers(2**32 - 300, 2**32 - 1))


def one_way(isn: int, segments: list[tuple[int, int]], head: bool = True) -> Wire:
    wire = Wire()
    if head:
        wire.c("SYN", isn)
    for start, length in segments:
        wire.c("PSH", isn + 1 + start, PATTERN[start : start + length])
    return wire


def same(a: StreamTable, b: StreamTable) -> bool:
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for name, d in StreamTable.declared.items()
        if d.role != "shared" and name != "clean"
    )


@examples(150)
@given(isns, cuts)
def test_every_captured_byte_is_in_its_place(isn: int, segments: list[tuple[int, int]]) -> None:
    bitmap: list[int | None] = [None] * 300
    for start, length in segments:
        bitmap[start : start + length] = PATTERN[start : start + length]
    [c], streams = connections(one_way(isn, segments).table())
    found: list[int | None] = [None] * 300
    for start, octets in contents(streams, 0):
        assert all(slot is None for slot in found[start : start + len(octets)])
        found[start : start + len(octets)] = octets
    assert found == bitmap
    end = max(s + n for s, n in segments)
    assert int(streams.end[0]) == end
    assert c.from_client.bytes == sum(b is not None for b in bitmap)
    assert c.from_client.bytes + c.from_client.missing == end


@examples(100)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 200), st.integers(1, 60)),
        min_size=1,
        max_size=40,
    )
)
def test_streams_do_not_disturb_each_other(segments: list[tuple[int, bool, int, int]]) -> None:
    wire = Wire()
    for number in range(3):
        wire.client = Endpoint("10.0.0.9", 40000 + number)
        wire.c("SYN", 99).s("SYN", 999, ack=100)
    for number, asks, start, length in segments:
        wire.client = Endpoint("10.0.0.9", 40000 + number)
        octets = PATTERN[start : start + length]
        wire.c("PSH", 100 + start, octets, ack=1000) if asks else wire.s(
            "PSH", 1000 + start, octets, ack=100
        )
    _, streams = connections(wire.table())
    for stream in range(6):
        mine = [
            (start, length)
            for number, asks, start, length in segments
            if number * 2 + (not asks) == stream
        ]
        alone = connections(one_way(99, mine).table())[1] if mine else None
        assert contents(streams, stream) == (contents(alone, 0) if alone else [])


@examples(100)
@given(isns, cuts, st.randoms(use_true_random=False), st.booleans())
def test_order_duplication_and_isn_do_not_matter(
    isn: int, segments: list[tuple[int, int]], chance: random.Random, head: bool
) -> None:
    shuffled = segments + chance.choices(segments, k=len(segments))
    chance.shuffle(shuffled)
    _, a = connections(one_way(0, segments, head).table())
    _, b = connections(one_way(isn, shuffled, head).table())
    assert contents(a, 0) == contents(b, 0)


@examples(100)
@given(isns, st.lists(st.integers(1, 50), min_size=1, max_size=20), st.booleans(), st.booleans())
def test_both_roads_agree(isn: int, lengths: list[int], head: bool, finished: bool) -> None:
    at, segments = 0, []
    for length in lengths:
        segments.append((at, length))
        at += length
    wire = one_way(isn, segments, head)
    if finished:
        wire.c("FIN", isn + 1 + at)
    quick, slow = connections(wire.table()), with_care(wire.table(), careful=True)
    assert quick[0] == slow[0]
    assert same(quick[1], slow[1])
    assert bool(quick[1].clean[0]) == head


def test_the_first_captured_of_differing_bytes_wins_and_is_told() -> None:
    wire = Wire().c("SYN", 99).c("PSH", 100, b"abcd").c("PSH", 102, b"XYef")
    [c], streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"abcdef")]
    assert c.from_client.retransmissions == 1
    assert [(d.slug, d.count, d.frame) for d in streams.diagnostics] == [
        ("tcp-overlap-differs", 1, 3)
    ]
    assert streams.start.tolist() == [0, 4]
    assert streams.repeated.tolist() == [True, False]


def test_overlaps_between_lone_segments_stay_in_their_stream() -> None:
    """The lone segments are there first, also those behind an overlap, and those of the other
    stream.
    """
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).c("PSH", 100, b"0123", ack=1000)
    wire.c("PSH", 104, b"4567", ack=1000).c("PSH", 106, b"6789", ack=1000).c(
        "PSH", 110, b"ab", ack=1000
    ).c("PSH", 112, b"c", ack=1000)
    wire.s("PSH", 1002, b"cd", ack=113).s("PSH", 1000, b"ab", ack=113)
    _, streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"0123456789abc")]
    assert contents(streams, 1) == [(0, b"abcd")]


def test_a_lost_segment_is_a_gap() -> None:
    wire = Wire().c("SYN", 99).c("PSH", 100, b"ab").c("PSH", 107, b"hi")
    [c], streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"ab"), (7, b"hi")]
    assert (c.from_client.bytes, c.from_client.missing, c.from_client.truncated) == (4, 5, 0)
    assert not streams.clean[0]


def test_the_snapshot_length_leaves_a_counted_gap() -> None:
    wire = Wire().c("SYN", 99).c("PSH", 100, b"abcdef", cut=4).c("PSH", 106, b"gh")
    [c], streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"ab"), (6, b"gh")]
    assert (c.from_client.missing, c.from_client.truncated) == (4, 4)


def test_bytes_acknowledged_but_never_captured() -> None:
    wire = (
        Wire()
        .c("SYN", 99)
        .s("SYN", 999, ack=100)
        .c("PSH", 100, b"ab", ack=1000)
        .s("ACK", 1000, ack=112)
    )
    [c], streams = connections(wire.table())
    assert streams.end.tolist() == [12, 0]
    assert c.from_client.missing == 10


def test_a_keep_alive_is_neither_data_nor_a_retransmission() -> None:
    wire = (
        Wire()
        .c("SYN", 99)
        .c("PSH", 100, b"ab")
        .c("ACK", 101, b"\0")
        .c("ACK", 101)
        .c("PSH", 102, b"cd")
    )
    [c], streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"abcd")]
    assert (c.from_client.retransmissions, c.from_client.out_of_order) == (0, 0)
    assert not streams.repeated.any()


def test_a_corrupted_sequence_number_misplaces_nothing() -> None:
    wire = (
        Wire().c("SYN", 99).c("PSH", 100, b"ab").c("PSH", 100 + 2**31, b"??").c("PSH", 102, b"cd")
    )
    [c], streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"abcd")]
    assert c.from_client.missing == 0
    assert [d.slug for d in streams.diagnostics] == ["tcp-sequence-implausible"]


def test_late_bytes_are_marked() -> None:
    wire = Wire().c("SYN", 99).c("PSH", 102, b"cd").c("PSH", 100, b"ab")
    [c], streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"abcd")]
    assert (c.from_client.out_of_order, c.from_client.retransmissions) == (1, 0)
    assert streams.repeated.tolist() == [True, False]


def test_a_slightly_corrupted_sequence_number_is_a_stray() -> None:
    wire = (
        Wire().c("SYN", 99).c("PSH", 100, b"ab").c("PSH", 100 + 2**26, b"??").c("PSH", 102, b"cd")
    )
    [c], streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"abcd")]
    assert [d.slug for d in streams.diagnostics] == ["tcp-sequence-implausible"]
    assert c.from_client.missing == 0


def test_a_damaged_acknowledgement_invents_no_loss() -> None:
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).c("PSH", 100, b"ab", ack=1000)
    wire.s("ACK", 1000, ack=100 + 2**25).s("ACK", 1000, ack=102)
    [c], _ = connections(wire.table())
    assert c.from_client.missing == 0


def test_of_a_direction_that_was_not_captured_what_was_acknowledged_is_missing() -> None:
    wire = (
        Wire().s("SYN", 999, ack=100).s("PSH", 1000, b"ab", ack=500).s("PSH", 1002, b"cd", ack=900)
    )
    [c], streams = connections(wire.table())
    assert (c.from_client.packets, c.from_client.missing) == (0, 800)
    assert contents(streams, 1) == [(0, b"abcd")]


def test_a_fin_that_was_not_captured_is_no_lost_byte() -> None:
    wire = (
        Wire()
        .c("SYN", 99)
        .s("SYN", 999, ack=100)
        .c("PSH", 100, b"ab", ack=1000)
        .s("ACK", 1000, ack=103)
    )
    [c], _ = connections(wire.table())
    assert c.from_client.missing == 0


def test_the_payload_of_a_reset_is_no_data() -> None:
    wire = Wire().c("SYN", 99).c("PSH", 100, b"ab").c("RST", 102, b"go away")
    [c], streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"ab")]
    assert (c.from_client.rsts, c.from_client.bytes) == (1, 2)


def test_a_stream_longer_than_the_ring() -> None:
    wire = Wire().c("SYN", 99)
    step = 2**29
    for i in range(12):
        wire.c("PSH", 100 + i * step, b"x" * 10)
    _, streams = connections(wire.table())
    assert streams.start.tolist() == [i * step for i in range(12)]


def test_acknowledgements_are_offsets_in_the_other_stream() -> None:
    wire = (
        Wire()
        .c("SYN", 2**32 - 3)
        .s("SYN", 999, ack=2**32 - 2)
        .c("PSH", 2**32 - 2, b"abcd", ack=1000)
    )
    wire.s("PSH", 1000, b"x", ack=2).c("PSH", 2, b"e")
    _, streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"abcde")]
    assert streams.ack.tolist() == [0, -1, 4]


def test_an_acknowledgement_of_what_came_before_the_capture_says_nothing() -> None:
    wire = Wire().s("PSH", 1000, b"x", ack=500).c("PSH", 800, b"y", ack=1001)
    _, streams = connections(wire.table())
    assert sorted(streams.ack.tolist()) == [-1, 1]


def test_data_far_from_a_syn_that_nothing_follows_are_the_stream() -> None:
    """The SYN is that of another connection; where these data begin is not known."""
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100)
    wire.c("PSH", 3_000_000_000, b"ask").c("PSH", 3_000_000_003, b"more")
    _, streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"askmore")]
    assert streams.known_start.tolist() == [False, True]


def test_data_that_follow_their_syn_count_more_than_many_far_away() -> None:
    wire = Wire().c("SYN", 99).c("PSH", 100, b"ask")
    wire.c("PSH", 3_000_000_000, b"far").c("PSH", 3_000_000_003, b"away")
    _, streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"ask")]
    assert streams.known_start[0]
    assert [(d.count, d.frame) for d in streams.diagnostics] == [(2, 3)]


def test_without_a_syn_the_neighbourhood_with_most_segments_is_the_stream() -> None:
    wire = Wire().c("PSH", 100, b"one").c("PSH", 3_000_000_000, b"far").c("PSH", 103, b"two")
    wire.s("PSH", 7, b"x", ack=106)
    [c], streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"onetwo")]
    assert c.from_client.start_seq == 100
    wire = (
        Wire().c("PSH", 100, b"one").c("PSH", 3_000_000_000, b"far").c("PSH", 3_000_000_003, b"2")
    )
    [c], streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"far2")]
    assert c.from_client.start_seq == 3_000_000_000


@pytest.mark.parametrize(("far", "kept"), [(1 << 24, True), ((1 << 24) + 1, False)])
def test_a_segment_far_from_both_its_neighbours_is_a_stray(far: int, kept: bool) -> None:
    wire = Wire().c("PSH", 100, b"ab").c("PSH", 102 + far, b"??").c("PSH", 102, b"cd")
    [_], streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"abcd"), *[(2 + far, b"??")] * kept]
    wire = Wire().c("PSH", 100, b"ab").c("PSH", 102 + far, b"??").c("PSH", 102 + far + 2, b"cd")
    [_], streams = connections(wire.table())
    assert len(contents(streams, 0)) == 2


def test_fins_are_counted_where_they_repeat_and_where_they_do_not() -> None:
    """A FIN that comes before data it follows repeats nothing."""
    wire = Wire().c("SYN", 99).c("PSH", 100, b"ab").c("FIN", 104).c("FIN", 102).c("FIN", 104)
    [c], streams = connections(wire.table())
    assert streams.fin[0] == 4
    assert (c.from_client.retransmissions, c.from_client.repeat_frame) == (2, 4)


def test_what_lies_before_the_syn_is_dropped() -> None:
    """In part, or whole."""
    wire = Wire().c("SYN", 99).c("PSH", 97, b"xyzab").c("PSH", 102, b"cd").c("PSH", 90, b"old")
    [c], streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"abcd")]
    assert (c.from_client.bytes, c.from_client.missing) == (4, 0)


def test_what_the_snapshot_length_cut_of_bytes_before_the_syn_is_nothing() -> None:
    wire = Wire().c("SYN", 99).c("PSH", 97, b"xyzab", cut=4).c("PSH", 102, b"cd")
    [c], streams = connections(wire.table())
    assert contents(streams, 0) == [(2, b"cd")]
    assert (c.from_client.bytes, c.from_client.missing, c.from_client.truncated) == (2, 2, 2)


def test_a_neighbourhood_reaches_as_far_as_the_largest_window() -> None:
    wire = Wire().c("PSH", 100, b"ab").c("PSH", 100 + 2**31, b"??").c("PSH", 100 + 2**30, b"cd")
    _, streams = connections(wire.table())
    assert streams.start.tolist() == [0, 2**30]


def test_no_byte_is_lost_when_only_flags_were_captured() -> None:
    """A FIN alone, a SYN that comes twice and nothing else, in streams that need care."""
    for wire in (Wire().c("FIN", 5).c("FIN", 5), Wire().c("SYN", 5).c("SYN", 5)):
        [c], streams = connections(wire.table())
        assert (c.from_client.bytes, c.from_client.missing) == (0, 0)
        assert contents(streams, 0) == []


def test_nothing_is_a_stray_far_into_a_stream() -> None:
    wire = Wire().c("SYN", 99)
    places = [*range(0, 48_000_000, 8_000_000), 40_000_002, 40_000_004, 40_000_002]
    for at in places:
        wire.c("PSH", 100 + at, b"ab")
    _, streams = connections(wire.table())
    assert streams.diagnostics == ()
    assert streams.start.tolist() == places[:-1]


def test_bytes_up_to_the_begin_of_the_stream_are_none_that_came_twice() -> None:
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).c("PSH", 100, b"ask", ack=1000)
    [c], streams = connections(wire.c("PSH", 90, b"x" * 10, ack=1000).table())
    assert contents(streams, 0) == [(0, b"ask")]
    assert (c.from_client.retransmissions, c.from_client.out_of_order) == (0, 0)


def test_a_neighbourhood_is_one_of_segments_of_its_own_stream() -> None:
    """What the other end sends lies near the damaged number, and says nothing of it."""
    wire = Wire().c("PSH", 100, b"ab").c("PSH", 3_000_000_000, b"??").c("PSH", 102, b"cd")
    for _ in range(2):
        wire.s("PSH", 3_000_000_003, b"te").s("PSH", 3_000_000_005, b"ll")
    _, streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"abcd")]
    assert contents(streams, 1) == [(0, b"tell")]
