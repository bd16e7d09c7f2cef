"""Rows of a report → the frames of whole connections of both sides that carry them.

A connection is all TCP segments between its two ends, from its first frame to its last; one that
the capture holds twice is there once. What is about it and not of it (ICMP, the first fragments of
a datagram that came in fragments) is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from lbtrace import decode
from lbtrace.errors import OptionError
from lbtrace.ladder import refs_of
from lbtrace.listing import ListedExchanges, Row
from lbtrace.model.net import Endpoint, Side
from lbtrace.model.report import Report
from lbtrace.model.stream import Connection
from lbtrace.options import Progress
from lbtrace.tables.columns import Column, distinct
from lbtrace.tables.packets import SegmentTable
from lbtrace.wireshark.points import CaptureSource, Sources

Connections = Mapping[tuple[Side, int], frozenset[int]]  # by capture point: their ids


def rows_of_problem(report: Report, name: str) -> list[Row]:
    """The rows that a problem names. OptionError when there is no such problem."""
    found = next((p for p in report.problems if p.id == name.upper()), None)
    if found is None:
        known = ", ".join(p.id for p in report.problems) or "none"
        raise OptionError(
            "unknown-problem", f"--problem {name}: there is no such problem.", f"Problems: {known}."
        )
    listed = ListedExchanges(report)
    return [listed.row(i) for i in listed.rows_of(found.frames)]


def connections(report: Report, rows: Iterable[Row]) -> dict[tuple[Side, int], frozenset[int]]:
    """The connections that carry the exchanges of these rows."""
    found: dict[tuple[Side, int], set[int]] = {}
    for row in rows:
        front, tried = refs_of(report, row)
        ends = [(Side.CLIENT, front)] if front is not None else []
        for side, ref in (*ends, *((Side.BACKEND, ref) for ref, _ in tried)):
            exchange = report.trace(side, ref.point).exchanges[ref.id]
            found.setdefault((side, ref.point), set()).add(exchange.connection)
    return {place: frozenset(ids) for place, ids in found.items()}


def frames(
    sources: Sources, source: CaptureSource, wanted: Connections, progress: Progress
) -> Column:
    """The frames of these connections in a source, in order."""
    held: list[Connection] = []
    for trace in source.traces:
        ids = sorted(wanted.get((trace.side, trace.point), ()))
        held += [trace.connections[i] for i in ids]
    if not held:
        return np.zeros(0, np.int64)
    segments = decode.segments(source.read(progress), progress)
    return distinct(_frames(segments, held))


def _frames(segments: SegmentTable, held: Iterable[Connection]) -> Column:
    flows = _flows(segments)
    key = segments.flow.astype(np.int64) << 32 | segments.frame
    key.sort()
    found = [np.zeros(0, np.int64)]
    for c in held:
        for flow in flows.get((c.network, *_ends(c.client, c.server)), ()):
            low, high = np.searchsorted(
                key, (flow << 32 | c.first_frame, (flow << 32 | c.last_frame) + 1)
            )
            found.append(key[low:high] & 0xFFFFFFFF)
    return np.concatenate(found)


def _flows(segments: SegmentTable) -> dict[tuple[str, Endpoint, Endpoint], list[int]]:
    """The numbers of flows, by network and ends."""
    found: dict[tuple[str, Endpoint, Endpoint], list[int]] = {}
    networks = segments.flow_network.tolist()
    for number, (low, high) in enumerate(segments.flows):
        network = segments.networks[networks[number]] if networks else ""
        found.setdefault((network, *_ends(low, high)), []).append(number)
    return found


def _ends(one: Endpoint, other: Endpoint) -> tuple[Endpoint, Endpoint]:
    return (one, other) if one < other else (other, one)
