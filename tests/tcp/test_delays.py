"""For how long a lost segment held a stream up, by the conversation and by a walk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.tcp.connections import connections
from tests.tcp.test_loss import opened
from tests.tcp.wire import CLIENT, Wire

MS = 1_000_000


def test_a_segment_sent_twice_was_lost_beyond_the_capture() -> None:
    wire = (
        opened()
        .s("PSH", 1000, b"first", ack=100, at=10 * MS)
        .s("PSH", 1005, b"second", ack=100, at=11 * MS)
        .s("PSH", 1000, b"first", ack=100, at=230 * MS)
        .c("", 100, ack=1011, at=231 * MS)
    )
    [c], _ = connections(wire.table())
    sent = c.from_server
    assert (sent.delayed_for_ns, sent.delayed_frame, sent.delayed_ns) == (220 * MS, 6, 230 * MS)
    assert (c.from_client.delayed_for_ns, c.from_client.delayed_frame) == (0, None)


def test_a_segment_of_one_byte_is_lost_like_any_other() -> None:
    wire = opened().s("PSH", 1000, b"f", ack=100, at=10 * MS)
    wire.s("PSH", 1001, b"second", ack=100, at=11 * MS).s("PSH", 1000, b"f", ack=100, at=230 * MS)
    [c], _ = connections(wire.table())
    assert (c.from_server.delayed_for_ns, c.from_server.delayed_frame) == (220 * MS, 6)


def test_a_long_segment_that_is_all_of_its_stream() -> None:
    """Both ends send theirs twice: each is looked for in its own stream."""
    wire = opened().c("PSH", 100, b"x" * 50, ack=1000, at=10 * MS)
    wire.s("PSH", 1000, b"yes", ack=100, at=11 * MS).s("PSH", 1000, b"yes", ack=100, at=31 * MS)
    wire.c("PSH", 100, b"x" * 50, ack=1000, at=230 * MS)
    [c], _ = connections(wire.table())
    assert (c.from_client.delayed_for_ns, c.from_server.delayed_for_ns) == (220 * MS, 20 * MS)


def test_a_segment_that_came_late_was_lost_before_the_capture() -> None:
    wire = (
        opened()
        .s("PSH", 1005, b"second", ack=100, at=11 * MS)
        .s("PSH", 1011, b"third", ack=100, at=12 * MS)
        .s("PSH", 1000, b"first", ack=100, at=311 * MS)
    )
    [c], _ = connections(wire.table())
    assert (c.from_server.delayed_for_ns, c.from_server.delayed_frame) == (300 * MS, 6)


def test_a_segment_sent_again_though_acknowledged_delayed_nothing() -> None:
    wire = (
        opened()
        .s("PSH", 1000, b"first", ack=100, at=10 * MS)
        .c("", 100, ack=1005, at=11 * MS)
        .s("PSH", 1000, b"first", ack=100, at=230 * MS)
    )
    [c], _ = connections(wire.table())
    assert c.from_server.delayed_for_ns == 0


segment = st.tuples(st.integers(0, 30), st.integers(2, 8), st.integers(1, 50))


@given(st.lists(segment, min_size=1, max_size=10), st.booleans())
def test_it_is_what_a_walk_finds(segments: list[tuple[int, int, int]], careful: bool) -> None:
    """The longest time from a first copy to its repetition, or from later bytes to earlier ones;
    streams of whole segments on a grid, so that each is new or sent before.
    """
    wire, now, sent = opened(), 10, list[tuple[int, int]]()
    longest = 0
    for slot, _, wait in segments:
        now += wait
        wire.c("PSH", 100 + 4 * slot, b"abcd", ack=1000, at=now)
        before = [at for other, at in sent if other == slot]
        later = [at for other, at in sent if other > slot]
        if before:
            longest = max(longest, now - before[0])
        elif later:
            longest = max(longest, now - min(later))
        sent.append((slot, now))
    [c], _ = connections(wire.table(), careful)
    assert c.from_client.delayed_for_ns == longest


def test_a_stream_in_order_has_no_delay() -> None:
    wire = Wire().c("SYN", 99).c("PSH", 100, b"a", ack=1).c("PSH", 101, b"b", ack=1, at=10**12)
    [c], _ = connections(wire.table())
    assert c.from_client.delayed_for_ns == 0


@pytest.mark.parametrize("streams", [1, 50])
def test_a_capture_that_lasts_for_a_lifetime(streams: int) -> None:
    """However many streams there are beside the one that was held up."""
    lifetime = 80 * 365 * 86400 * 1000 * MS
    wire = opened().s("PSH", 1005, b"second", ack=100, at=10 * MS)
    wire.s("PSH", 1000, b"first", ack=100, at=lifetime)
    for port in range(streams):
        wire.client = CLIENT._replace(port=port)
        wire.c("SYN", 99, at=lifetime)
    found, _ = connections(wire.table())
    assert found[0].from_server.delayed_for_ns == lifetime - 10 * MS


def test_offsets_that_do_not_fit_beside_the_numbers_of_streams_tell_no_delay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is said, and nothing wrong."""
    wire = opened().s("PSH", 1005, b"second", ack=100, at=10 * MS)
    table = wire.s("PSH", 1000, b"first", ack=100, at=20 * MS).table()
    for most, told in ((15, 10 * MS), (14, 0)):
        monkeypatch.setattr("lbtrace.tcp.delays._MOST", most)
        assert connections(table)[0][0].from_server.delayed_for_ns == told


def test_what_came_at_the_same_time_delayed_nothing() -> None:
    """Both ends' segments are out of order; the client's are the last of all, the server's the
    first.
    """
    wire = opened().s("PSH", 1004, b"more", ack=100, at=10).s("PSH", 1000, b"told", ack=100, at=10)
    wire.c("PSH", 104, b"more", ack=1008, at=10**9).c("PSH", 100, b"asks", ack=1008, at=10**9)
    [c], _ = connections(wire.table())
    assert (c.from_client.delayed_for_ns, c.from_server.delayed_for_ns) == (0, 0)
