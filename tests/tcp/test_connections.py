"""Conversations on the wire → Connections: incarnations, roles, counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.stream import RoleSource
from lbtrace.tcp import connections
from lbtrace.tcp.incarnations import incarnations
from tests.laws import examples
from tests.tcp.wire import CLIENT, SERVER, Wire, contents


def conversation(isn: int = 99, peer: int = 999, wire: Wire | None = None) -> Wire:
    """Handshake, one request, one response, both FINs."""
    wire = wire or Wire()
    a, b = isn + 1, peer + 1
    wire.c("SYN", isn).s("SYN", peer, ack=a).c("ACK", a, ack=b)
    wire.c("PSH", a, b"ping", ack=b).s("PSH", b, b"pong!", ack=a + 4).c("ACK", a + 4, ack=b + 5)
    return wire.c("FIN", a + 4, ack=b + 5).s("FIN", b + 5, ack=a + 5).c("ACK", a + 5, ack=b + 6)


def test_a_plain_conversation() -> None:
    [c], streams = connections(conversation().table())
    assert (c.client, c.server, c.role_source) == (CLIENT, SERVER, RoleSource.SYN)
    assert (c.syns, c.syn_retransmissions, c.synacks, c.opened, c.already_open) == (
        1,
        0,
        1,
        True,
        False,
    )
    assert (c.first_frame, c.last_frame, c.syn_frame, c.established_ns) == (1, 9, 1, 3_000_000)
    assert (
        c.from_client.packets,
        c.from_client.bytes,
        c.from_client.missing,
        c.from_client.isn,
    ) == (6, 4, 0, 99)
    assert (c.from_server.fins, c.from_server.fin_frame, c.from_server.first_payload_frame) == (
        1,
        8,
        5,
    )
    assert contents(streams, 0) == [(0, b"ping")]
    assert contents(streams, 1) == [(0, b"pong!")]
    assert streams.clean.tolist() == [True, True]
    assert streams.fin.tolist() == [4, 5]
    assert streams.ack.tolist() == [0, 4]


def test_offset_0_has_a_sequence_number_with_and_without_the_handshake() -> None:
    [whole], _ = connections(conversation(isn=(1 << 32) - 1).table())
    assert (whole.from_client.start_seq, whole.from_server.start_seq) == (0, 1000)
    wire = Wire().c("PSH", 4000, b"ping", ack=70).s("PSH", 70, b"pong!", ack=4004)
    [later], _ = connections(wire.table())
    assert (later.from_client.start_seq, later.from_server.start_seq, later.from_client.isn) == (
        4000,
        70,
        None,
    )
    [silent], _ = connections(Wire().c("SYN", 7).table())
    assert (silent.from_client.start_seq, silent.from_server.start_seq) == (8, None)


def test_ports_are_reused_after_fin() -> None:
    wire = conversation(isn=5000, peer=70, wire=conversation())
    first, second = connections(wire.table())[0]
    assert (first.first_frame, first.last_frame, second.first_frame, second.last_frame) == (
        1,
        9,
        10,
        18,
    )
    assert (first.syns, second.syns, second.from_client.bytes) == (1, 1, 4)


def test_a_retransmitted_syn_is_the_same_attempt() -> None:
    [c], _ = connections(Wire().c("SYN", 7).c("SYN", 7).c("SYN", 7).table())
    assert (c.syns, c.syn_retransmissions, c.opened, c.synacks) == (1, 2, False, 0)


def test_a_late_packet_does_not_open_a_new_connection() -> None:
    wire = conversation(isn=500_000, peer=700_000, wire=conversation())
    wire.c("SYN", 99).c("FIN", 104, ack=1005)
    first, second = connections(wire.table())[0]
    assert (first.last_frame, second.last_frame) == (20, 18)
    assert (first.syns, first.syn_retransmissions, second.from_client.packets) == (1, 1, 6)


def test_syn_ack_without_syn() -> None:
    wire = Wire().s("SYN", 999, ack=100).c("ACK", 100, ack=1000).c("PSH", 100, b"ping", ack=1000)
    [c], streams = connections(wire.table())
    assert (c.client, c.role_source, c.syns, c.synacks, c.opened) == (
        CLIENT,
        RoleSource.SYNACK,
        0,
        1,
        False,
    )
    assert streams.known_start.tolist() == [True, True]


def test_simultaneous_open_is_one_connection() -> None:
    wire = (
        Wire()
        .c("SYN", 10)
        .s("SYN", 20)
        .c("SYN", 10, ack=21)
        .s("SYN", 20, ack=11)
        .c("PSH", 11, b"x", ack=21)
    )
    [c], streams = connections(wire.table())
    assert (c.client, c.syns, c.synacks) == (CLIENT, 1, 2)
    assert contents(streams, 0) == [(0, b"x")]


def test_mid_stream_roles_come_from_the_payload_then_the_port() -> None:
    [c], streams = connections(
        Wire().s("PSH", 5, b"HTTP/1.1 200 OK\r\n", ack=50).c("ACK", 50, ack=22).table()
    )
    assert (c.client, c.role_source, c.already_open) == (CLIENT, RoleSource.PAYLOAD, True)
    assert not streams.known_start.any()
    [c], _ = connections(Wire().c("ACK", 50, ack=22).table())
    assert (c.client, c.role_source) == (CLIENT, RoleSource.PORT)


@pytest.mark.parametrize(
    "line",
    [
        b"GET  /  HTTP/1.1\r\n",
        b"POST \xe4\xb8\xad HTTP/1.1\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"GET\t/ HTTP/1.0\r\n",
    ],
)
def test_requests_of_odd_looks_come_from_a_client(line: bytes) -> None:
    """Here the end with the lower port asks."""
    [c], _ = connections(Wire().s("PSH", 50, line, ack=5).table())
    assert (c.server, c.role_source) == (CLIENT, RoleSource.PAYLOAD)


def test_refused_and_unanswered() -> None:
    [c], streams = connections(Wire().c("SYN", 7).s("RST", 0, ack=8).table())
    assert (c.opened, c.from_server.rsts, c.from_server.rst_frame) == (False, 1, 2)
    assert streams.reset.tolist() == [True, True]
    [c], _ = connections(Wire().s("RST", 50).table())
    assert (c.syns, c.from_client.packets + c.from_server.packets) == (0, 1)


def closed_and_reset(*, seen: bool) -> Wire:
    """The server closes without an answer, the client closes too, and then sends RST."""
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).c("PSH", 100, b"GET / ", ack=1000)
    if seen:
        wire.s("FIN", 1000, ack=106)
    return wire.c("FIN", 106, ack=1001).s("ACK", 1001, ack=107).c("RST", 107)


@pytest.mark.parametrize("seen", [True, False])
def test_a_reset_takes_nothing_from_what_the_other_end_sent_before_its_fin(seen: bool) -> None:
    """Also where only an acknowledgement shows the FIN."""
    _, streams = connections(closed_and_reset(seen=seen).table())
    assert streams.reset.tolist() == [True, False]
    assert streams.fin.tolist() == [6, 0]


def test_a_server_that_closes_and_then_refuses_a_request_resets_it() -> None:
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).s("FIN", 1000, ack=100)
    _, streams = connections(wire.c("PSH", 100, b"GET / ", ack=1000).s("RST", 1001).table())
    assert streams.reset.tolist() == [True, True]


def test_a_reset_in_front_of_a_fin_cuts_what_is_sent() -> None:
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).c("PSH", 100, b"GET / ", ack=1000)
    _, streams = connections(wire.c("RST", 106).s("FIN", 1000, ack=106).table())
    assert streams.reset.tolist() == [True, True]


def test_more_than_a_byte_beyond_what_was_seen_is_no_fin() -> None:
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).c("PSH", 100, b"GET / ", ack=1000)
    _, streams = connections(wire.c("ACK", 106, ack=1002).table())
    assert (streams.fin.tolist(), streams.end.tolist()) == ([-1, -1], [6, 2])


def test_data_on_the_syn() -> None:
    wire = Wire().c("SYN", 99, b"GET ").s("SYN", 999, ack=104).c("ACK", 104, b"/ HTTP", ack=1000)
    [c], streams = connections(wire.table())
    assert c.opened
    assert contents(streams, 0) == [(0, b"GET / HTTP")]


def test_no_segments() -> None:
    found, streams = connections(Wire().table())
    assert found == []
    assert streams.first.tolist() == [0]


def test_of_two_answers_the_one_the_data_follow_counts() -> None:
    wire = (
        Wire()
        .c("SYN", 99)
        .s("SYN", 999_000_000, ack=100)
        .s("SYN", 5000, ack=100)
        .s("SYN", 5000, ack=100)
        .c("ACK", 100, ack=5001)
    )
    wire.c("PSH", 100, b"ping", ack=5001).s("PSH", 5001, b"pong", ack=104)
    [c], streams = connections(wire.table())
    assert (c.synacks, c.opened, c.from_server.isn, c.from_server.retransmissions) == (
        3,
        True,
        5000,
        1,
    )
    assert contents(streams, 1) == [(0, b"pong")]
    assert streams.known_start.all()


def test_data_before_their_syn_are_not_thrown_away() -> None:
    wire = (
        Wire().c("SYN", 500_000_000).s("SYN", 999, ack=500_000_001).c("PSH", 100, b"ping", ack=1000)
    )
    [_], streams = connections(wire.table())
    assert contents(streams, 0) == [(0, b"ping")]
    assert streams.known_start.tolist() == [False, True]


def test_ports_are_reused_after_silence() -> None:
    wire = (
        Wire()
        .c("SYN", 99)
        .s("SYN", 999, ack=100)
        .c("ACK", 100, ack=1000)
        .c("PSH", 100, b"ping", ack=1000)
    )
    found, streams = connections(conversation(isn=2**31 + 7, peer=3, wire=wire).table())
    assert [(c.first_frame, c.from_client.packets) for c in found] == [(1, 3), (5, 6)]
    assert contents(streams, 2) == [(0, b"ping")]


def test_a_syn_written_after_the_packets_it_opened_is_theirs() -> None:
    wire = Wire().s("SYN", 999, ack=100).c("SYN", 99).c("ACK", 100, ack=1000)
    [c], _ = connections(wire.table())
    assert (c.client, c.syns, c.synacks, c.opened) == (CLIENT, 1, 1, True)


@examples(60)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from(("SYN", "ACK", "FIN", "RST", "PSH")),
            st.integers(0, 9),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_counts_add_up(segments: list[tuple[bool, str, int, bool]]) -> None:
    wire = Wire()
    for from_client, flags, number, acknowledges in segments:
        say = wire.c if from_client else wire.s
        say(
            flags,
            number * 400_000_000,
            b"abc" * (flags == "PSH"),
            ack=number if acknowledges else None,
        )
    table = wire.table()
    found, streams = connections(table)
    ways = [way for c in found for way in (c.from_client, c.from_server)]
    assert sum(way.packets for way in ways) == len(table)
    assert sum(way.rsts for way in ways) == sum(flags == "RST" for _, flags, _, _ in segments)
    assert sum(way.fins for way in ways) == sum(flags == "FIN" for _, flags, _, _ in segments)
    assert [c.id for c in found] == list(range(len(found)))
    assert [c.first_frame for c in found] == sorted(c.first_frame for c in found)
    assert len(streams.clean) == 2 * len(found)


@examples(150)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(["SYN", "SYN-ACK", "peer SYN", "client", "server"]),
            st.integers(0, 3),
        ),
        max_size=40,
    )
)
def test_reused_ports_are_told_by_columns_as_one_by_one(steps: list[tuple[int, str, int]]) -> None:
    """Flows whose ISNs recur, are answered late, twice or never, with data of this incarnation or
    of the one before.
    """
    wire, isn = Wire(), dict.fromkeys(range(3), 100)
    for number, what, change in steps:
        wire.client = CLIENT._replace(port=40000 + number)
        if what == "SYN":
            isn[number] = (isn[number] + change * 0x20000000) % 2**32
            wire.c("SYN", isn[number])
        elif what == "peer SYN":
            wire.s("SYN", change)
        else:
            mine = (isn[number] - (change == 3) * 0x20000000) % 2**32
            if what == "SYN-ACK":
                wire.s("SYN", mine ^ 0x5555, ack=mine + 1)
            elif what == "client":
                wire.c("PSH", mine + 1, b"ask", ack=(mine ^ 0x5555) + 1)
            else:
                wire.s("PSH", (mine ^ 0x5555) + 1, b"tell", ack=mine + 4)
    quick, slow = incarnations(wire.table()), incarnations(wire.table(), careful=True)
    assert quick.count == slow.count
    assert quick.of.tolist() == slow.of.tolist()
    assert quick.flow.tolist() == slow.flow.tolist()


def test_a_window_is_closed_until_the_next_segment() -> None:
    wire = (
        Wire()
        .c("SYN", 99, at=0)
        .s("SYN", 999, ack=100, at=1)
        .c("ACK", 100, ack=1000, window=0, at=10)
        .s("PSH", 1000, b"probe", ack=100, at=15)
        .c("", 100, ack=1000, window=0, at=20)
        .c("", 100, ack=1005, window=500, at=70)
        .c("", 100, ack=1005, window=0, at=90)  # still closed at the end: nobody knows for how long
        .s("RST", 1005, ack=100, window=0, at=95)
    )
    [c], _ = connections(wire.table())
    reader, sender = c.from_client, c.from_server
    assert (reader.zero_windows, reader.window_closed_for_ns) == (3, 60)
    assert (reader.window_closed_frame, reader.window_closed_ns) == (3, 10)
    assert (sender.window_closed_for_ns, sender.window_closed_frame) == (0, None)


def test_a_late_syn_ack_answers_the_syn_it_acknowledges() -> None:
    """SYNs of other attempts stand between a SYN and its retransmission."""
    a, b, d = 4291000000, 1492000000, 131000000
    for order in ([a, b, a], [a, b, d, a], [a, b, a, d, a], [a, *range(0, 2**31, 2**25), a]):
        wire = Wire()
        for isn in order:
            wire.c("SYN", isn)
        wire.s("SYN", 77, ack=a + 1).c("ACK", a + 1, ack=78).c("PSH", a + 1, b"ping", ack=78)
        wire.s("PSH", 78, b"pong", ack=a + 5).c("FIN", a + 5, ack=82).s("FIN", 82, ack=a + 6)
        found, streams = connections(wire.c("ACK", a + 6, ack=83).table())
        [opened] = [c for c in found if c.opened]
        assert (opened.from_client.isn, opened.from_server.isn) == (a, 77)
        assert (opened.from_client.bytes, opened.from_server.bytes) == (4, 4)
        assert len(found) == len(set(order))
        assert contents(streams, 2 * opened.id + 1) == [(0, b"pong")]


@pytest.mark.parametrize("begun", [True, False])
@examples(40)
@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40, unique=True))
def test_syns_that_nobody_answers_take_nothing_from_a_connection(
    begun: bool, isns: list[int]
) -> None:
    """… whether its own SYN was captured or not. An ISN between the last byte and the next one
    would be a guess.
    """
    start, peer = 2_000_000_000, 3_000_000_000
    wire = Wire()
    if begun:
        wire.c("SYN", start - 1).s("SYN", peer - 1, ack=start)
    sent = 0
    for isn in isns:
        wire.c("PSH", start + sent, b"ping", ack=peer + sent)
        sent += 4
        wire.s("PSH", peer + sent - 4, b"pong", ack=start + sent)
        if not start - 2 <= isn <= start + 4 * len(isns):
            wire.c("SYN", isn)
    wire.c("FIN", start + sent, ack=peer + sent)
    found, _ = connections(wire.table())
    [talk] = [c for c in found if c.from_client.bytes or c.from_server.bytes]
    assert (talk.from_client.bytes, talk.from_server.bytes, talk.from_client.fins) == (
        sent,
        sent,
        1,
    )
