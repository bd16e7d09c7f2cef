"""What the capture lost, and what was sent again, as the conversation on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.net import Endpoint
from lbtrace.tables.packets import ACK, FIN, SYN
from lbtrace.tcp.connections import connections
from tests.sentences.packets import Packet, Talk, talks
from tests.tcp.wire import Wire, contents


def opened(window: int = 1000) -> Wire:
    """A handshake; the client's data begin at 100, the server's at 1000."""
    return (
        Wire()
        .c("SYN", 99, window=window)
        .s("SYN", 999, ack=100, window=window)
        .c("ACK", 100, ack=1000, window=window)
    )


@pytest.mark.parametrize(("times", "repeats"), [(1, 0), (2, 1)])
def test_what_a_syn_carried_in_vain_is_sent_once_more(times: int, repeats: int) -> None:
    """TCP Fast Open: the server took the SYN, and not its bytes. Sent again and again, they are
    lost.
    """
    wire = Wire().c("SYN", 99, b"abc").s("SYN", 999, ack=100)
    for _ in range(times):
        wire.c("PSH", 100, b"abc", ack=1000)
    [c], _ = connections(wire.s("", 1000, ack=103).table())
    assert (c.from_client.repeats, c.from_client.lost) == (repeats, 0)
    assert c.from_client.retransmissions == times


def test_bytes_that_were_acknowledged_and_not_captured_are_lost() -> None:
    wire = (
        opened().c("PSH", 100, b"ab", ack=1000).c("PSH", 105, b"fg", ack=1000).s("", 1000, ack=107)
    )
    [c], _ = connections(wire.table())
    assert (c.from_client.lost, c.from_client.missing) == (3, 3)
    assert c.from_server.lost == 0


def test_bytes_acknowledged_at_the_end_are_lost_and_a_fin_is_none() -> None:
    wire = opened().c("PSH", 100, b"ab", ack=1000).s("", 1000, ack=110)
    [c], _ = connections(wire.table())
    assert c.from_client.lost == 8
    wire = opened().c("PSH", 100, b"ab", ack=1000).s("", 1000, ack=103)
    [c], _ = connections(wire.table())
    assert c.from_client.lost == 0, "one byte more may be a FIN"
    wire = opened().c("FIN", 100, b"ab", ack=1000).s("", 1000, ack=103)
    [c], _ = connections(wire.table())
    assert c.from_client.lost == 0


def test_one_segment_is_enough_to_know_what_is_lost_after_it() -> None:
    [c], _ = connections(Wire().c("PSH", 100, b"ab", ack=5).s("", 1000, ack=110).table())
    assert (c.from_client.lost, c.from_client.missing) == (8, 8)


def test_bytes_acknowledged_beyond_a_fin_are_lost_but_for_the_fin() -> None:
    for data in (b"", b"ab"):
        wire = opened().c("FIN", 100, data, ack=1000).s("", 1000, ack=105 + len(data))
        [c], _ = connections(wire.table())
        assert (c.from_client.lost, c.from_client.missing) == (4, 4)


def test_a_gap_that_nobody_acknowledged_is_not_lost() -> None:
    wire = (
        opened().c("PSH", 100, b"ab", ack=1000).c("PSH", 105, b"fg", ack=1000).s("", 1000, ack=102)
    )
    [c], _ = connections(wire.table())
    assert c.from_client.lost == 0


def test_what_the_snapshot_length_cut_is_not_lost() -> None:
    wire = opened().c("PSH", 100, b"abcdef", ack=1000, cut=4).s("", 1000, ack=106)
    [c], _ = connections(wire.table())
    assert (c.from_client.lost, c.from_client.truncated) == (0, 4)


def test_a_segment_far_beyond_the_window_is_no_part_of_the_stream() -> None:
    wire = (
        opened()
        .s("PSH", 1000, b"answer", ack=100)
        .s("PSH", 1006 + 20_000_000, b"stray", ack=100)
        .c("PSH", 100, b"next", ack=1006, window=1000)
    )
    [c], streams = connections(wire.table())
    assert (c.from_server.missing, c.from_server.lost, c.from_server.bytes) == (0, 0, 6)
    assert [d.slug for d in streams.diagnostics] == ["tcp-sequence-implausible"]


def test_a_segment_beyond_the_window_stays_when_its_receiver_never_spoke_again() -> None:
    wire = opened().s("PSH", 1000, b"answer", ack=100).s("PSH", 200_000, b"later", ack=100)
    [c], _ = connections(wire.table())
    assert (c.from_server.bytes, c.from_server.lost) == (11, 0)


def test_a_segment_beyond_a_gap_stays_when_it_was_acknowledged() -> None:
    wire = (
        opened()
        .s("PSH", 1000, b"answer", ack=100)
        .s("PSH", 200_000, b"later", ack=100)
        .c("", 100, ack=200_005)
    )
    [c], _ = connections(wire.table())
    assert (c.from_server.bytes, c.from_server.lost) == (11, 200_000 - 1006)


def test_a_scaled_window_may_be_wide() -> None:
    scale = bytes([3, 3, 7, 0])  # RFC 7323 §2.2: shift by 7
    wire = (
        Wire()
        .c("SYN", 99, window=60_000, options=scale)
        .s("SYN", 999, ack=100, options=scale)
        .c("ACK", 100, ack=1000, window=60_000)
        .s("PSH", 1000 + 1_000_000, b"far", ack=100)
        .c("", 100, ack=1000, window=60_000)
    )
    [c], _ = connections(wire.table())
    assert c.from_server.bytes == 3


def test_the_window_of_a_syn_is_not_scaled() -> None:
    scale = bytes([3, 3, 10, 0])
    wire = (
        Wire()
        .c("SYN", 99, window=60_000, options=scale)
        .s("SYN", 999, ack=100, options=scale)
        .c("ACK", 100, ack=1000, window=60)
        .s("PSH", 1000 + 1_000_000, b"far", ack=100)
        .c("", 100, ack=1000, window=60)
    )
    [c], streams = connections(wire.table())
    assert c.from_server.bytes == 0
    assert [d.slug for d in streams.diagnostics] == ["tcp-sequence-implausible"]


def scaled(client: int, server: int, far: int = 1_000_000) -> Wire:
    """A far segment of the server, after SYNs that shift windows so far (RFC 7323 §2.2)."""
    return (
        Wire()
        .c("SYN", 99, window=60_000, options=bytes([3, 3, client, 0]))
        .s("SYN", 999, ack=100, window=60_000, options=bytes([3, 3, server, 0]))
        .c("ACK", 100, ack=1000, window=60_000)
        .s("PSH", 1000 + far, b"far", ack=100)
        .c("", 100, ack=1000, window=60_000)
    )


def test_the_window_that_counts_is_the_receivers() -> None:
    [c], _ = connections(scaled(client=7, server=0).table())
    assert c.from_server.bytes == 3
    [c], _ = connections(scaled(client=0, server=7).table())
    assert c.from_server.bytes == 0


@pytest.mark.parametrize("shift", [14, 15, 255])
def test_no_window_is_shifted_by_more_than_14(shift: int) -> None:
    [c], _ = connections(scaled(client=shift, server=0, far=60_000 << 14).table())
    assert c.from_server.bytes == 3
    [c], _ = connections(scaled(client=shift, server=0, far=(60_000 << 14) + 1).table())
    assert c.from_server.bytes == 0


def test_without_the_syn_of_its_receiver_a_window_may_be_shifted_by_14() -> None:
    for far, taken in ((60_000 << 14, 6), ((60_000 << 14) + 1, 3)):
        wire = Wire().c("", 100, ack=1000, window=60_000).s("PSH", 1000, b"let", ack=100)
        wire.s("PSH", 1000 + far, b"far", ack=100).c("", 100, ack=1000, window=60_000)
        [c], _ = connections(wire.table())
        assert c.from_server.bytes == taken


@pytest.mark.parametrize(("gap", "taken"), [(1 << 16, 9), ((1 << 16) + 1, 6)])
def test_a_gap_that_a_window_without_scale_allows_is_one(gap: int, taken: int) -> None:
    """Whatever the receiver offered: the segment may have come before its window shrank."""
    wire = opened().s("PSH", 1000, b"answer", ack=100).s("PSH", 1006 + gap, b"far", ack=100)
    [c], _ = connections(wire.c("", 100, ack=1006, window=1000).table())
    assert c.from_server.bytes == taken


def test_segments_taken_out_leave_the_counts_of_the_others() -> None:
    """Of other streams, and of the same one; a FIN far away goes with them."""
    wire = opened().s("PSH", 1000, b"answer", ack=100)
    wire.s("FIN", 1006 + 20_000_000, b"stray", ack=100).c("PSH", 100, b"next", ack=1006)
    other = Endpoint("10.0.0.9", 40001)
    wire.client = other
    wire.c("SYN", 9).s("SYN", 99, ack=10).s("FIN", 100, b"bye", ack=10).c("", 10, ack=104)
    found, streams = connections(wire.table())
    assert streams.end.tolist() == [4, 6, 0, 3]
    assert streams.fin.tolist() == [-1, -1, -1, 3]
    assert [(c.from_server.bytes, c.from_server.truncated) for c in found] == [(6, 0), (3, 0)]
    assert streams.first.tolist() == [0, 1, 2, 2, 3]
    assert streams.ack.tolist() == [6, 0, 0]


def test_what_is_left_of_a_stream_ends_where_its_last_segment_ends() -> None:
    wire = (
        opened()
        .s("PSH", 1000, b"answer", ack=100)
        .s("PSH", 1006 + 20_000_000, b"stray", ack=100)
        .c("PSH", 100, b"next", ack=1003, window=1000)
    )
    [c], streams = connections(wire.table())
    assert streams.end.tolist() == [4, 6]
    assert (c.from_server.bytes, c.from_server.missing) == (6, 0)


def test_a_segment_taken_out_takes_along_what_the_snapshot_length_cut_from_it() -> None:
    wire = (
        opened()
        .s("PSH", 1000, b"answer", ack=100)
        .s("PSH", 1006 + 20_000_000, b"stray", ack=100, cut=3)
        .c("PSH", 100, b"next", ack=1006, window=1000)
    )
    [c], streams = connections(wire.table())
    assert streams.end.tolist() == [4, 6]
    assert (c.from_server.bytes, c.from_server.missing, c.from_server.truncated) == (6, 0, 0)


def test_what_the_snapshot_length_cut_from_the_segments_that_stay_is_counted() -> None:
    wire = (
        opened()
        .s("PSH", 1000, b"answer", ack=100, cut=4)
        .s("PSH", 1006 + 20_000_000, b"stray", ack=100, cut=3)
        .c("PSH", 100, b"next", ack=1000, window=1000)
    )
    [c], streams = connections(wire.table())
    assert streams.end.tolist() == [4, 6]
    assert (c.from_server.bytes, c.from_server.missing, c.from_server.truncated) == (2, 4, 4)


def test_a_segment_is_repeated_until_its_acknowledgement_is_captured() -> None:
    wire = (
        opened()
        .c("PSH", 100, b"ab", ack=1000)
        .c("PSH", 100, b"ab", ack=1000)
        .s("", 1000, ack=102)
        .c("PSH", 100, b"ab", ack=1000)
    )
    [c], _ = connections(wire.table())
    assert (c.from_client.retransmissions, c.from_client.repeats) == (2, 1)
    assert c.from_client.repeat_frame == 5


def test_a_synack_that_was_acknowledged_and_comes_again_waits_for_data() -> None:
    wire = opened().s("SYN", 999, ack=100).c("ACK", 100, ack=1000)
    [c], _ = connections(wire.table())
    assert (c.from_server.retransmissions, c.from_server.repeats) == (1, 0)
    assert c.from_server.deferred_frame == 4


def test_a_synack_that_comes_again_before_it_was_acknowledged_is_repeated() -> None:
    wire = Wire().c("SYN", 99).s("SYN", 999, ack=100).s("SYN", 999, ack=100).c("ACK", 100, ack=1000)
    [c], _ = connections(wire.table())
    assert (c.from_server.repeats, c.from_server.repeat_frame) == (1, 3)
    assert c.from_server.deferred_frame is None


def test_a_syn_that_comes_again_is_repeated() -> None:
    wire = Wire().c("SYN", 99).c("SYN", 99).s("SYN", 999, ack=100)
    [c], _ = connections(wire.table())
    assert (c.from_client.repeats, c.from_client.repeat_frame) == (1, 2)


def test_a_fin_is_repeated_like_data() -> None:
    wire = opened().c("FIN", 100, ack=1000).c("FIN", 100, ack=1000).s("", 1000, ack=101)
    [c], _ = connections(wire.c("FIN", 100, ack=1000).table())
    assert (c.from_client.retransmissions, c.from_client.repeats) == (2, 1)


def witness(wire: Wire) -> Talk:
    """The same segments as the independent reader of the sentences sees them."""
    packets = [
        Packet(
            number,
            float(number),
            (s.flow[0].address, s.flow[0].port),
            (s.flow[1].address, s.flow[1].port),
            s.seq % 2**32,
            s.ack,
            (2 if s.flags & SYN else 0)
            | (1 if s.flags & FIN else 0)
            | (16 if s.flags & ACK else 0),
            len(s.data),
            s.data,
        )
        for number, s in enumerate(wire.segments, 1)
    ]
    (talk,) = talks(packets)
    return talk


CHUNKS = st.lists(
    st.tuples(st.sampled_from("cs"), st.integers(0, 5), st.integers(2, 9), st.integers(0, 60)),
    max_size=12,
)


@given(CHUNKS, st.booleans())
def test_both_readers_agree_on_what_was_lost_and_what_was_repeated(
    chunks: list[tuple[str, int, int, int]], again: bool
) -> None:
    wire = opened(60_000)
    if again:
        wire.s("SYN", 999, ack=100)
    for end, place, size, ack in chunks:
        if end == "c":
            wire.c("PSH", 100 + 7 * place, b"x" * size, ack=1000 + ack)
        else:
            wire.s("PSH", 1000 + 7 * place, b"y" * size, ack=100 + ack)
    [c], _ = connections(wire.table())
    talk = witness(wire)
    for counted, direction in zip(
        (c.from_client, c.from_server), talk.directions.values(), strict=True
    ):
        # bytes that a later segment reaches, or the acknowledgements do, less one for a FIN
        assert counted.lost <= direction.lacking() <= counted.lost + 1
        # a segment that repeats in part is counted too
        before = [p.number for p, known in direction.repeated() if not known]
        assert counted.repeats >= len(before)
        if before:
            assert counted.repeat_frame is not None
            assert counted.repeat_frame <= before[0]


def test_gaps_that_a_window_without_scale_could_hold_make_no_stray() -> None:
    """Each of the two is shorter than 64 KiB: packets are missing, and no number is damaged."""
    wire = opened().s("PSH", 1000, b"answer", ack=100).c("", 100, ack=1006, window=1000)
    for at in (60_000, 120_000):
        wire.s("PSH", 1000 + at, b"more", ack=100)
    _, streams = connections(wire.c("PSH", 100, b"next", ack=1006, window=1000).table())
    assert contents(streams, 1) == [(0, b"answer"), (60_000, b"more"), (120_000, b"more")]
    assert streams.diagnostics == ()
