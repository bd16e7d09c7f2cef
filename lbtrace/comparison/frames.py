"""The frames behind a claim: matches and Refs → FrameRefs → Evidence with display filters.

Examples are examples: FRAMES_PER_SIDE of them, and the counts are in the statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from lbtrace.comparison.matches import ConnectionMatch, Match
from lbtrace.comparison.sides import Sides
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Ref
from lbtrace.model.report import Evidence
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column

FRAMES_PER_SIDE = 5


class Frames(Sides):
    """Two sides, and where in them a claim can be looked up."""

    def request_frame(self, side: Side, ref: Ref) -> FrameRef:
        """The frame that completes the request head (of the response, when the request is not in
        the capture).
        """
        trace = self.traces(side)[ref.point]
        exchange = trace.exchanges[ref.id]
        message = exchange.request or exchange.response
        if message is None:
            connection = trace.connections[exchange.connection]
            return trace.ref(connection.first_frame, connection.first_ns)
        return trace.ref(message.head_frame, message.head_ns)

    def response_frame(self, side: Side, ref: Ref) -> FrameRef:
        """The frame that completes the response head (of the request, when there is no
        response).
        """
        exchange = self.exchange(side, ref)
        if exchange.response is None:
            return self.request_frame(side, ref)
        return self.traces(side)[ref.point].ref(
            exchange.response.head_frame, exchange.response.head_ns
        )

    def connection_frame(self, side: Side, ref: Ref) -> FrameRef:
        """The SYN of a connection, or its first frame."""
        connection = self.connection(side, ref)
        trace = self.traces(side)[ref.point]
        if connection.syn_frame is not None and connection.syn_ns is not None:
            return trace.ref(connection.syn_frame, connection.syn_ns)
        return trace.ref(connection.first_frame, connection.first_ns)

    def request_frames(self, matches: Iterable[Match]) -> list[FrameRef]:
        """Both requests of the first few matches."""
        return [
            self.request_frame(side, ref)
            for m in islice(matches, FRAMES_PER_SIDE)
            for side, ref in ((Side.CLIENT, m.pair.client), (Side.BACKEND, m.backend))
        ]

    def response_frames(self, matches: Iterable[Match]) -> list[FrameRef]:
        """Both responses of the first few matches."""
        return [
            self.response_frame(side, ref)
            for m in islice(matches, FRAMES_PER_SIDE)
            for side, ref in ((Side.CLIENT, m.pair.client), (Side.BACKEND, m.backend))
        ]

    def connection_frames(self, matches: Iterable[ConnectionMatch]) -> list[FrameRef]:
        """Both beginnings of the first few pairs of connections."""
        return [
            self.connection_frame(side, ref)
            for m in islice(matches, FRAMES_PER_SIDE)
            for side, ref in ((Side.CLIENT, m.client), (Side.BACKEND, m.backend))
        ]

    def opening_frames(self, side: Side, connections: Column) -> list[FrameRef]:
        """The SYNs, or the first frames, of the first few of these connections (their numbers)."""
        table = self.table(side)
        return [
            self.connection_frame(side, table.connection_ref(c))
            for c in connections[:FRAMES_PER_SIDE].tolist()
        ]

    def any_frame(self, side: Side | None = None) -> list[FrameRef]:
        """The first frame of each capture point that has connections: evidence for a statement
        about a capture as a whole.
        """
        frames = []
        for of_side in Side:
            for trace, table in zip(
                self.traces(of_side), self.table(of_side).connections, strict=True
            ):
                if len(table) and side in (None, trace.side):
                    first = int(table.first_frame.argmin())
                    frames.append(
                        trace.ref(int(table.first_frame[first]), int(table.first_ns[first]))
                    )
        return frames


def first_frames(trace: Trace, connections: Column) -> list[FrameRef]:
    """The first frames of the first few of these connections (their ids) of a trace."""
    found = [trace.connections[i] for i in connections[:FRAMES_PER_SIDE].tolist()]
    return [trace.ref(c.first_frame, c.first_ns) for c in found]


def evidence(frames: Iterable[FrameRef], note: str = "") -> tuple[Evidence, ...]:
    """Frames → Evidence with display filters. A frame number means something in one file only, so
    each Evidence names one file a side.
    """
    by_file: dict[tuple[Side, int, int], list[FrameRef]] = {}
    for frame in frames:
        group = by_file.setdefault((frame.side, frame.point, frame.file), [])
        if frame not in group and len(group) < FRAMES_PER_SIDE:
            group.append(frame)
    fronts = [sorted(group) for (side, _, _), group in by_file.items() if side is Side.CLIENT]
    backs = [sorted(group) for (side, _, _), group in by_file.items() if side is Side.BACKEND]
    made = []
    for i in range(max(len(fronts), len(backs))):
        front = fronts[i] if i < len(fronts) else []
        back = backs[i] if i < len(backs) else []
        made.append(Evidence(tuple(front + back), note, frame_filter(front), frame_filter(back)))
    return tuple(made)


def frame_filter(frames: Sequence[FrameRef]) -> str:
    """A Wireshark display filter for frames of one file; "" for none."""
    numbers = sorted({f.number for f in frames})
    if not numbers:
        return ""
    return (
        f"frame.number == {numbers[0]}"
        if len(numbers) == 1
        else f"frame.number in {{{', '.join(map(str, numbers))}}}"
    )
