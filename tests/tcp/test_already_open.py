"""Connections that were open before the capture, and whose first bytes are not in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.stream import Direction
from lbtrace.tcp import connections
from tests.laws import examples
from tests.tcp.wire import Wire


def answered(wire: Wire) -> Direction:
    """What the server of the only connection sent."""
    [connection], _ = connections(wire.table())
    return connection.from_server


def test_the_request_says_where_the_answer_begins() -> None:
    wire = Wire().c("PSH", 100, b"ask", ack=1000).s("PSH", 2440, b"tail", ack=103)
    server = answered(wire.c("ACK", 103, ack=2444))
    assert (server.missing, server.lost, server.start_seq, server.bytes) == (1440, 1440, 1000, 4)


def test_bytes_that_answer_nothing_captured_may_have_been_sent_before_the_capture() -> None:
    wire = Wire().c("PSH", 100, b"ask", ack=1000).s("PSH", 2440, b"tail", ack=100)
    assert answered(wire.c("ACK", 103, ack=2444)).missing == 0


def test_a_segment_without_payload_says_what_comes_next() -> None:
    wire = Wire().s("ACK", 1000, ack=100).c("ACK", 100, ack=1000).s("PSH", 1500, b"push", ack=100)
    assert answered(wire).missing == 500
    # it knows better than the acknowledgement of a peer, which may be late
    wire = Wire().c("PSH", 100, b"ask", ack=400).s("ACK", 1000, ack=103)
    assert answered(wire.s("PSH", 1500, b"push", ack=103)).missing == 500


def test_a_keep_alive_and_a_damaged_number_say_nothing() -> None:
    wire = Wire().s("ACK", 999, ack=100).s("PSH", 1000, b"push", ack=100)
    assert answered(wire).missing == 0
    wire = Wire().c("PSH", 100, b"ask", ack=1000).s("PSH", 900_000_000, b"tail", ack=103)
    assert answered(wire).missing == 0


def test_an_answer_of_which_only_the_end_was_captured_is_missing() -> None:
    wire = Wire().c("PSH", 100, b"ask", ack=1000).s("FIN", 1700, ack=103).c("ACK", 103, ack=1701)
    assert answered(wire).missing == 700


@examples(60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.lists(st.integers(1, 9), max_size=9))
def test_what_is_missing_does_not_depend_on_the_handshake(
    isn: int, cut: int, lengths: list[int]
) -> None:
    """Of an answer whose first `cut` segments are not in the capture as much is missing with its
    handshake as without, except that a single byte may be a keep-alive.
    """
    sizes = [length * 100 for length in lengths]
    whole, bare = Wire(), Wire()
    whole.c("SYN", 99).s("SYN", isn, ack=100).c("ACK", 100, ack=isn + 1)
    for wire in (whole, bare):
        wire.c("PSH", 100, b"ask", ack=isn + 1)
        at = isn + 1
        for number, size in enumerate(sizes):
            if number >= cut:
                wire.s("PSH", at, b"x" * size, ack=103)
            at += size
        wire.s("FIN", at, ack=103).c("ACK", 103, ack=at + 1)
    one, other = answered(whole), answered(bare)
    assert (one.missing, one.lost, one.bytes) == (other.missing, other.lost, other.bytes)


@pytest.mark.parametrize(
    ("ahead", "missing"), [(0, 0), (1, 0), (2, 2), (1 << 20, 1 << 20), ((1 << 20) + 1, 0)]
)
def test_from_two_bytes_to_a_mebibyte_are_missing(ahead: int, missing: int) -> None:
    """One byte is a keep-alive, far more a damaged number."""
    wire = Wire().c("PSH", 100, b"ask", ack=1000).s("PSH", 1000 + ahead, b"tail", ack=103)
    assert answered(wire).missing == missing
