"""How often a stream had paused, by frame."""

from __future__ import annotations

from lbtrace.tables.pace import PAUSE_NS
from lbtrace.tcp import connections, pauses
from tests.tcp.test_loss import opened


def test_a_pause_counts_from_the_frame_that_ends_it() -> None:
    wire = opened()
    for n, at in enumerate((10, 20, 20 + PAUSE_NS, 30 + PAUSE_NS, 30 + 3 * PAUSE_NS)):
        wire.c("PSH", 100 + n, b"x", ack=1000, at=at)
    _, streams = connections(wire.table())
    assert pauses(streams).tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 2]


def test_each_end_pauses_for_itself() -> None:
    wire = (
        opened()
        .c("PSH", 100, b"x", ack=1000, at=0)
        .s("PSH", 1000, b"y", ack=101, at=PAUSE_NS)
        .c("PSH", 101, b"x", ack=1001, at=PAUSE_NS - 1)
        .s("PSH", 1001, b"y", ack=101, at=3 * PAUSE_NS)
    )
    _, streams = connections(wire.table())
    assert pauses(streams).tolist() == [0, 0, 0, 0, 0, 0, 0, 1]


def test_without_payload_there_is_none() -> None:
    _, streams = connections(opened().table())
    assert not any(pauses(streams))


def test_what_a_stream_counts_begins_anew_with_the_next() -> None:
    """The client's stream ends in a pause, and that is none of the server's."""
    wire = opened()
    for n in range(3):
        wire.c("PSH", 100 + n, b"x", ack=1000, at=2 * n * PAUSE_NS)
        wire.s("PSH", 1000 + n, b"y", ack=101 + n, at=2 * n * PAUSE_NS)
    _, streams = connections(wire.table())
    assert pauses(streams).tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 2, 2]
