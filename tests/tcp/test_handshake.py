"""SYN segments → the handshake, and where the streams begin."""

from __future__ import annotations

import pytest

from lbtrace.model.net import Endpoint
from lbtrace.tcp import connections
from tests.tcp.wire import Wire, contents


def test_a_synack_tells_the_isn_of_a_syn_that_was_not_captured() -> None:
    """Of each connection its own; 0 is one like any other."""
    wire = Wire()
    for number in range(3):
        wire.client = Endpoint("10.0.0.9", 40000 + number)
        wire.s("SYN", 999, ack=number).c("PSH", 2 + number, b"ask", ack=1000)
    table, streams = connections(wire.table())
    assert table.ends.start_seq.tolist() == [0, 1000, 1, 1000, 2, 1000]
    assert all(contents(streams, 2 * number) == [(2, b"ask")] for number in range(3))
    assert [c.syn_frame for c in table] == [None] * 3


def test_a_syn_that_was_captured_counts_more_than_what_answers_it() -> None:
    """The answer acknowledges data that came with the SYN."""
    wire = Wire().c("SYN", 99, b"ask").s("SYN", 999, ack=103)
    table, _ = connections(wire.table())
    assert table.ends.start_seq.tolist() == [100, 1000]


@pytest.mark.parametrize(("ack", "opened"), [(999, False), (1000, True), (1001, True)])
def test_the_ack_of_the_synack_completes_the_handshake(ack: int, opened: bool) -> None:
    [c], _ = connections(Wire().c("SYN", 99).s("SYN", 999, ack=100).c("", 100, ack=ack).table())
    assert c.opened == opened
    assert c.established_ns == (3_000_000 if opened else None)


def test_a_reset_completes_no_handshake() -> None:
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).c("RST", 100, ack=1000)
    [c], _ = connections(wire.table())
    assert not c.opened


def test_the_server_acknowledging_the_syn_completes_nothing() -> None:
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).s("", 1000, ack=100)
    [c], _ = connections(wire.table())
    assert not c.opened


def answered_twice(load: int, *isns: int) -> Wire:
    """Answers with different ISNs, then data that follow one of them."""
    wire = Wire().c("SYN", 99)
    for isn in isns:
        wire.s("SYN", isn, ack=100)
    return wire.s("PSH", load, b"tell", ack=100)


@pytest.mark.parametrize(
    ("isns", "load", "own"),
    [
        ((5000, 90_000_000), 5001, 5000),
        ((5000, 90_000_000), 90_000_001, 90_000_000),
        ((90_000_000, 5000), 5001, 5000),
        ((90_000_000, 5000), 90_000_001, 90_000_000),
        ((90_000_000, 5000, 7000), 7001, 7000),
        ((4000, 5000), 5000, 4000),  # the byte of the SYN itself is no data
    ],
)
def test_of_two_answers_the_nearest_before_the_data_counts(
    isns: tuple[int, ...], load: int, own: int
) -> None:
    wire = answered_twice(load, *isns)
    wire.client = Endpoint("10.0.0.9", 40001)
    wire.c("SYN", 7).s("SYN", 70, ack=8).s("SYN", 70, ack=8).s("PSH", 71, b"!", ack=8)
    found, _ = connections(wire.table())
    assert found[0].from_server.isn == own
    assert found[0].from_server.retransmissions == 0
    assert (found[1].from_server.isn, found[1].from_server.retransmissions) == (70, 1)


def test_of_two_answers_without_data_the_first_counts() -> None:
    wire = Wire().c("SYN", 99).s("SYN", 5000, ack=100).s("SYN", 90_000_000, ack=100)
    [c], _ = connections(wire.table())
    assert c.from_server.isn == 5000


def test_a_reset_is_no_data_that_an_answer_is_chosen_by() -> None:
    wire = Wire().c("SYN", 99).s("SYN", 5000, ack=100).s("SYN", 90_000_000, ack=100)
    [c], _ = connections(wire.s("RST", 90_000_001, b"why").s("PSH", 5001, b"x", ack=100).table())
    assert c.from_server.isn == 5000


def test_data_that_were_written_before_both_answers_choose_one() -> None:
    wire = Wire().s("PSH", 90_000_001, b"tell", ack=100).c("SYN", 99)
    wire.s("SYN", 5000, ack=100).s("SYN", 90_000_000, ack=100)
    [c], _ = connections(wire.table())
    assert c.from_server.isn == 90_000_000


def test_a_segment_without_data_is_none_that_an_answer_is_chosen_by() -> None:
    wire = Wire().c("SYN", 99).s("SYN", 5000, ack=100).s("SYN", 90_000_000, ack=100)
    wire.s("", 90_000_001, ack=100).s("PSH", 5001, b"x", ack=100)
    [c], _ = connections(wire.table())
    assert c.from_server.isn == 5000


def one_way() -> Wire:
    """What the client sent: it acknowledges 30 bytes of a server that was not captured."""
    return (
        Wire()
        .c("SYN", 99)
        .c("ACK", 100, ack=1000)
        .c("PSH", 100, b"ask", ack=1000)
        .c("ACK", 103, ack=1010)
        .c("FIN", 103, ack=1030)
    )


def test_a_direction_that_was_not_captured_is_missing_as_far_as_it_was_acknowledged() -> None:
    [c], streams = connections(one_way().table())
    assert streams.end.tolist() == [3, 30]
    assert (c.from_client.missing, c.from_server.missing) == (0, 30)


def test_a_peer_that_never_spoke_is_not_missing() -> None:
    wire = Wire().c("SYN", 99).c("SYN", 99)
    [c], streams = connections(wire.table())
    assert streams.end.tolist() == [0, 0]
    assert c.from_server.missing == 0


def test_a_peer_of_which_nothing_new_was_acknowledged_is_not_missing() -> None:
    wire = Wire()
    for _ in range(3):
        wire.c("PSH", 100, b"ask", ack=1000)
    [c], _ = connections(wire.table())
    assert c.from_server.missing == 0


def bare() -> Wire:
    """The same, and of the server only what carries no bytes."""
    wire = Wire().c("SYN", 99).c("ACK", 100, ack=1000).c("PSH", 100, b"ask", ack=1000)
    return wire.s("ACK", 1000, ack=103).c("ACK", 103, ack=1030)


def test_bytes_are_missing_though_a_segment_without_any_was_captured() -> None:
    [c], _ = connections(bare().table())
    assert c.from_server.missing == 30
    [c], _ = connections(bare().s("FIN", 1029, ack=103).table())
    assert c.from_server.missing == 29


def test_a_direction_begins_at_its_own_first_segment_if_that_comes_before() -> None:
    wire = Wire().s("ACK", 1000, ack=100).c("PSH", 100, b"ask", ack=1030)
    [c], _ = connections(wire.c("ACK", 103, ack=1040).table())
    assert c.from_server.missing == 40
