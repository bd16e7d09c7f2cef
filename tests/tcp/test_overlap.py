"""Segments that overlap → from which of them each byte is taken: laws against a model that holds
one byte at a time, then the cases that have names.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.net import Endpoint
from lbtrace.tcp import connections
from tests.laws import examples
from tests.tcp.wire import Wire, contents


class Sent(NamedTuple):
    """A segment of one of four streams: two connections, the client of each first."""

    stream: int
    start: int
    size: int
    cut: int
    text: int


class Piece(NamedTuple):
    start: int
    length: int
    frame: int
    repeated: bool


@dataclass
class Model:
    """A stream, byte by byte: which segment each offset is taken from, and what was counted."""

    taken: dict[int, tuple[int, int]] = field(default_factory=dict)  # offset → (frame, byte)
    covered: Counter[int] = field(default_factory=Counter)  # by how many segments, as captured
    sent: set[int] = field(default_factory=set)
    late: set[int] = field(default_factory=set)
    again: list[int] = field(default_factory=list)
    differing: list[int] = field(default_factory=list)

    def add(self, frame: int, start: int, data: bytes, cut: int) -> None:
        captured = {start + i: byte for i, byte in enumerate(data[: len(data) - cut])}
        seen = captured.keys() & self.taken.keys()
        if seen:
            self.again.append(frame)
        elif start < self.end:
            self.late.add(frame)
        if any(self.taken[at][1] != captured[at] for at in seen):
            self.differing.append(frame)
        self.covered.update(captured.keys())
        self.sent.update(range(start, start + len(data)))
        for at, byte in captured.items():
            self.taken.setdefault(at, (frame, byte))

    @property
    def end(self) -> int:
        return max(self.sent, default=-1) + 1

    def pieces(self) -> list[Piece]:
        found: list[Piece] = []
        for at in sorted(self.taken):
            frame, _ = self.taken[at]
            repeated = frame in self.late or self.covered[at] > 1
            last = found[-1] if found else None
            if last and last.frame == frame and last.start + last.length == at:
                length, repeated = last.length + 1, last.repeated or repeated
                found[-1] = Piece(last.start, length, frame, repeated)
            else:
                found.append(Piece(at, 1, frame, repeated))
        return found

    def in_turn(self) -> bool:
        """Each segment began where the one before it ended, and all of it was captured."""
        frames = [frame for _, (frame, _) in sorted(self.taken.items())]
        alone = all(count == 1 for count in self.covered.values())
        return alone and frames == sorted(frames) and self.taken.keys() == set(range(self.end))


BEGIN = (100, 2**32 - 5, 0, 77_000)  # the sequence number of offset 0 of each stream
TEXTS = (b"0123456789abcdefghij" * 5, b"0123456789aXcdefghij" * 5)


def conversations() -> Wire:
    wire = Wire()
    for connection in (0, 1):
        wire.client = Endpoint("10.0.0.9", 40000 + connection)
        ours, theirs = BEGIN[2 * connection : 2 * connection + 2]
        wire.c("SYN", ours - 1).s("SYN", theirs - 1, ack=ours)
    return wire


def send(wire: Wire, segment: Sent) -> bytes:
    connection, answers = divmod(segment.stream, 2)
    wire.client = Endpoint("10.0.0.9", 40000 + connection)
    data = TEXTS[segment.text][segment.start : segment.start + segment.size]
    seq, ack = BEGIN[segment.stream] + segment.start, BEGIN[segment.stream ^ 1]
    (wire.s if answers else wire.c)("PSH", seq, data, ack=ack, cut=segment.cut)
    return data


@examples(200)
@given(
    st.lists(
        st.builds(
            Sent,
            st.integers(0, 3),
            st.integers(0, 40),
            st.integers(2, 14),
            st.sampled_from([0, 0, 0, 1, 2]),
            st.integers(0, 1),
        ),
        max_size=24,
    )
)
def test_each_byte_comes_from_the_first_segment_that_holds_it(segments: list[Sent]) -> None:
    wire, models = conversations(), [Model() for _ in range(4)]
    for segment in segments:
        data = send(wire, segment)
        models[segment.stream].add(len(wire.segments), segment.start, data, segment.cut)
    found, streams = connections(wire.table())
    for number, model in enumerate(models):
        rows = streams.pieces(number)
        part = slice(rows.start, rows.stop)
        columns = (streams.start, streams.length, streams.frame, streams.repeated)
        held = [Piece(*row) for row in zip(*(c[part].tolist() for c in columns), strict=True)]
        assert held == model.pieces()
        octets = b"".join(run for _, run in contents(streams, number))
        assert octets == bytes(model.taken[at][1] for at in sorted(model.taken))
        end = found[number // 2].from_server if number % 2 else found[number // 2].from_client
        assert (end.bytes, end.retransmissions, end.out_of_order) == (
            len(model.taken),
            len(model.again),
            len(model.late),
        )
        assert end.truncated == len(model.sent - model.taken.keys())
        assert end.missing == model.end - len(model.taken)
        assert end.repeat_frame == (model.again[0] if model.again else None)
        assert bool(streams.clean[number]) == model.in_turn()
    differing = [frame for model in models for frame in model.differing]
    told = [(d.slug, d.count, d.frame) for d in streams.diagnostics]
    expected = [("tcp-overlap-differs", len(differing), min(differing))] if differing else []
    assert told == expected
