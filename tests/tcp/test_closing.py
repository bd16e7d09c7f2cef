"""FINs and RSTs that were stamped before what they acknowledge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.tcp import connections
from tests.tcp.wire import Segment, Wire

MS = 1_000_000


def conversation(ends: str = "FIN", ack: int | None = 1007) -> list[Segment]:
    """A request at 10 ms, an answer in three parts from 20 ms on, and the client's end at 30 ms."""
    wire = Wire().c("SYN", 99, at=0).s("SYN", 999, ack=100, at=1 * MS)
    wire.c("PSH", 100, b"ask", ack=1000, at=10 * MS)
    for n in range(3):
        wire.s("PSH", 1000 + 2 * n, b"ok", ack=103, at=(20 + n) * MS)
    wire.s("FIN", 1006, ack=103, at=25 * MS)
    return wire.c(ends, 103, ack=ack, at=30 * MS).segments


def end_at(segments: list[Segment], ends: str = "FIN") -> int | None:
    """The segments in order of time → the time of the end."""
    [c], _ = connections(Wire(sorted(segments, key=lambda s: s.time_ns)).table())
    return c.from_client.fin_ns if ends == "FIN" else c.from_client.rst_ns


@pytest.mark.parametrize("ends", ["FIN", "RST"])
@pytest.mark.parametrize(
    ("ack", "at"),
    [
        (1000, 15),  # of no answer: the end came before it
        (1001, 20),
        (1002, 20),
        (1003, 21),
        (1006, 22),
        (1007, 22),  # the FIN, too
        (None, 15),
    ],
)
def test_an_end_comes_no_sooner_than_what_it_acknowledges(
    ends: str, ack: int | None, at: int
) -> None:
    segments = conversation(ends, ack)
    assert end_at(segments, ends) == 30 * MS
    segments[-1].time_ns = 15 * MS
    assert end_at(segments, ends) == at * MS


def test_the_fin_of_a_server_comes_no_sooner_than_the_request_it_acknowledges() -> None:
    segments = conversation()
    segments[2].time_ns = 26 * MS
    [c], _ = connections(Wire(sorted(segments, key=lambda s: s.time_ns)).table())
    assert (c.from_server.fin_ns, c.from_client.first_payload_ns) == (26 * MS, 26 * MS)


def test_the_frame_is_that_of_the_packet() -> None:
    segments = conversation()
    segments[-1].time_ns = 15 * MS
    [c], _ = connections(Wire(sorted(segments, key=lambda s: s.time_ns)).table())
    assert c.from_client.fin_frame == 4


def test_a_reset_without_ack_comes_no_sooner_than_what_its_end_acknowledged_before() -> None:
    segments = conversation("RST", None)
    segments.insert(-1, Wire().c("", 103, ack=1003, at=14 * MS).segments[0])
    segments[-1].time_ns = 15 * MS
    assert end_at(segments, "RST") == 21 * MS
    segments[-2].time_ns = 16 * MS  # it came after the RST
    assert end_at(segments, "RST") == 15 * MS


def test_an_end_whose_peer_was_not_captured_keeps_its_time() -> None:
    wire = Wire().c("SYN", 99, at=0).c("PSH", 100, b"ask", ack=1000, at=MS)
    [c], _ = connections(wire.c("FIN", 103, ack=1007, at=2 * MS).table())
    assert c.from_client.fin_ns == 2 * MS


@given(st.lists(st.integers(0, 40), min_size=8, max_size=8), st.booleans())
def test_whatever_the_times_no_end_comes_before_what_it_acknowledges(
    late: list[int], reset: bool
) -> None:
    segments = conversation("RST" if reset else "FIN")
    for segment, ms in zip(segments[2:], late, strict=False):
        segment.time_ns += ms * MS
    [c], _ = connections(Wire(sorted(segments, key=lambda s: s.time_ns)).table())
    ends = (c.from_client.rst_ns if reset else c.from_client.fin_ns), c.from_server.fin_ns
    stamped = segments[-1].time_ns, segments[6].time_ns
    acknowledged = max(s.time_ns for s in segments[3:6]), segments[2].time_ns
    assert ends == tuple(map(max, stamped, acknowledged))
