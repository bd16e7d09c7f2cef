"""The files of one capture point → all that they show.

    capture file ─▶ records ─▶ segments ─▶ connections + streams ─▶ opened TLS ─▶ exchanges

`_traced` is this line as code. A capture that is larger than the memory it may take is read in
parts: some of the connections at a time, each with all of its packets. The parts together give what
one reading gives.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lbtrace import capture, decode, http, in_parts, tcp, tls
from lbtrace.in_parts import ALL, CapturePart, PartRead
from lbtrace.machine_memory import let_go, trim
from lbtrace.model.net import IcmpError, Side
from lbtrace.model.trace import CaptureFile, Diagnostic, PacketCounts, Trace
from lbtrace.options import DEFAULT, UNKNOWN, Options, Progress, quiet
from lbtrace.tables.columns import Column, distinct, running
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tables.packets import Recording, SegmentTable, StreamTable


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
    return inspect_with(files, side, point, options, progress, tls.read(options.keylogs))


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
    return inspect_with(files, side, point, options, progress, tls.read(options.keylogs), part)


def inspect_with(
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
    with no_collection(), nullcontext() if limit is None else capture.columns_on_disk():
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
    with no_collection(), capture.columns_on_disk():
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
            said = recording.diagnostics + division.clock + keylogs.said()
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
    segments = tcp.in_time_order(decoded, part.clock)
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


@contextmanager
def no_collection() -> Iterator[None]:
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
