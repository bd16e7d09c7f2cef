"""ACK numbers → offsets in the opposite stream."""

from __future__ import annotations

import pytest

from lbtrace.model.net import Endpoint
from lbtrace.tables.sequence import MAX_WINDOW_BYTES
from lbtrace.tcp import connections
from tests.tcp.wire import Wire

STEP = 1 << 29


def long(wire: Wire, steps: int, isn: int = 99) -> Wire:
    """A stream longer than the ring, each of its segments acknowledged with data."""
    wire.c("SYN", isn).s("SYN", 999, ack=isn + 1).c("", isn + 1, ack=1000)
    for i in range(steps):
        wire.c("PSH", isn + 1 + i * STEP, b"x" * 10, ack=1000 + 2 * i)
        wire.s("PSH", 1000 + 2 * i, b"ok", ack=isn + 1 + i * STEP + 10)
    return wire


@pytest.mark.parametrize("isn", [99, 2**32 - 3])
def test_a_stream_longer_than_the_ring_is_acknowledged_to_its_end(isn: int) -> None:
    wire = long(Wire(), 12, isn)
    wire.client = Endpoint("10.0.0.9", 40001)
    wire.c("SYN", 5).s("SYN", 70, ack=6).s("PSH", 71, b"!", ack=6).c("", 6, ack=72)
    found, streams = connections(wire.table())
    asked, told = streams.pieces(0), streams.pieces(1)
    assert streams.ack[asked.start : asked.stop].tolist() == [2 * i for i in range(12)]
    assert streams.ack[told.start : told.stop].tolist() == [i * STEP + 10 for i in range(12)]
    assert streams.ack[streams.pieces(3).start] == 0
    c = found[0]
    assert (c.from_client.lost, c.from_client.missing) == (11 * STEP - 110, 11 * STEP - 110)
    assert (c.from_server.lost, c.from_server.missing) == (0, 0)


def test_what_a_long_stream_repeats_was_acknowledged_before() -> None:
    wire = long(Wire(), 12)
    wire.c("PSH", 100 + 11 * STEP, b"x" * 10, ack=1024)
    [c], _ = connections(wire.table())
    assert (c.from_client.retransmissions, c.from_client.repeats) == (1, 0)


@pytest.mark.parametrize(
    ("far", "believed"),
    [(MAX_WINDOW_BYTES, True), (MAX_WINDOW_BYTES + 1, False), (-MAX_WINDOW_BYTES, False)],
)
def test_an_ack_far_beyond_the_stream_is_not_believed(far: int, believed: bool) -> None:
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).c("PSH", 100, b"ab", ack=1000)
    [c], streams = connections(wire.s("PSH", 1000, b"!", ack=102 + far).table())
    assert c.from_client.lost == (far if believed else 0)
    assert streams.ack[-1] == (2 + far if believed else -1)


@pytest.mark.parametrize(("back", "lost"), [(1 << 20, (1 << 20) + 8), ((1 << 20) + 1, 7)])
def test_an_ack_that_the_next_one_takes_back_was_damaged(back: int, lost: int) -> None:
    """Acknowledgements change places on the way, but not by a megabyte."""
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).c("PSH", 100, b"ab", ack=1000)
    wire.s("", 1000, ack=110 + (1 << 20)).s("", 1000, ack=110 + (1 << 20) - back)
    [c], _ = connections(wire.table())
    assert c.from_client.lost == lost


def test_the_ack_number_of_a_reset_and_of_no_ack_counts_nothing() -> None:
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).c("PSH", 100, b"ab", ack=1000)
    wire.s("RST", 1000, ack=150)
    wire.segments[-1].flags |= 16
    wire.s("PSH", 1000, b"x")
    wire.segments[-1].ack = 150
    [c], _ = connections(wire.table())
    assert c.from_client.lost == 0


def test_an_ack_before_the_stream_is_an_offset_of_none() -> None:
    """The client had more before the capture began; it is not lost."""
    wire = Wire().c("PSH", 100, b"ab", ack=1000).s("PSH", 1000, b"x", ack=90)
    [c], streams = connections(wire.table())
    assert c.from_client.lost == 0
    assert streams.ack.tolist() == [0, -1]
    # the server has spoken since, and acknowledged nothing of what was captured
    assert (c.from_client.unacked, c.from_client.unacked_least) == (1, 2)


def reset_by(numbers: tuple[int, int | None], client: bool = True, fin: bool = False) -> Wire:
    """A request of two bytes at 100, an answer of one at 1000, and a RST with (SEQ, ACK)."""
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).c("PSH", 100, b"ab", ack=1000)
    wire.s("PSH", 1000, b"!", ack=102).c("", 102, ack=1001)
    if fin:
        wire.s("FIN", 1001, ack=102)
    (wire.c if client else wire.s)("RST", numbers[0], ack=numbers[1])
    return wire


@pytest.mark.parametrize(
    ("client", "numbers", "missing"),
    [
        (True, (102, 1001), (0, 0)),  # it had what was captured
        (True, (102, 1501), (0, 500)),  # and an answer that was not
        (True, (102, None), (0, 0)),  # a RST without ACK tells nothing of the other end
        (True, (302, 1001), (200, 0)),  # the client had sent more
        (False, (1501, 302), (200, 500)),  # of both
        (False, (1501, 102), (0, 500)),
        (True, (0, 0), (0, 0)),  # of a host on the way
        (True, (102, 1001 + (1 << 24)), (0, 1 << 24)),
        (True, (102, 1002 + (1 << 24)), (0, 0)),  # more than is sent at a time
        (True, (102, 1000), (0, 0)),
    ],
)
def test_the_numbers_of_a_reset_tell_what_may_be_missing(
    client: bool, numbers: tuple[int, int | None], missing: tuple[int, int]
) -> None:
    """It is no acknowledgement, so that nothing is called lost; and not all that was sent."""
    [c], streams = connections(reset_by(numbers, client).table())
    assert (c.from_client.missing, c.from_server.missing) == missing
    assert (c.from_client.lost, c.from_server.lost) == (0, 0)
    assert streams.clean.tolist() == [not n for n in missing]


@pytest.mark.parametrize(("ack", "missing"), [(1001, 0), (1002, 0), (1003, 1)])
def test_a_reset_may_count_the_fin_before_it(ack: int, missing: int) -> None:
    [c], _ = connections(reset_by((102, ack), fin=True).table())
    assert c.from_server.missing == missing


def test_the_reset_of_a_syn_tells_of_nothing_missing() -> None:
    """A closed port acknowledges the SYN (RFC 9293 §3.10.7.1)."""
    [c], _ = connections(Wire().c("SYN", 99).s("RST", 0, ack=100).table())
    assert (c.from_client.missing, c.from_server.missing) == (0, 0)


def test_the_numbers_of_a_reset_of_a_stream_longer_than_the_ring() -> None:
    wire = long(Wire(), 12)
    wire.c("RST", 100 + 11 * STEP + 10, ack=1024 + 7)
    [c], _ = connections(wire.table())
    assert (c.from_client.missing, c.from_server.missing) == (11 * STEP - 110, 7)


def test_a_reset_may_count_a_fin_that_was_acknowledged_and_not_captured() -> None:
    wire = reset_by((102, 1002))
    wire.segments.insert(-1, wire.c("", 102, ack=1002).segments.pop())
    [c], streams = connections(wire.table())
    assert (c.from_server.missing, streams.fin[1]) == (0, 1)
