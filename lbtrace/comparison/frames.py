"""The frames behind a claim: pairs and Refs → FrameRefs → Evidence with display filters.

The frames are examples, FRAMES_PER_SIDE of them at most; the sentence has the counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, zip_longest

from lbtrace.comparison.pairs import Pair, PairedConnections
from lbtrace.comparison.sides import Sides
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Ref
from lbtrace.model.report import MOST_CONNECTIONS, MOST_REQUESTS, Evidence
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, distinct, first_met
from lbtrace.tables.words import joint

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

    def asked(self, side: Side, exchanges: Column) -> tuple[str, ...]:
        """The requests of these exchanges of a side (their rows), "GET /health", each once; none
        when one of them was not read, or when there are more than a finding keeps.
        """
        table = self.table(side)
        if not table.requests.there[exchanges].all():
            return ()
        method, target = (c[exchanges] for c in (table.requests.method, table.requests.start))
        first, _ = first_met(joint(method, target))
        if len(first) > MOST_REQUESTS:
            return ()
        texts = table.words.text_list
        rows = zip(method[first].tolist(), target[first].tolist(), strict=True)
        return tuple(f"{texts[verb]} {texts[what]}" for verb, what in rows)

    def failed(self, side: Side, connections: Column) -> tuple[Ref, ...]:
        """The first of these connections (their numbers), each once, where they are behind the
        balancer: what is told of one of them may be the cause of what is told of it elsewhere.
        """
        if side is Side.CLIENT or self.alone:
            return ()
        first = distinct(connections)[:MOST_CONNECTIONS]
        return tuple(self.table(side).connection_refs(first))

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

    def request_frames(self, pairs: Iterable[Pair]) -> list[FrameRef]:
        """Both requests of the first few pairs."""
        return [self.request_frame(side, ref) for side, ref in _both_sides(pairs)]

    def response_frames(self, pairs: Iterable[Pair]) -> list[FrameRef]:
        """Both responses of the first few pairs."""
        return [self.response_frame(side, ref) for side, ref in _both_sides(pairs)]

    def connection_frames(self, pairs: Iterable[PairedConnections]) -> list[FrameRef]:
        """Both beginnings of the first few pairs of connections."""
        return [self.connection_frame(side, ref) for side, ref in _both_sides(pairs)]

    def opening_frames(self, side: Side, connections: Column) -> list[FrameRef]:
        """The SYNs, or the first frames, of the first few of these connections (their numbers)."""
        table = self.table(side)
        return [
            self.connection_frame(side, table.connection_ref(c))
            for c in connections[:FRAMES_PER_SIDE].tolist()
        ]

    def end_frames(
        self, side: Side, connections: Column, frame: str, time_ns: str, servers: Sequence[bool]
    ) -> list[FrameRef]:
        """Of the first few of these connections (their numbers) the frame that a column of the ends
        names, of the client (False) or of the server (True); those without are passed over.
        """
        table = self.table(side)
        found: list[FrameRef] = []
        for row in connections.tolist():
            trace = self.traces(side)[table.connection_ref(row).point]
            for server in servers:
                number = int(table.of_ends(frame, server)[row])
                if number and len(found) < FRAMES_PER_SIDE:
                    found.append(trace.ref(number, int(table.of_ends(time_ns, server)[row])))
            if len(found) == FRAMES_PER_SIDE:
                break
        return found

    def closing_frame(self, side: Side, connection: int, server: bool) -> FrameRef:
        """The first FIN or RST of an end of a connection (its number). ValueError if it sent
        neither.
        """
        table = self.table(side)
        frames, times = (
            [int(table.of_ends(f"{flag}_{unit}", server)[connection]) for flag in ("fin", "rst")]
            for unit in ("frame", "ns")
        )
        sent = ((at, frame) for at, frame in zip(times, frames, strict=True) if frame)
        at, frame = min(sent)
        return self.traces(side)[table.connection_ref(connection).point].ref(frame, at)

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


def _both_sides(pairs: Iterable[Pair | PairedConnections]) -> Iterator[tuple[Side, Ref]]:
    """The two Refs of the first few pairs."""
    for pair in islice(pairs, FRAMES_PER_SIDE):
        yield Side.CLIENT, pair.client_ref
        yield Side.BACKEND, pair.backend_ref


def first_frames(trace: Trace, connections: Column) -> list[FrameRef]:
    """The first frames of the first few of these connections (their ids) of a trace."""
    found = [trace.connections[i] for i in connections[:FRAMES_PER_SIDE].tolist()]
    return [trace.ref(c.first_frame, c.first_ns) for c in found]


def evidence(
    frames: Iterable[FrameRef], note: str = "", compared: bool = False
) -> tuple[Evidence, ...]:
    """Frames → Evidence with display filters. A frame number means something in one file only, so
    each Evidence names one file a side.
    """
    by_file: dict[tuple[Side, int, int], list[FrameRef]] = {}
    for frame in frames:
        group = by_file.setdefault((frame.side, frame.point, frame.file), [])
        if frame not in group and len(group) < FRAMES_PER_SIDE:
            group.append(frame)
    clients, backends = (
        [sorted(group) for (of, _, _), group in by_file.items() if of is side] for side in Side
    )
    nothing: list[FrameRef] = []
    return tuple(
        Evidence((*client, *backend), note, frame_filter(client), frame_filter(backend), compared)
        for client, backend in zip_longest(clients, backends, fillvalue=nothing)
    )


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
