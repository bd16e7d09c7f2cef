"""Limit of HTTP/2 streams reached.

Meaning:
    A server says how many streams may be open at once on a connection
    (SETTINGS_MAX_CONCURRENT_STREAMS). A client that has reached the limit holds further requests
    back, or opens another connection; if it sends them nevertheless, they are refused. Time that
    requests wait in the client, or in the balancer, is in no capture.
Decided by:
    The largest value of the setting that the server end sent, and the most requests of the client
    end that were open at once on the connection: from their first byte until the answer is whole or
    the stream is reset. No byte of the connection may be missing. That others waited shows where as
    many were open as are allowed, one ended, and requests follow within ten milliseconds.
Evidence:
    The SETTINGS frames, and the requests that reached the limit.
Remedy:
    Raise the limit (nginx: `http2_max_concurrent_streams`; HAProxy:
    `tune.h2.fe.max-concurrent-streams`; Envoy: `max_concurrent_streams`; Apache httpd:
    `H2MaxSessionStreams`), or let the client open more connections.
Variants:
    client, backend: on that side.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends, named, told, variant
from lbtrace.findings._streams import Steered, answered, steered
from lbtrace.model.http2 import ControlKind, Setting
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import LATER

KIND = FindingKind.of(__name__, __doc__)
ONE_CAPTURE = True
FOLLOWS_NS = 10_000_000
WAITED = 3  # so many requests that follow at once are no accident
REMEDY = (
    "Raise the limit (nginx: http2_max_concurrent_streams; HAProxy: "
    "tune.h2.fe.max-concurrent-streams; Envoy: max_concurrent_streams; Apache httpd: "
    "H2MaxSessionStreams), or let the client open more connections."
)


class _Reached(NamedTuple):
    """A connection that reached its limit. `row`: the exchange that did; `waited`: how many
    followed at once.
    """

    said: Steered
    limit: int
    row: int
    waited: int


def find(comparison: Comparison) -> Iterator[Finding]:
    """At most one finding a side."""
    for side in comparison.captured:
        limits: dict[int, Steered] = {}
        stated = Setting.MAX_CONCURRENT_STREAMS
        for each in steered(comparison, side, ControlKind.SETTINGS, stated):
            if not each.frame.from_client:
                known = limits.get(each.number)
                if known is None or (known.frame.value or 0) < (each.frame.value or 0):
                    limits[each.number] = each
        if limits:
            end = _ends_of_streams(comparison, side)
            whole = comparison.table(side).whole_connections
            those = [said for said in limits.values() if whole[said.number]]
            reached = [r for said in those if (r := _reached(comparison, side, said, end))]
            if reached:
                yield _told(comparison, side, reached, len(those))


def _ends_of_streams(comparison: Comparison, side: Side) -> Column:
    """Per exchange, when its stream was closed; LATER where that is not known."""
    table = comparison.table(side)
    every = np.arange(len(table))
    last = np.maximum(table.requests.last_ns, table.responses.last_ns)
    end: Column = np.where(answered(table, every) & table.requests.complete, last, LATER)
    for each in steered(comparison, side, ControlKind.RST_STREAM):
        if each.row >= 0:
            end[each.row] = min(int(end[each.row]), each.frame.time_ns)
    return end


def _reached(comparison: Comparison, side: Side, said: Steered, end: Column) -> _Reached | None:
    """Where a connection reached its limit, None where it did not."""
    table, limit = comparison.table(side), said.frame.value or 0
    rows = np.array(table.by_connection[said.number], np.int64)
    rows = rows[(table.stream[rows] % 2 == 1) & table.requests.there[rows]]
    if not 0 < limit <= len(rows):
        return None
    begin = table.requests.first_ns[rows]
    order = np.argsort(begin, kind="stable")
    begin, ends_ = begin[order], np.sort(end[rows])
    # a stream that ends as another begins is closed first
    open_ = np.arange(1, len(rows) + 1) - np.searchsorted(ends_, begin, "right")
    full = open_ >= limit
    if not full.any():
        return None
    waited = _waited(begin, ends_, full)
    return _Reached(said, limit, int(rows[order[full.argmax()]]), waited)


def _waited(begin: Column, ends_: Column, full: Column) -> int:
    """How many requests came soon after a stream ended where the limit was reached: `full` says
    behind which requests it was. Each goes by the last of these before it.
    """
    last = np.maximum.accumulate(np.where(full, np.arange(len(full)), -1))[:-1]
    next_begin = begin[1:]
    freed = np.append(ends_, LATER)[np.searchsorted(ends_, begin[last], "right")]
    soon = (last >= 0) & (freed <= next_begin) & (next_begin - FOLLOWS_NS <= freed)
    return int(soon.sum())


def _told(comparison: Comparison, side: Side, reached: list[_Reached], of: int) -> Finding:
    client, server = ends(comparison, side)
    waited = sum(each.waited for each in reached)
    held = waited >= WAITED
    limits = sorted({each.limit for each in reached})
    return KIND.finding(
        variant(comparison, "", side),
        Severity.LOW if held else Severity.INFO,
        Confidence.HIGH,
        told(
            comparison,
            "The {client} had as many streams open at once as the {server} allows ({limit}) on "
            "{count} of {of} HTTP/2 connections on the {side} side",
        )
        + (
            ". Requests waited for room: {waited} came within ten milliseconds after another "
            "stream ended."
            if held
            else "."
        ),
        _frames(comparison, side, reached),
        note="the limit, and the request that reached it",
        remedy=REMEDY if held else "",
        client=client,
        server=server,
        limit=", ".join(map(str, limits)),
        count=len(reached),
        of=of,
        side=named(comparison, side),
        waited=waited if held else None,
    ).about(comparison.asked(side, np.array([each.row for each in reached], np.int64)))


def _frames(comparison: Comparison, side: Side, reached: list[_Reached]) -> Iterator[FrameRef]:
    table = comparison.table(side)
    for each in reached[: FRAMES_PER_SIDE // 2]:
        yield each.said.ref
        yield comparison.request_frame(side, table.ref(each.row))
