"""What each end sent, counted: a law against a reader of one segment at a time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.net import Endpoint
from lbtrace.tables.packets import ACK, FIN, RST, SYN
from lbtrace.tcp import connections
from tests.laws import examples
from tests.tcp.wire import SERVER, Segment, Wire

segments = st.tuples(
    st.integers(0, 2),  # the connection
    st.booleans(),  # from the client
    st.sampled_from(["ACK", "PSH", "FIN", "RST", "SYN", "PSH+FIN", "FIN+RST"]),
    st.sampled_from([b"", b"", b"data"]),
    st.sampled_from([0, 1, 500]),  # window
    st.integers(0, 3),  # ms since the segment before
    st.booleans(),  # acknowledges
)


def first(found: list[tuple[int, Segment]]) -> tuple[int | None, int | None]:
    return (found[0][0], found[0][1].time_ns) if found else (None, None)


@examples(150)
@given(st.lists(segments, max_size=30), st.booleans())
def test_each_end_is_counted_by_itself(
    sent: list[tuple[int, bool, str, bytes, int, int, bool]], client_is_low: bool
) -> None:
    wire, now = Wire(), 0
    if client_is_low:
        wire.server = Endpoint("10.0.0.200", 80)
    clients = [Endpoint("10.0.0.9", 40000 + number) for number in range(3)]
    for wire.client in clients:  # the handshakes were captured: no port is reused
        wire.c("SYN", 99, at=0).s("SYN", 999, ack=100, at=0)
    for number, asks, flags, data, window, pause, acks in sent:
        wire.client, now = clients[number], now + pause * 1_000_000
        ack = (1000 if asks else 100) if acks else None
        data = b"" if "SYN" in flags else data
        seq = (99 if asks else 999) + ("SYN" not in flags)
        if flags == "SYN":
            ack = None if asks else 100
        (wire.c if asks else wire.s)(flags, seq, data, ack=ack, window=window, at=now)
    found, streams = connections(wire.table())
    assert [c.client for c in found] == clients
    numbered = list(enumerate(wire.segments, 1))
    for number, c in enumerate(found):
        mine = [(f, s) for f, s in numbered if clients[number] in s.flow]
        assert (c.first_frame, c.first_ns) == first(mine)
        assert (c.last_frame, c.last_ns) == first(mine[::-1])
        bare = [(f, s) for f, s in mine if s.flags & SYN and not s.flags & ACK]
        assert (c.syn_frame, c.syn_ns) == first(bare)
        assert (c.syns, c.syn_retransmissions) == (1, len(bare) - 1)
        answers = [(f, s) for f, s in mine if s.flags & SYN and s.flags & ACK]
        assert (c.synacks, c.synack_ns) == (len(answers), first(answers)[1])
        thirds = [
            (f, s)
            for f, s in mine
            if s.flow[0] == c.client and s.flags & (SYN | RST | ACK) == ACK and s.ack == 1000
        ]
        assert (c.opened, c.established_ns) == (bool(thirds), first(thirds)[1])
        for counted, end in ((c.from_client, c.client), (c.from_server, c.server)):
            ours = [(f, s) for f, s in mine if s.flow[0] == end]
            fins = [(f, s) for f, s in ours if s.flags & FIN]
            rsts = [(f, s) for f, s in ours if s.flags & RST]
            theirs = [f for f, s in mine if s.flags & RST and s.flow[0] != end]
            of = 2 * number + (end == c.server)
            closed = streams.fin[of] >= 0 and (not fins or not theirs or fins[0][0] < theirs[0])
            assert streams.reset[of] == (bool(rsts) or (bool(theirs) and not closed))
            loads = [(f, s) for f, s in ours if s.data and not s.flags & RST]
            shut = [s for _, s in ours if s.window == 0 and not s.flags & (SYN | FIN | RST)]
            assert counted.packets == len(ours)
            assert (counted.fins, counted.fin_frame, counted.fin_ns) == (len(fins), *first(fins))
            assert (counted.rsts, counted.rst_frame, counted.rst_ns) == (len(rsts), *first(rsts))
            load = (counted.first_payload_frame, counted.first_payload_ns)
            assert load == first(loads)
            assert counted.last_payload_ns == first(loads[::-1])[1]
            assert counted.zero_windows == len(shut)
            # an RST advertises no window
            told = [s for _, s in ours if not s.flags & RST]
            waited = [b.time_ns - a.time_ns for a, b in pairwise(told) if a in shut]
            assert counted.window_closed_for_ns == sum(waited)
            assert counted.isn == (99 if end == c.client else 999)
    assert all(a.first_frame < b.first_frame for a, b in pairwise(found))
    assert found[0].server in (SERVER, wire.server)


def test_the_first_acknowledgement_of_each_end() -> None:
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).c("ACK", 100, ack=1000).c("", 100, ack=1001)
    table, _ = connections(wire.table())
    assert table.ends.first_ack.tolist() == [1000, 100]
    table, _ = connections(Wire().c("SYN", 99).table())
    assert table.ends.first_ack.tolist() == [-1, -1]


def test_the_options_of_each_syn_stay_with_the_end_that_sent_it() -> None:
    wire = Wire().s("PSH", 50, b"HTTP/1.1 200 OK", ack=5)
    wire.client = wire.client._replace(port=40001)
    wire.c("SYN", 99, options=b"\x02\x04\x05\xb4").s(
        "SYN", 999, ack=100, options=b"\x02\x04\x05\xa0"
    )
    known, opened = connections(wire.table())[0]
    assert (known.from_client.syn, known.from_server.syn) == (None, None)
    assert opened.from_client.syn is not None
    assert opened.from_server.syn is not None
    assert (opened.from_client.syn.mss, opened.from_server.syn.mss) == (1460, 1440)


def test_a_fin_that_acknowledges_a_fin_came_after_it() -> None:
    """Whichever is in front in the capture: packets overtake each other between two queues."""
    for overtaken in (False, True):
        for second in ("FIN", "RST"):
            wire = Wire().c("SYN", 99, at=0).s("SYN", 999, ack=100, at=1).c("", 100, ack=1000, at=2)
            wire.s("FIN", 1000, b"bye", ack=100, at=3 + 2 * overtaken)
            wire.c(second, 100, ack=1004, at=4)
            wire.segments.sort(key=lambda segment: segment.time_ns)
            [c], _ = connections(wire.table())
            assert (c.from_client.answers_fin, c.from_server.answers_fin) == (True, False)
            assert c.closed_by == ("server", "FIN")


@pytest.mark.parametrize(
    ("acked", "flags"), [(1003, "FIN"), (None, "RST"), (1000, "FIN"), (1004 - (1 << 31), "FIN")]
)
def test_what_does_not_acknowledge_the_fin_may_have_come_before(
    acked: int | None, flags: str
) -> None:
    wire = Wire().c("SYN", 99, at=0).s("SYN", 999, ack=100, at=1).c("", 100, ack=1000, at=2)
    wire.c(flags, 100, ack=acked, at=3).s("FIN", 1000, b"bye", ack=100, at=4)
    [c], _ = connections(wire.table())
    assert (c.from_client.answers_fin, c.from_server.answers_fin) == (False, False)
    assert c.closed_by == ("client", flags)


def test_two_that_acknowledge_each_other_cannot_be() -> None:
    wire = Wire().c("SYN", 99, at=0).s("SYN", 999, ack=100, at=1).c("", 100, ack=1000, at=2)
    wire.c("FIN", 100, ack=1001, at=3).s("FIN", 1000, ack=101, at=4)
    [c], _ = connections(wire.table())
    assert (c.from_client.answers_fin, c.from_server.answers_fin) == (False, False)


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("acknowledged", [True, False])
def test_a_fin_that_was_acknowledged_and_not_captured_may_have_come_first(
    seen: bool, acknowledged: bool
) -> None:
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).c("PSH", 100, b"ask", ack=1000)
    if seen:
        wire.c("FIN", 103, ack=1000)
    wire.s("FIN", 1000, ack=104 if acknowledged else 103)
    [c], _ = connections(wire.table())
    unseen = acknowledged and not seen
    assert (c.from_client.fin_unseen, c.from_server.fin_unseen) == (unseen, False)
    first = ("client" if seen else "server", "FIN")
    assert c.closed_by == (None if unseen else first)
