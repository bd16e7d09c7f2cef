"""Traces of shards and borders → slices: what was under way between two borders, compared.

    shard ─▶ cut ─▶ its parts around the borders ─▶ settled ─▶ which slice backend exchanges are of
    shard ─▶ cut ─▶ its part of each slice ─▶ judge ─▶ SliceResult

A client exchange is of the slice in which its request begins. A backend exchange is of the slice of
the client exchange that caused it. Its own time tells which that is, except near a border at which
something was under way: there the exchanges around the border are paired first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.latency import Latencies
from lbtrace.fleet import store
from lbtrace.fleet.borders import Border, PointClock, slice_of
from lbtrace.fleet.tables import write_pairs
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import UnpairedReason
from lbtrace.model.report import Report, SideCounts
from lbtrace.model.trace import CaptureFile, Diagnostic, PacketCounts, Trace
from lbtrace.options import Options
from lbtrace.pipeline import compare_traces
from lbtrace.render.masked import masked_report
from lbtrace.tables.columns import Column, among
from lbtrace.tables.connections import NONE as _NO_NUMBER
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tables.pairs import PairTable
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.trace_joining import Joined, joined, joined_diagnostics
from lbtrace.tables.trace_parts import IN_NONE, TracePart, exchange_spans, parts

SLOWEST: Final = 20  # exchanges kept of a slice

# which exchanges of a shard are of another slice than their time says: ids, slices; and so of
# connections without an exchange
Settled = tuple[Column, Column, Column, Column]
NOTHING_SETTLED: Final[Settled] = (np.zeros(0, np.int64),) * 4


@dataclass(frozen=True, slots=True)
class Cutting:
    """A shard that is to be cut. `around`: into its parts around the borders; otherwise into its
    parts of each slice. The parts are written to `path` and their numbers.
    """

    trace: str
    clock: PointClock
    borders: tuple[Border, ...]
    around: bool
    settled: Settled
    path: str

    def part(self, number: int) -> str:
        """Where a part is."""
        return f"{self.path}.{number}"


def cut(task: Cutting) -> tuple[bool, ...]:
    """Cut a shard. Returns which parts hold anything; the others are not written."""
    trace: Trace = store.read(task.trace)
    spans = exchange_spans(trace)
    shift_ns = task.clock.shift_ns
    begins = ConnectionTable.of(trace.connections).first_ns
    if task.around:
        of = _around(task.borders, spans.first_ns + shift_ns, spans.last_ns + shift_ns)
        bare = _around(task.borders, begins + shift_ns, begins + shift_ns)
        count = len(task.borders)
    else:
        of = slice_of(task.borders, spans.first_ns + shift_ns)
        bare = slice_of(task.borders, begins + shift_ns)
        ids, slices, bare_ids, bare_slices = task.settled
        of[ids] = slices
        bare[bare_ids] = bare_slices
        count = len(task.borders) + 1
    held = parts(trace, spans, of, bare, count)
    for number, part in enumerate(held):
        if len(part.connections):
            store.write(task.part(number), _at_its_time(part, task, number))
    return tuple(len(part.connections) > 0 for part in held)


def _around(borders: Sequence[Border], begin: Column, end: Column) -> Column:
    """The border that each is near, or at which it is under way; IN_NONE for the others."""
    out = np.full(len(begin), IN_NONE, np.int64)
    for number, border in enumerate(borders):
        if border.around_ns:
            near = np.abs(begin - border.at_ns) <= border.around_ns
            near |= (begin <= border.at_ns) & (end >= border.at_ns)
            out[near & (out == IN_NONE)] = number
    return out


def _at_its_time(part: TracePart, task: Cutting, number: int) -> TracePart:
    """The part, with the ICMP messages of its time alone."""
    if task.around or not part.trace.icmp:
        return part
    at = np.array([e.time_ns for e in part.trace.icmp], np.int64) + task.clock.shift_ns
    mine = slice_of(task.borders, at) == number
    icmp = tuple(e for e, here in zip(part.trace.icmp, mine.tolist(), strict=True) if here)
    return part._replace(trace=replace(part.trace, icmp=icmp))


@dataclass(frozen=True, slots=True)
class PointParts:
    """The parts of a capture point that a task compares: the file of each shard's part, "" where
    it has none; and what is known of the point as a whole. `window_ns`: the time to be told of.
    """

    side: Side
    number: int
    shards: tuple[str, ...]
    files: tuple[CaptureFile, ...]
    packets: PacketCounts
    diagnostics: tuple[Diagnostic, ...]
    window_ns: tuple[int, int]


@dataclass(frozen=True, slots=True)
class SliceTask:
    """Parts of both sides, to be compared."""

    number: int
    clients: tuple[PointParts, ...]
    backends: tuple[PointParts, ...]
    options: Options
    table: str = ""  # the file that the table of its pairs is written to


def _read(point: PointParts) -> tuple[Trace, Joined | None, list[TracePart], list[int]]:
    """The parts of a point as one trace; how it was joined, of which parts (which are then without
    their traces), of which shards.
    """
    which = [k for k, path in enumerate(point.shards) if path]
    held: list[TracePart] = [store.read(point.shards[k]) for k in which]
    together = joined([part.trace for part in held]) if held else None
    nothing = Trace(point.side, point.number, (), PacketCounts(0, 0), 0, 0, (), (), ())
    held = [part._replace(trace=nothing) for part in held]
    trace = nothing if together is None else together.trace
    connections = ConnectionTable.of(trace.connections)
    trace = replace(
        trace,
        files=point.files,
        packets=point.packets,
        diagnostics=joined_diagnostics((*point.diagnostics, *trace.diagnostics)),
        first_ns=int(connections.first_ns.min(initial=point.window_ns[0])),
        last_ns=int(connections.last_ns.max(initial=point.window_ns[1])),
    )
    return trace, together, held, which


class SettledExchange(NamedTuple):
    """A backend exchange, or a connection without one, and whether its client exchange, or
    connection, begins after the border.
    """

    point: int
    shard: int
    id: int
    after: bool
    bare: bool


def settle(task: tuple[SliceTask, int, tuple[int, ...]]) -> list[SettledExchange]:
    """Pair what is around a border. `task`: the parts, the border by the clock of the first client
    point, and what is to be added to the times of each client point to have those of that clock.
    """
    from lbtrace.correlate import correlate

    comparing, at_ns, shifts = task
    clients = [_read(point) for point in comparing.clients]
    backends = [_read(point) for point in comparing.backends]
    found = correlate([c[0] for c in clients], [b[0] for b in backends], comparing.options)
    pairs = PairTable.of(found.pairs)
    spans = [exchange_spans(trace) for trace, *_ in clients]
    out: list[SettledExchange] = []
    owner = np.repeat(np.arange(len(pairs)), pairs.attempts)
    for pair, point, exchange in zip(
        owner.tolist(), pairs.backend_point.tolist(), pairs.backend.tolist(), strict=True
    ):
        client_point, client = int(pairs.client_point[pair]), int(pairs.client[pair])
        after = int(spans[client_point].first_ns[client]) + shifts[client_point] >= at_ns
        _, how, held, which = backends[point]
        assert how is not None
        part = int(how.part[exchange])
        id_ = int(held[part].exchanges[how.id[exchange]])
        out.append(SettledExchange(point, which[part], id_, after, False))
    for each in found.connection_pairs:
        begin = clients[each.client.point][0].connections[each.client.id].first_ns
        _, how, held, which = backends[each.backend.point]
        assert how is not None
        part = int(how.connection_part[each.backend.id])
        id_ = int(held[part].connections[how.connection_id[each.backend.id]])
        after = begin + shifts[each.client.point] >= at_ns
        out.append(SettledExchange(each.backend.point, which[part], id_, after, True))
    return out


class CutConnection(NamedTuple):
    """What a connection that slices share adds to the counts of one of them. `key` is the same in
    each.
    """

    key: tuple[object, ...]
    ordinary: bool
    once: bool
    packets: int
    syns: int
    again: int
    opened: int
    asked: int
    asked_by_clients: int


class SliceResult(NamedTuple):
    """What a slice shows. The latency columns are of its timed pairs, `alone` says whether each of
    these stands alone.
    """

    number: int
    report: Report  # without its traces
    exchanges: tuple[int, int]
    cut: tuple[tuple[CutConnection, ...], tuple[CutConnection, ...]]
    timed: dict[str, Column]
    alone: bool
    by_points: tuple[tuple[int, int, int], ...]
    by_tier: tuple[tuple[int, int, int], ...]
    slowest: tuple[tuple[str, int, int, int, FrameRef, FrameRef], ...]
    connections: tuple[tuple[int, ...], tuple[int, ...]]
    exchanges_of: tuple[tuple[int, ...], tuple[int, ...]]
    unpaired: tuple[tuple[Side, UnpairedReason, int], ...]


def judge(task: SliceTask) -> SliceResult:
    """Compare the two sides of a slice, as `compare` does."""
    clients = [_read(point) for point in task.clients]
    backends = [_read(point) for point in task.backends]
    cut_keys = tuple(set(_cut_keys(side)) for side in (clients, backends))
    report, comparison = compare_traces(
        [c[0] for c in clients], [b[0] for b in backends], task.options
    )
    if report.correlation.swapped:
        cut_keys = cut_keys[::-1]
    timed = _timed(comparison)
    report = masked_report(report)
    if task.table:
        write_pairs(task.table, comparison, report, task.number)
    pairs = PairTable.of(report.correlation.pairs)
    unpaired = Counter((Side(u.side), u.reason) for u in report.correlation.unpaired)
    first = pairs.last
    asked = first >= 0
    points = np.stack((pairs.client_point[asked], pairs.backend_point[first[asked]]), axis=1)
    kinds = np.stack((pairs.tier, pairs.confidence), axis=1)
    bare = replace(
        report,
        clients=(),
        backends=(),
        correlation=replace(
            report.correlation,
            pairs=(),
            connection_pairs=(),
            unpaired=(),
            sets=(),
        ),
        behaviour=None,
    )
    return SliceResult(
        task.number,
        bare,
        tuple(sum(len(t.exchanges) for t in side) for side in (report.clients, report.backends)),  # type: ignore[arg-type]
        tuple(  # type: ignore[arg-type]
            tuple(_cut_connections(comparison, side, keys))
            for side, keys in zip(Side, cut_keys, strict=True)
        ),
        timed,
        len(comparison.timed) > 0 and bool(comparison.timed.alone[0]),
        _counted(points),  # type: ignore[arg-type]
        _counted(kinds),  # type: ignore[arg-type]
        tuple(_slowest(comparison, report)),
        tuple(tuple(len(t.connections) for t in s) for s in (report.clients, report.backends)),  # type: ignore[arg-type]
        tuple(tuple(len(t.exchanges) for t in s) for s in (report.clients, report.backends)),  # type: ignore[arg-type]
        tuple((side, reason, count) for (side, reason), count in unpaired.items()),
    )


def _counted(rows: Column) -> tuple[tuple[int, ...], ...]:
    """The different rows, each with how often it is there."""
    if not len(rows):
        return ()
    found, count = np.unique(rows, axis=0, return_counts=True)
    return tuple((*row, n) for row, n in zip(found.tolist(), count.tolist(), strict=True))


def _cut_keys(side: Sequence[tuple[Trace, Joined | None, list[TracePart], list[int]]]) -> Any:
    for trace, how, held, _ in side:
        if how is None:
            continue
        for k, part in enumerate(held):
            mine = np.flatnonzero(how.connection_part == k)
            for row in mine[part.cut[how.connection_id[mine]]].tolist():
                yield _key(trace, row)


def _key(trace: Trace, row: int) -> tuple[object, ...]:
    """What names a connection, the same in all of its parts."""
    c = trace.connections[row]
    return trace.point, c.client, c.server, c.network, c.from_client.start_seq


def _cut_connections(
    comparison: Comparison, side: Side, keys: set[tuple[Any, ...]]
) -> list[CutConnection]:
    if not keys:
        return []
    numbers = np.array([_NO_NUMBER if key[-1] is None else key[-1] for key in keys], np.int64)
    table, once = comparison.table(side), comparison.counted(side)
    checks, check_connections = np.zeros(len(table), bool), np.zeros(len(once), bool)
    if side is Side.BACKEND:
        checks, check_connections = comparison.check_exchanges, comparison.check_connections
    asked = table.requests.there & once[table.connection]
    per_connection = _per_connection(table, asked)
    by_clients = _per_connection(table, asked & ~checks)
    out = []
    for point, trace in enumerate(table.traces):
        connections = ConnectionTable.of(trace.connections)
        for row in np.flatnonzero(among(connections.ends.start_seq[::2], numbers)).tolist():
            key = _key(trace, row)
            if key not in keys:
                continue
            number = table.first_connection[point] + row
            c = trace.connections[row]
            out.append(
                CutConnection(
                    key,
                    bool(once[number] and not check_connections[number]),
                    bool(once[number]),
                    c.from_client.packets + c.from_server.packets,
                    c.syns,
                    c.syn_retransmissions,
                    int(c.opened),
                    int(per_connection[number]),
                    int(by_clients[number]),
                )
            )
    return out


def _per_connection(table: SideTable, which: Column) -> Column:
    counted: Column = np.bincount(table.connection[which], minlength=len(table.client_address))
    return counted


def _timed(comparison: Latencies) -> dict[str, Column]:
    """The times of the pairs that are timed: in front, behind, what was added, both ways, and the
    half-width of these; and what was taken off.
    """
    from lbtrace.comparison.latency import excluded

    timed = comparison.timed
    client, backend = comparison.sides
    totals, behind = (
        t.responses.last_ns[rows] - t.requests.first_ns[rows]
        for t, rows in ((client, timed.client), (backend, timed.backend))
    )
    forward, back, width = comparison.ways
    sending, reading = excluded(comparison, timed, totals - behind)
    return {
        "client": totals,
        "backend": behind,
        "added": comparison.added,
        "forward": forward,
        "back": back,
        "width": width,
        "sending": sending,
        "reading": reading,
    }


def _slowest(comparison: Comparison, masked: Report) -> Any:
    """The timed pairs in which most was added, their requests as the masked report has them."""
    timed = comparison.timed
    if not len(timed) or not timed.alone[0]:
        return
    client, backend = comparison.sides
    for row in np.argsort(-comparison.added, kind="stable")[:SLOWEST].tolist():
        one, other = int(timed.client[row]), int(timed.backend[row])
        ref = client.ref(one)
        asked = masked.clients[ref.point].exchanges[ref.id]
        behind = backend.exchange(other)
        assert asked.request is not None
        assert asked.response is not None
        assert behind.request is not None
        yield (
            f"{asked.request.method} {asked.request.target}",
            asked.response.status,
            asked.response.last_ns - asked.request.first_ns,
            int(comparison.added[row]),
            client.trace_of(one).ref(asked.request.first_frame, asked.request.first_ns),
            backend.trace_of(other).ref(behind.request.first_frame, behind.request.first_ns),
        )


def counts_without(counts: SideCounts, cut_ones: Sequence[CutConnection]) -> SideCounts:
    """The counts of a side without what connections that slices share add to them."""
    return _changed(counts, cut_ones, -1)


def _changed(counts: SideCounts, held: Sequence[CutConnection], sign: int) -> SideCounts:
    ordinary = [c for c in held if c.ordinary]
    per = dict(counts.requests_per_connection)
    for c in held:
        if c.asked_by_clients:
            per[c.asked_by_clients] = per.get(c.asked_by_clients, 0) + sign
    return replace(
        counts,
        packets=counts.packets + sign * sum(c.packets for c in held),
        connections=counts.connections + sign * len(ordinary),
        syns=counts.syns + sign * sum(c.syns for c in ordinary),
        syn_retransmissions=counts.syn_retransmissions + sign * sum(c.again for c in ordinary),
        opened=counts.opened + sign * sum(c.opened for c in ordinary),
        already_open=counts.already_open + sign * sum(c.syns == 0 for c in ordinary),
        requests=counts.requests + sign * sum(c.asked_by_clients for c in held),
        http_connections=counts.http_connections + sign * sum(c.asked_by_clients > 0 for c in held),
        requests_per_connection=tuple(sorted((n, k) for n, k in per.items() if k)),
        check_connections=counts.check_connections
        + sign * sum(c.once and not c.ordinary for c in held),
        check_requests=counts.check_requests
        + sign * sum(c.asked - c.asked_by_clients for c in held),
    )


def counts_with(counts: SideCounts, held: Mapping[object, Sequence[CutConnection]]) -> SideCounts:
    """The counts of a side, with each connection that slices share counted once."""
    return _changed(counts, [_together(of_one) for of_one in held.values()], 1)


def _together(held: Sequence[CutConnection]) -> CutConnection:
    """One connection, of what the slices count of it. It is one of health checks only if it is so
    in all of them.
    """
    return CutConnection(
        held[0].key,
        any(c.ordinary for c in held),
        any(c.once for c in held),
        max(c.packets for c in held),
        max(c.syns for c in held),
        max(c.again for c in held),
        max(c.opened for c in held),
        sum(c.asked for c in held),
        sum(c.asked_by_clients for c in held),
    )
