"""Clocks that were set forward while capturing, and silences that were long."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.trace import SET_FORWARD
from lbtrace.tcp import in_time_order
from lbtrace.tcp.set_forward import set_forward
from tests.tcp.wire import CLIENT, Segment, Wire

MS = 1_000_000
S = 1000 * MS
HOUR = 3600 * S


def stamp(ms: int) -> bytes:
    """The option that says what the clock of an end shows."""
    return b"\x01\x01" + struct.pack(">BBII", 8, 10, ms & 0xFFFFFFFF, 0)


def spoken(times_ms: list[int], first: int = 100, port: int = 40000, unit_ms: int = 1) -> Wire:
    """Both ends say something at each of these times, by clocks with this unit."""
    wire = Wire(client=CLIENT._replace(port=port))
    for n, ms in enumerate(times_ms):
        options = stamp(first + ms // unit_ms)
        wire.c("PSH", 100 + n, b"q", ack=1000 + n, at=ms * MS, options=options)
        options = stamp(70_000 + ms // unit_ms)
        wire.s("PSH", 1000 + n, b"a", ack=101 + n, at=ms * MS + 1000, options=options)
    return wire


def later(segments: list[Segment], since: int, by_ns: int) -> list[Segment]:
    """The clock of the capture is set forward before a segment."""
    for segment in segments[since:]:
        segment.time_ns += by_ns
    return segments


@given(st.integers(1, 7), st.integers(13, 40_000), st.sampled_from([5, 2**32 - 9]))
def test_a_clock_that_was_set_is_told_with_the_frame_behind(
    at: int, seconds: int, first: int
) -> None:
    segments = spoken([0, 5, 10, 20], first).segments
    step = set_forward(Wire(later(segments, at, seconds * S)).table())
    if at == 1 or at == 7:  # one end spoke only before, or only behind it
        assert step is None
        return
    assert step is not None
    assert step.row == at
    assert (seconds - 11) * S <= step.by_ns <= seconds * S


def test_it_is_said_and_the_times_stay() -> None:
    table = in_time_order(Wire(later(spoken([0, 5, 10]).segments, 2, HOUR)).table())
    [said] = table.diagnostics
    assert (said.slug, said.frame) == (SET_FORWARD, 3)
    assert table.time_ns.tolist()[2] == HOUR + 5 * MS


@pytest.mark.parametrize("unit_ms", [1, 10, 1000])
def test_an_hour_that_went_by_was_no_step(unit_ms: int) -> None:
    wire = spoken([0, 5, 3_600_000, 3_600_020], unit_ms=unit_ms)
    assert set_forward(wire.table()) is None


def test_an_end_whose_unit_is_not_known_may_count_seconds() -> None:
    segments = spoken([0, 5]).segments  # five units, and the next one may have begun
    assert set_forward(Wire(later(segments, 2, 6 * S)).table()) is None
    assert set_forward(Wire(later(spoken([0, 5]).segments, 2, 7 * S)).table()) is not None


def test_an_end_that_was_seen_for_a_while_tells_its_unit() -> None:
    segments = spoken([0, 200, 205]).segments
    assert set_forward(Wire(later(segments, 4, 2 * S)).table()) is not None
    segments = spoken([0, 5, 205]).segments
    assert set_forward(Wire(later(segments, 2, 2 * S)).table()) is not None
    segments = spoken([0, 1, 6]).segments  # one tick may be none, or two
    assert set_forward(Wire(later(segments, 4, 2 * S)).table()) is None
    segments = spoken([0, 3, 6]).segments
    assert set_forward(Wire(later(segments, 4, 2 * S)).table()) is not None


@pytest.mark.parametrize(("unit_ms", "told"), [(1, True), (1000, False)])
def test_another_connection_of_the_same_ends_tells_their_units(unit_ms: int, told: bool) -> None:
    """Five ticks in five seconds are none where the clocks of these hosts count milliseconds."""
    segments = later(spoken([0, 5]).segments, 2, 5 * S)
    earlier = spoken([-90_000, -9000], port=40001, unit_ms=unit_ms).segments
    for segment in (*segments, *earlier):
        segment.time_ns += 100 * S
    assert (set_forward(Wire([*earlier, *segments]).table()) is not None) is told
    assert set_forward(Wire(segments).table()) is None


@pytest.mark.parametrize(("silent_ms", "denied"), [(1800, True), (2100, False)])
def test_what_is_denied_is_half_of_the_silence_or_more(silent_ms: int, denied: bool) -> None:
    segments = spoken([0, 200, 200 + silent_ms]).segments
    assert (set_forward(Wire(later(segments, 4, 2 * S)).table()) is not None) is denied


@pytest.mark.parametrize("server", [False, True])
def test_one_end_alone_may_have_been_suspended(server: bool) -> None:
    segments = later(spoken([0, 5, 10]).segments, 2, HOUR)
    for segment in segments[2:]:
        if (segment.flow[0].port == 80) is not server:
            segment.options = stamp(5_000_000)
    assert set_forward(Wire(segments).table()) is None


def test_one_end_without_time_stamps_shows_nothing() -> None:
    segments = later(spoken([0, 5, 10]).segments, 2, HOUR)
    for segment in segments:
        if segment.flow[0].port == 80:
            segment.options = b""
    assert set_forward(Wire(segments).table()) is None


def test_an_end_of_another_connection_that_saw_the_hour_go_by() -> None:
    segments = later(spoken([0, 5, 10]).segments, 2, HOUR)
    other = spoken([1, 3_600_001], port=40001).segments
    every = sorted(segments + other, key=lambda s: s.time_ns)
    assert set_forward(Wire(every).table()) is None
    assert set_forward(Wire(segments).table()) is not None


@pytest.mark.parametrize(("ticks", "denied"), [([0, 7000], True), ([0, 4, 7004], False)])
def test_an_end_whose_unit_is_not_known_agrees_with_nothing(ticks: list[int], denied: bool) -> None:
    """Seven thousand units are an hour only where half a second each was measured before."""
    segments = later(spoken([0, 5, 10]).segments, 2, HOUR)
    times_ms = [1, 2001, 3_600_500] if len(ticks) == 3 else [1, 3_600_500]
    other = spoken(times_ms, port=40001).segments
    for n, segment in enumerate(other):
        segment.options = stamp(100 + ticks[n // 2])
    both = sorted(segments + other, key=lambda s: s.time_ns)
    assert (set_forward(Wire(both).table()) is not None) is denied


def test_of_several_silences_the_one_that_is_denied_is_told() -> None:
    segments = spoken([0, 5, 3_600_000, 3_600_005, 3_600_010]).segments
    step = set_forward(Wire(later(segments, 8, 60 * S)).table())
    assert step is not None
    assert step.row == 8


def test_a_silence_of_less_than_a_second_is_not_looked_at() -> None:
    segments = spoken([0, 200, 205]).segments
    assert set_forward(Wire(later(segments, 4, S - 6 * MS)).table()) is None


def test_empty_and_short_captures() -> None:
    assert set_forward(Wire().table()) is None
    assert set_forward(spoken([0]).table()) is None
