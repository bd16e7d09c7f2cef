"""Connections as columns: nothing a Connection says is lost on the way there and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.net import Endpoint, SynFingerprint
from lbtrace.model.stream import Connection, Direction, RoleSource
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tcp import connections
from tests.tcp.wire import Wire

count = st.integers(0, 2**32 - 1)
size = st.integers(0, 2**62)
time = st.integers(-(2**62), 2**62)
sequence = st.none() | count
frame = st.none() | st.integers(1, 2**32 - 1)
endpoint = st.builds(
    Endpoint, st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1"]), st.integers(0, 65535)
)
fingerprint = st.builds(
    SynFingerprint,
    ttl=st.integers(0, 255),
    window=st.integers(0, 65535),
    mss=st.none() | st.integers(0, 65535),
    window_scale=st.none() | st.integers(0, 255),
    sack_permitted=st.booleans(),
    timestamp=sequence,
    options=st.lists(st.integers(1, 255), max_size=40).map(tuple),
)
direction = st.builds(
    Direction,
    packets=count,
    bytes=size,
    missing=size,
    truncated=size,
    retransmissions=count,
    out_of_order=count,
    zero_windows=count,
    fins=count,
    rsts=count,
    isn=sequence,
    fin_frame=frame,
    fin_ns=st.none() | time,
    rst_frame=frame,
    rst_ns=st.none() | time,
    first_payload_frame=frame,
    first_payload_ns=st.none() | time,
    last_payload_ns=st.none() | time,
    syn=st.none() | fingerprint,
    start_seq=sequence,
    lost=size,
    repeats=count,
    repeat_frame=frame,
    repeat_ns=st.none() | time,
    deferred_frame=frame,
    deferred_ns=st.none() | time,
    unacked=count,
    unacked_frame=frame,
    unacked_ns=st.none() | time,
    unacked_last_ns=st.none() | time,
    unacked_idle_ns=size,
    unacked_least=count,
    acked_most=count,
    window_closed_frame=frame,
    window_closed_ns=st.none() | time,
    window_closed_for_ns=size,
    last_packet_ns=st.none() | time,
    delayed_for_ns=size,
    delayed_frame=frame,
    delayed_ns=st.none() | time,
    ack_waits=count,
    ack_wait_for_ns=size,
    ack_wait_frame=frame,
    ack_wait_ns=st.none() | time,
)
connection = st.builds(
    Connection,
    id=st.just(0),
    client=endpoint,
    server=endpoint,
    network=st.sampled_from(["", "vlan 7"]),
    role_source=st.sampled_from(RoleSource),
    syns=st.integers(0, 1),
    syn_retransmissions=count,
    synacks=count,
    opened=st.booleans(),
    syn_frame=frame,
    syn_ns=st.none() | time,
    synack_ns=st.none() | time,
    established_ns=st.none() | time,
    first_frame=st.integers(1, 2**32 - 1),
    first_ns=time,
    last_frame=st.integers(1, 2**32 - 1),
    last_ns=time,
    from_client=direction,
    from_server=direction,
)


@given(st.lists(connection, max_size=5))
def test_there_and_back(given_ones: list[Connection]) -> None:
    expected = [c._replace(id=i) for i, c in enumerate(given_ones)]
    table = ConnectionTable.of(expected)
    assert table == expected
    assert len(table) == len(expected)
    assert all(
        type(end.syn) in (SynFingerprint, type(None))
        for c in table
        for end in (c.from_client, c.from_server)
    )
    assert table == ConnectionTable.of(list(table))


@given(st.lists(connection, min_size=1, max_size=40))
def test_one_is_made_as_all_are(given_ones: list[Connection]) -> None:
    expected = [c._replace(id=i) for i, c in enumerate(given_ones)]
    table = ConnectionTable.of(expected)
    assert [table[i] for i in reversed(range(len(expected)))] == expected[::-1]
    assert table[-1] == expected[-1]
    assert list(table[1:3]) == expected[1:3]


@given(st.lists(st.tuples(connection, st.booleans()), max_size=6))
def test_a_connection_that_is_turned_has_its_ends_exchanged(
    given_ones: list[tuple[Connection, bool]],
) -> None:
    before = [c._replace(id=i) for i, (c, _) in enumerate(given_ones)]
    which = np.array([turned for _, turned in given_ones], bool)
    assert ConnectionTable.of(before).turned(which) == [
        c._replace(
            client=c.server,
            server=c.client,
            from_client=c.from_server,
            from_server=c.from_client,
            role_source=RoleSource.PAYLOAD,
        )
        if turned
        else c
        for c, (_, turned) in zip(before, given_ones, strict=True)
    ]


def test_what_the_tcp_stage_makes_is_a_table() -> None:
    wire = (
        Wire()
        .c("SYN", 99)
        .s("SYN", 999, ack=100)
        .c("ACK", 100, ack=1000)
        .c("PSH", 100, b"hello", ack=1000)
        .s("RST", 1000)
    )
    table, _ = connections(wire.table())
    [c] = table
    assert table[0] is c
    assert table[:1] == [c]
    assert (c.opened, c.from_client.bytes, c.from_server.rsts, c.from_client.rst_frame) == (
        True,
        5,
        1,
        None,
    )
