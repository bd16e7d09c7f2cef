"""The one page to read first: the stages, in order, and nothing else.

    capture file ─▶ records ─▶ segments ─▶ connections + streams ─▶ opened TLS ─▶ exchanges ─┐
    capture file ─▶ …                                                                        ─┤
                              ┌───────────────────────────────────────────────────────────────┘
                              └▶ pairs ─▶ findings ─▶ verdict ─▶ Report

Each stage is a pure function of what the one before it returned. Stages never import each other;
only this page knows their order.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lbtrace import capture, decode, http, in_parts, tcp, tls
from lbtrace._version import __version__
from lbtrace.errors import InputError
from lbtrace.in_parts import ALL, CapturePart, PartRead
from lbtrace.machine_memory import let_go, trim
from lbtrace.model.net import IcmpError, Side
from lbtrace.model.pairing import Confidence, Correlation
from lbtrace.model.report import CaptureAlone, CaptureReport, Finding, Report
from lbtrace.model.trace import CaptureFile, Diagnostic, PacketCounts, Trace
from lbtrace.options import DEFAULT, UNKNOWN, Options, Progress, quiet
from lbtrace.recordings import recordings
from lbtrace.tables.columns import Column, distinct, running
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tables.packets import Recording, SegmentTable, StreamTable

if TYPE_CHECKING:
    from lbtrace.comparison import Comparison
    from lbtrace.model.behaviour import Behaviour


def inspect(
    files: Sequence[str],
    side: Side = Side.CLIENT,
    point: int = 0,
    options: Options = DEFAULT,
    progress: Progress = quiet,
) -> Trace:
    """The files of one capture point, in order → everything they show.

    Raises InputError when a file cannot be read or is no capture.
    """
    return _inspect(files, side, point, options, progress, tls.read(options.keylogs))


def inspect_shard(
    files: Sequence[str],
    frames: Column,
    side: Side,
    point: int,
    options: Options = DEFAULT,
    progress: Progress = quiet,
) -> Trace:
    """Some connections of a capture point, in files of their own → what they show. `frames`: the
    number that each frame of these files has through the files of the capture point.
    """
    part = CapturePart(frames)
    return _inspect(files, side, point, options, progress, tls.read(options.keylogs), part)


def _inspect(
    files: Sequence[str],
    side: Side,
    point: int,
    options: Options,
    progress: Progress,
    keylogs: tls.KeyLogs,
    part: CapturePart = ALL,
) -> Trace:
    """`inspect`, with the key logs as they were read for all capture points."""
    limit = in_parts.limit_for(files, options.max_memory) if part is ALL else None
    with _no_collection(), nullcontext() if limit is None else capture.columns_on_disk():
        recording = capture.read(files, progress)
        secrets = keylogs.secrets = keylogs.secrets.joined(recording.secrets)
        said, buffers = recording.diagnostics, recording.buffers

        def read(recording: Recording, part: CapturePart) -> PartRead:
            return _traced(recording, part, side, point, options, secrets, progress)

        if limit is None:
            found = read(recording, part)
        else:
            found = _in_parts(recording, limit, read, options, progress)
        said += found.of_packets + found.of_streams + found.of_http
        if not found.opened:
            said += tls.unused(found.trace.applications, secrets)
        capture.check_unchanged(found.trace.files, buffers)
    return replace(found.trace, diagnostics=said + keylogs.said())


class PointInParts(NamedTuple):
    """What is known of a capture point whose parts were handed over one by one."""

    files: tuple[CaptureFile, ...]
    diagnostics: tuple[Diagnostic, ...]
    parts: int


def inspect_in_parts(
    points: Sequence[tuple[Sequence[str], Side, int]],
    options: Options,
    keep: Callable[[int, int, Trace], None],
    progress: Progress = quiet,
) -> list[PointInParts]:
    """Capture points (files, side, number), read in as many parts as the stated limit of memory
    asks for. `keep` gets the number of the point here, that of its part, and what the part shows;
    a part that comes again takes the place of what it was. Raises InputError.
    """
    keylogs = tls.read(options.keylogs)
    with _no_collection(), capture.columns_on_disk():
        recordings = [capture.read(files, progress) for files, _, _ in points]
        for recording in recordings:
            keylogs.secrets = keylogs.secrets.joined(recording.secrets)
        secrets = keylogs.secrets
        found = []
        for number, ((_, side, point), recording) in enumerate(
            zip(points, recordings, strict=True)
        ):

            def read(
                recording: Recording, part: CapturePart, side: Side = side, point: int = point
            ) -> PartRead:
                return _traced(recording, part, side, point, options, secrets, progress)

            division = _division(recording, options.max_memory or 0, True, progress)
            if division is None:
                division = in_parts.one_part(recording)
            for k, each in in_parts.parts_read(recording, division, read, None, progress):
                said = (*each.of_packets, *each.of_streams, *each.of_http)
                keep(number, k, replace(each.trace, diagnostics=said))
                del each
                let_go()
            capture.check_unchanged(recording.files, recording.buffers)
            said = recording.diagnostics + keylogs.said()
            found.append(PointInParts(recording.files, said, len(division.packets)))
    return found


def _division(
    recording: Recording, limit: int, stated: bool, progress: Progress
) -> in_parts.Division | None:
    """The parts that a limit of memory asks for; None where it asks for none. InputError when a
    stated limit cannot be kept.
    """
    most, count = in_parts.room_for_packets(limit), len(recording.records)
    if count <= most:
        return None
    name = recording.files[0].path
    division = in_parts.divided(recording, most, progress)
    if division.whole_because:
        if stated:
            raise in_parts.needs(
                f"{name}: {division.whole_because}, so it is read at once; that",
                in_parts.limit_that_holds(count),
            )
        return None
    if stated and max(division.packets) > most:
        raise in_parts.needs(
            f"{name}: most of its packets are of a few connections; reading these",
            in_parts.limit_that_holds(max(division.packets)),
        )
    return division


def _in_parts(
    recording: Recording,
    limit: int,
    read: Callable[[Recording, CapturePart], PartRead],
    options: Options,
    progress: Progress,
) -> PartRead:
    """A capture, read in as many parts as a limit of memory asks for. InputError when a stated
    limit cannot be kept.
    """
    stated = options.max_memory is not None
    division = _division(recording, limit, stated, progress)
    if division is None:
        return read(recording, ALL)
    name = recording.files[0].path
    pauses = capture.full(len(recording.records) + 1, 0, "u4")
    found: dict[int, PartRead] = {}
    for k, each in in_parts.parts_read(recording, division, read, pauses, progress):
        found[k] = each
        kept = sum(len(f.trace.exchanges) for f in found.values()) * in_parts.KEPT_BYTES
        if stated and kept > limit - in_parts.BASE_BYTES:
            needed = in_parts.BASE_BYTES + kept * len(division.packets) // len(found)
            raise in_parts.needs(f"{name}: it has many exchanges, and keeping these", needed)
        trim()
    progress("putting parts together", UNKNOWN)
    return in_parts.together([found[k] for k in sorted(found)], division, pauses)


def _traced(
    recording: Recording,
    part: CapturePart,
    side: Side,
    point: int,
    options: Options,
    secrets: tls.Secrets,
    progress: Progress,
) -> PartRead:
    """Records → all that they show."""
    read = _read(recording, part, progress)
    trim()
    flow_ends = None if part is ALL else in_parts.flow_ends(read.connections)
    pauses = tcp.pauses(read.streams, part.pauses)
    opened = tls.opened(read.streams, secrets, progress)
    carried = http.exchanges(
        read.connections, opened.streams, options, progress, several=_shards(options.jobs)
    )
    applications, exchanges = carried.applications, carried.exchanges
    reasons = http.stated_reasons(opened.streams, applications, exchanges)
    connections, applications = http.settled(read.connections, applications)
    applications = tls.told(applications, opened, secrets)
    trace = Trace(
        side=side,
        point=point,
        files=read.files,
        packets=read.packets,
        first_ns=min((f.first_ns for f in read.files if f.first_ns is not None), default=0),
        last_ns=max((f.last_ns for f in read.files if f.last_ns is not None), default=0),
        connections=connections,
        applications=applications,
        exchanges=exchanges,
        packet_directions=read.packet_directions,
        pauses=pauses.data if part.pauses is None else (),
        reasons=reasons,
        control=carried.control,
        stalls=carried.stalls,
        icmp=read.icmp,
        calls=carried.calls,
        web_sockets=carried.web_sockets,
        event_streams=carried.event_streams,
        parts=carried.parts,
        tunnels=carried.tunnels,
    )
    return PartRead(
        trace,
        read.of_packets,
        read.of_streams,
        carried.diagnostics,
        bool(opened.connections),
        (carried.spent, carried.limited),
        int(read.streams.frame.max(initial=0)),
        flow_ends,
    )


def _shards(jobs: int) -> http.Several:
    """What reads the connections of a capture in shards, each in a process of its own."""

    def several(
        read: Callable[[int, int, Progress], http.Shard], costs: Column, progress: Progress
    ) -> Sequence[http.Shard]:
        from lbtrace import side_by_side

        sizes = running(costs)
        count = max(min(jobs, int(sizes[-1]) // max(side_by_side.WORTH, 1)), 1)
        shares = sizes[-1] * np.arange(1, count) // count
        cuts = distinct(np.append(np.searchsorted(sizes, shares), (0, len(costs)))).tolist()
        bounds = list(pairwise(cuts)) or [(0, 0)]
        return side_by_side.results(
            lambda k, progress: read(*bounds[k], progress),
            [int(sizes[high] - sizes[low]) for low, high in bounds],
            jobs,
            progress,
        )

    return several if jobs > 1 else http.one_shard


def show(
    points: Sequence[Sequence[str]], options: Options = DEFAULT, progress: Progress = quiet
) -> CaptureReport:
    """Capture points, each a list of files in order → all that each of them shows alone.

    Each is read as a capture of the client side, whichever side it was taken on. Raises InputError
    when a file cannot be read or is no capture.
    """
    with _no_collection():
        traces = _inspected(points, Side.CLIENT, options, progress, tls.read(options.keylogs))
        in_parts.check_told(traces, in_parts.TOLD_BYTES, options)
        return CaptureReport(tuple(_alone(trace, progress) for trace in traces))


def _alone(trace: Trace, progress: Progress) -> CaptureAlone:
    """A trace → what is to be told of it."""
    if not len(trace.connections):
        return CaptureAlone(trace)
    from lbtrace import findings
    from lbtrace.comparison import Comparison

    comparison = Comparison((replace(trace, point=0),), (), Correlation())
    found = findings.all_findings(comparison, progress)
    if trace.point:
        found = tuple(_at_point(finding, trace.point) for finding in found)
    return CaptureAlone(trace, found, comparison.not_captured)


def _at_point(finding: Finding, point: int) -> Finding:
    """The finding, with its frames in the capture of that number."""
    evidence = tuple(
        replace(e, frames=tuple(frame._replace(point=point) for frame in e.frames))
        for e in finding.evidence
    )
    return replace(finding, evidence=evidence)


def behaviour_of_one_side(
    points: Sequence[Sequence[str]],
    side: Side,
    options: Options = DEFAULT,
    progress: Progress = quiet,
) -> Behaviour:
    """Capture points of one side, each a list of files → what they show alone of the balancer.

    Raises InputError when a file cannot be read or is no capture.
    """
    from lbtrace import behaviour, findings
    from lbtrace.comparison import Comparison

    with _no_collection():
        traces = _points(_asked(points, side), options, progress, tls.read(options.keylogs))
        nothing: tuple[Trace, ...] = ()
        clients, backends = (traces, nothing) if side is Side.CLIENT else (nothing, traces)
        comparison = Comparison(clients, backends, _checks_alone(clients, backends, options))
        return behaviour.behaviour_of_one_side(
            comparison, findings.all_findings(comparison, progress)
        )


def _checks_alone(
    clients: tuple[Trace, ...], backends: tuple[Trace, ...], options: Options
) -> Correlation:
    """A Correlation of one side that knows its health checks: those that name themselves, and
    connections without a byte. An even pace alone may be a client's.
    """
    from lbtrace import correlate
    from lbtrace.http_fields.agents import is_health_checker

    if not backends:
        return Correlation()
    found = correlate.correlate(clients, backends, options).health_checks
    named = tuple(c for c in found if not c.method or is_health_checker(c.user_agent))
    return Correlation(health_checks=named)


class _Read(NamedTuple):
    """A capture point, or a part of it, read as far as its streams."""

    files: tuple[CaptureFile, ...]
    packets: PacketCounts
    packet_directions: bytes
    of_packets: tuple[Diagnostic, ...]
    of_streams: tuple[Diagnostic, ...]
    connections: ConnectionTable
    streams: StreamTable
    icmp: tuple[IcmpError, ...]


def _read(recording: Recording, part: CapturePart, progress: Progress) -> _Read:
    """Records → connections and streams.

    Each of the large tables goes as soon as the next one is made: records, segments and exchanges
    are never there at the same time.
    """
    decoded = decode.segments(recording, progress, part.copies, part.doubled)
    if part.frames is not None:
        decoded = _renumbered(decoded, part.frames)
    segments = tcp.in_time_order(decoded)
    packet_directions = decode.packet_directions(recording) if part.frames is None else b""
    del recording.records
    progress("following connections", UNKNOWN)
    connections, streams = tcp.connections(segments, others=part.others)
    return _Read(
        recording.files,
        segments.counts,
        packet_directions,
        segments.diagnostics,
        streams.diagnostics,
        connections,
        streams,
        segments.icmp,
    )


def _renumbered(segments: SegmentTable, frames: Column) -> SegmentTable:
    """The segments, with these numbers for their frames."""
    return segments.with_columns(
        frame=frames[segments.frame - 1].astype(np.uint32),
        icmp=tuple(e._replace(frame=int(frames[e.frame - 1])) for e in segments.icmp),
        diagnostics=tuple(
            replace(d, frame=d.frame and int(frames[d.frame - 1])) for d in segments.diagnostics
        ),
    )


def compare(
    clients: Sequence[Sequence[str]],
    backends: Sequence[Sequence[str]],
    options: Options = DEFAULT,
    progress: Progress = quiet,
) -> Report:
    """Capture points of the client side and of the backend side, each a list of files → the Report.

    Raises InputError when a file cannot be read or is no capture.
    """
    from lbtrace.correlate import apart

    keylogs = tls.read(options.keylogs)
    with _no_collection():
        front, behind = _sides(clients, backends, options, progress, keylogs)
        again = all(os.path.isfile(path) for files in clients for path in files)
        if again and any(tls.opens_more(t.applications, keylogs.secrets) for t in front):
            # the secrets are in a capture that was read later
            front = _inspected(clients, Side.CLIENT, options, progress, keylogs)
        in_parts.check_told((*front, *behind), in_parts.COMPARED_BYTES, options)
        trim()
        return _report(*apart(front, behind), options, progress)


def _sides(
    clients: Sequence[Sequence[str]],
    backends: Sequence[Sequence[str]],
    options: Options,
    progress: Progress,
    keylogs: tls.KeyLogs,
) -> tuple[tuple[Trace, ...], tuple[Trace, ...]]:
    """The capture points of both sides."""
    asked = _asked(clients, Side.CLIENT) + _asked(backends, Side.BACKEND)
    traces = _points(asked, options, progress, keylogs)
    front, behind = traces[: len(clients)], traces[len(clients) :]
    return (
        _recordings(clients, front, Side.CLIENT, options, progress, keylogs),
        _recordings(backends, behind, Side.BACKEND, options, progress, keylogs),
    )


def _inspected(
    points: Sequence[Sequence[str]],
    side: Side,
    options: Options,
    progress: Progress,
    keylogs: tls.KeyLogs,
) -> tuple[Trace, ...]:
    """The capture points of a side."""
    traces = _points(_asked(points, side), options, progress, keylogs)
    return _recordings(points, traces, side, options, progress, keylogs)


def _recordings(
    points: Sequence[Sequence[str]],
    traces: tuple[Trace, ...],
    side: Side,
    options: Options,
    progress: Progress,
    keylogs: tls.KeyLogs,
) -> tuple[Trace, ...]:
    """The capture points of a side. Points that turn out to be one recording, because they hold the
    same packets, are read again as one.
    """
    found = recordings(points, traces, progress)
    if len(found) == len(points):
        return traces
    return _points(_asked(found, side), options, progress, keylogs)


_Asked = list[tuple[Sequence[str], Side, int]]


def _asked(points: Sequence[Sequence[str]], side: Side) -> _Asked:
    """The capture points of a side, as `inspect` asks for them."""
    return [(files, side, i) for i, files in enumerate(points)]


def _points(
    asked: _Asked, options: Options, progress: Progress, keylogs: tls.KeyLogs
) -> tuple[Trace, ...]:
    """Capture points, one by one; side by side if `jobs` allows it, unless one needs secrets that
    another one, or a key log, has.
    """
    if options.jobs > 1 and len(asked) > 1 and not options.keylogs:
        read = _side_by_side(asked, options, progress)
        if read is not None:
            return read
    return tuple(_inspect(files, side, i, options, progress, keylogs) for files, side, i in asked)


def _side_by_side(asked: _Asked, options: Options, progress: Progress) -> tuple[Trace, ...] | None:
    """Capture points, read by several processes; None if they have secrets, or cannot be read
    twice.
    """
    from lbtrace import side_by_side

    every = [path for files, _, _ in asked for path in files]
    if not all(map(os.path.isfile, every)):
        return None
    jobs = options.jobs
    options = replace(options, jobs=max(jobs // len(asked), 1))  # for the shards of each

    def read(k: int, progress: Progress) -> tuple[Trace, bool]:
        keylogs = tls.read(())
        trace = _inspect(*asked[k], options, progress, keylogs)
        return trace, bool(keylogs.secrets)

    sizes = [sum(map(os.path.getsize, files)) for files, _, _ in asked]
    found = side_by_side.results(read, sizes, jobs, progress)
    if any(secrets for _, secrets in found):
        return None
    return tuple(trace for trace, _ in found)


def compare_on_balancer(
    files: Sequence[str],
    addresses: Sequence[str] = (),
    options: Options = DEFAULT,
    progress: Progress = quiet,
    ports: Sequence[int] = (),
) -> Report:
    """One capture taken on the balancer itself, with both sides on one clock → the Report.

    `addresses` are the balancer's own, `ports` those that it takes connections on; without them,
    lbtrace looks for what tells the sides apart. Raises InputError when
    a file cannot be read, is no capture, or does not show two sides.
    """
    from lbtrace import correlate

    with _no_collection():
        parts = correlate.split(inspect(files, Side.CLIENT, 0, options, progress), addresses, ports)
        if parts is None:
            raise InputError(
                "sides-not-told-apart",
                f"{files[0]}: nothing in it tells the two sides of a balancer apart.",
                "Capture with `tcpdump -i any` on it, name all of its own addresses with "
                "--lb-address or the ports it takes connections on with --lb-port, or give two "
                "captures.",
            )
        if options.clock_offset_ns is None:
            options = replace(options, clock_offset_ns=0)
        return _report((parts[0],), (parts[1],), options, progress)


def compare_traces(
    clients: Sequence[Trace],
    backends: Sequence[Trace],
    options: Options = DEFAULT,
    progress: Progress = quiet,
) -> tuple[Report, Comparison]:
    """The traces of both sides → the Report, and the Comparison that it was made from."""
    from lbtrace.correlate import apart

    with _no_collection():
        return _judged(*apart(tuple(clients), tuple(backends)), options, progress)


def _report(
    clients: tuple[Trace, ...], backends: tuple[Trace, ...], options: Options, progress: Progress
) -> Report:
    report, comparison = _judged(clients, backends, options, progress)
    comparison.let_go()
    trim()
    return report


def _judged(
    clients: tuple[Trace, ...], backends: tuple[Trace, ...], options: Options, progress: Progress
) -> tuple[Report, Comparison]:
    from lbtrace import behaviour, findings, verdict  # a tenth of a second `inspect` does not need

    comparison = _compared(clients, backends, options, progress)
    comparison = _questioned(_right_way_round(comparison, options, progress), options)
    found = findings.all_findings(comparison, progress)
    progress("judging the balancer", UNKNOWN)
    judged = verdict.judge(comparison)
    report = Report(
        version=__version__,
        clients=tuple(comparison.clients),
        backends=tuple(comparison.backends),
        correlation=comparison.correlation,
        client_counts=comparison.client_counts,
        backend_counts=comparison.backend_counts,
        latency=comparison.latency,
        findings=found,
        verdict=judged,
        summary=comparison.summary,
        behaviour=behaviour.behaviour(comparison, found, judged),
    )
    return report, comparison


def _compared(
    clients: tuple[Trace, ...], backends: tuple[Trace, ...], options: Options, progress: Progress
) -> Comparison:
    """Two sides → what belongs together."""
    from lbtrace import correlate
    from lbtrace.comparison import Comparison
    from lbtrace.tables.sides import both_sides

    progress("pairing", UNKNOWN)
    tables = both_sides(clients, backends)
    correlation = correlate.correlate(clients, backends, options, tables, progress)
    return Comparison(clients, backends, correlation, tables)


def _right_way_round(given: Comparison, options: Options, progress: Progress) -> Comparison:
    """Captures that look swapped → the same with the sides exchanged, if that explains at least as
    much.

    Otherwise every statement about them would be reversed. `Correlation.swapped` stays set, so that
    the page can say what was done.
    """
    if not given.correlation.swapped:
        return given
    clients = tuple(replace(trace, side=Side.CLIENT) for trace in given.backends)
    backends = tuple(replace(trace, side=Side.BACKEND) for trace in given.clients)
    if options.clock_offset_ns is not None:
        options = replace(options, clock_offset_ns=-options.clock_offset_ns)
    turned = _compared(clients, backends, options, progress)
    before, after = given.correlation, turned.correlation
    if after.swapped or len(after.pairs) < len(before.pairs) or _known(after) < _known(before):
        turned.let_go()
        return given.with_correlation(replace(before, swapped=False, order_shown=False))
    given.let_go()
    return turned.with_correlation(replace(after, swapped=True))


def _questioned(given: Comparison, options: Options) -> Comparison:
    """The same with another clock offset named, where the stated one fits (nearly) no pair."""
    if options.clock_offset_ns is None or not given.clients or not given.backends:
        return given
    from lbtrace import correlate
    from lbtrace.comparison.stated_clock import other_offset

    stated_ns = options.clock_offset_ns
    if given.correlation.swapped:
        stated_ns = -stated_ns
    plain = replace(options, clock_offset_ns=None)
    other = other_offset(
        given,
        stated_ns,
        lambda: correlate.correlate(given.clients, given.backends, plain, given.tables),
    )
    if other is None:
        return given
    return given.with_correlation(replace(given.correlation, other_offset=other))


def _known(correlation: Correlation) -> tuple[int, int]:
    """How many clocks are known, and how many pairs are not of LOW confidence."""
    return sum(not clock.refused for clock in correlation.clocks), sum(
        pair.confidence is not Confidence.LOW for pair in correlation.pairs
    )


@contextmanager
def _no_collection() -> Iterator[None]:
    """Nothing made here is cyclic, and a full collection walks every exchange made so far: it would
    make the cost quadratic.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
