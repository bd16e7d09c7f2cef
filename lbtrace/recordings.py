"""Capture points of a side that hold the same packets → one point.

A file that is given twice, a copy of it under another name, and files of one recording that overlap
show each packet more than once. As points of their own they would be several machines, and each
request would seem to be sent again. Points that show the same connections at the same time are read
a second time, packet by packet; no others are.
"""

from __future__ import annotations

from collections.abc import Sequence

from lbtrace import capture, decode
from lbtrace.model.trace import Trace
from lbtrace.options import Progress
from lbtrace.tables.columns import distinct
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tables.packets import SegmentTable


def recordings(
    points: Sequence[Sequence[str]], traces: Sequence[Trace], progress: Progress
) -> list[list[str]]:
    """The files of each recording. `traces`: what each point shows. Standard input cannot be read
    again.
    """
    found: list[tuple[list[str], Trace]] = []
    for files, trace in zip(points, traces, strict=True):
        for known, first in found:
            if "-" not in (*files, *known) and _same(first, trace, progress):
                known += files
                break
        else:
            found.append((list(files), trace))
    return [files for files, _ in found]


def _same(one: Trace, other: Trace, progress: Progress) -> bool:
    if min(one.last_ns, other.last_ns) < max(one.first_ns, other.first_ns):
        return False
    if not _share_connections(*(ConnectionTable.of(t.connections) for t in (one, other))):
        return False
    resolution_ns = max(f.resolution_ns for trace in (one, other) for f in trace.files)
    return decode.same_recording(
        _segments(one, progress), _segments(other, progress), resolution_ns
    )


def _segments(trace: Trace, progress: Progress) -> SegmentTable:
    return decode.segments(capture.read([f.path for f in trace.files], progress), progress)


def _share_connections(one: ConnectionTable, other: ConnectionTable) -> bool:
    """Whether any two connections have the same ends."""
    servers = [{t.addresses[i] for i in distinct(t.server).tolist()} for t in (one, other)]
    if servers[0].isdisjoint(servers[1]):  # as those of two backends are
        return False
    return not _ends(one).isdisjoint(_ends(other))


def _ends(table: ConnectionTable) -> set[tuple[str, int, str, int]]:
    named = table.addresses.__getitem__
    columns = (
        map(named, table.client.tolist()),
        table.client_port.tolist(),
        map(named, table.server.tolist()),
        table.server_port.tolist(),
    )
    return set(zip(*columns, strict=True))
