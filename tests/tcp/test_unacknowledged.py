"""What was sent and never acknowledged: by the conversation, and by a count of its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.tcp.connections import connections
from tests.tcp.test_loss import opened
from tests.tcp.wire import Wire


def test_a_segment_sent_again_and_again_was_never_acknowledged() -> None:
    wire = opened().c("PSH", 100, b"ask", ack=1000, at=4_000_000).s("", 1000, ack=103)
    for n in range(4):
        wire.s("", 1000, b"x" * 40, ack=103, at=(10 + 2**n) * 1_000_000)
    [c], _ = connections(wire.table())
    sent = c.from_server
    assert (sent.unacked, sent.unacked_least, sent.acked_most) == (4, 40, 0)
    assert (sent.unacked_frame, sent.unacked_ns, sent.unacked_last_ns) == (
        6,
        11_000_000,
        18_000_000,
    )
    assert (sent.unacked_idle_ns, sent.last_packet_ns) == (6_000_000, 18_000_000)
    assert (c.from_client.unacked, c.from_client.acked_most) == (0, 3)
    assert c.from_client.unacked_frame is None


def test_a_connection_is_silent_by_itself() -> None:
    """Others, with their packets in between, do not break the silence."""
    wire = opened().s("", 1000, ack=100, at=5_000_000)
    for port in (40001, 40002):
        wire.client = wire.client._replace(port=port)
        wire.c("SYN", 99, at=6_000_000).s("SYN", 999, ack=100, at=7_000_000)
        wire.c("PSH", 100, b"ask", ack=1000, at=8_000_000)
    wire.client = wire.client._replace(port=40000)
    wire.c("PSH", 100, b"ask", ack=1000, at=9_000_000)
    found, _ = connections(wire.table())
    assert [c.from_client.unacked_idle_ns for c in found] == [4_000_000, 1_000_000, 1_000_000]


def test_where_the_other_end_was_not_captured_nothing_is_known() -> None:
    wire = Wire().c("SYN", 99).c("PSH", 100, b"ask", ack=1000).c("PSH", 100, b"ask", ack=1000)
    [c], _ = connections(wire.table())
    assert (c.from_client.unacked, c.from_client.acked_most) == (0, 0)


def test_a_byte_that_was_acknowledged_is_one_that_passed() -> None:
    wire = opened().c("PSH", 100, b"a", ack=1000).c("PSH", 101, b"sk", ack=1000)
    [c], _ = connections(wire.s("", 1000, ack=101).table())
    assert (c.from_client.acked_most, c.from_client.unacked_least) == (1, 2)


def test_a_size_is_the_one_on_the_wire() -> None:
    wire = opened().c("PSH", 100, b"x" * 50, ack=1000, cut=40).c("PSH", 150, b"y" * 9, ack=1000)
    [c], _ = connections(wire.s("", 1000, ack=150).table())
    assert (c.from_client.acked_most, c.from_client.unacked_least) == (50, 9)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(2, 12)), min_size=1, max_size=12),
    st.integers(0, 52),
)
def test_it_is_what_a_walk_counts(segments: list[tuple[int, int]], acked: int) -> None:
    """Each segment with payload of which no byte was acknowledged counts, however it overlaps. (One
    byte sent again is a probe, and none of them.)
    """
    wire = opened()
    for begin, size in segments:
        wire.c("PSH", 100 + begin, bytes(range(begin, begin + size)), ack=1000)
    end = max(begin + size for begin, size in segments)
    acked = min(acked, end)
    [c], _ = connections(wire.s("", 1000, ack=100 + acked).table())
    left = [size for begin, size in segments if begin >= acked]
    whole = [size for begin, size in segments if begin + size <= acked]
    assert c.from_client.unacked == len(left)
    first = [size for begin, size in segments if begin == acked]
    assert c.from_client.unacked_least == min(first, default=0)
    assert c.from_client.acked_most == max(whole, default=0)
