"""What the two ends of a connection say first, and what is said of it in a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.findings._names import counted
from lbtrace.model.http import Application, Exchange, Protocol
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import NEVER, NO_FRAME

SPOKEN = {Protocol.HTTP1: "plain HTTP", Protocol.HTTP2: "HTTP/2", Protocol.TLS: "TLS"}
LISTED = 5
AT_ONCE_NS = 1_000_000_000  # a server that read a request and failed on it may be as quick


class Opening(NamedTuple):
    """A connection: its number on its side, where it is, and what it carried."""

    number: int
    trace: Trace
    id: int
    application: Application


def openings(comparison: Comparison, side: Side) -> Iterator[Opening]:
    """The connections of a side of which something odd is known: PROXY headers, alerts, or ends
    that speak different protocols.
    """
    table = comparison.table(side)
    for trace, first in zip(comparison.traces(side), table.first_connection, strict=True):
        for i, application in enumerate(trace.applications):
            if application.proxy or application.alerts or application.mismatch:
                yield Opening(first + i, trace, i, application)


def handshakes(comparison: Comparison, side: Side) -> Counter[int]:
    """How many TLS handshakes began with each server (its number)."""
    spoken = (a for trace in comparison.traces(side) for a in trace.applications)
    in_tls = np.array([application.tls is not None for application in spoken], bool)
    return Counter(comparison.table(side).servers[in_tls].tolist())


def first_words(comparison: Comparison, side: Side, number: int) -> FrameRef:
    """The frame in which a client says its first bytes; of a silent one, the first frame."""
    table = comparison.table(side)
    ref = table.connection_ref(number)
    trace = comparison.traces(side)[ref.point]
    ends, row = table.connections[ref.point].ends, 2 * ref.id
    if ends.first_payload_frame[row] == NO_FRAME:
        return comparison.connection_frame(side, ref)
    return trace.ref(int(ends.first_payload_frame[row]), int(ends.first_payload_ns[row]))


def exchanges_of(comparison: Comparison, side: Side, number: int) -> Iterator[Exchange]:
    """The exchanges of a connection, in order."""
    table = comparison.table(side)
    for row in table.by_connection[number]:
        yield table.exchange(row)


def answer(opening: Opening, exchanges: Iterable[Exchange]) -> str:
    """What the server said first: an alert, or a status with the reason that its page states."""
    alerts = [a for a in opening.application.alerts if not a.from_client]
    if alerts:
        return f"alert {alerts[0].name} ({alerts[0].description})"
    first = next((e.response for e in exchanges if e.response is not None), None)
    if first is None:
        return ""
    reason = opening.trace.reason_of(first)
    if reason.startswith(str(first.status)):
        return f'"{reason}"'
    return f'{first.status} "{reason}"' if reason else str(first.status)


def listed(names: Iterable[str]) -> str:
    """Names with their counts, the most frequent first."""
    return counted(filter(None, names), LISTED)


def shown(frames: Iterable[tuple[FrameRef, ...]]) -> list[FrameRef]:
    """The frames of the first few connections, as many as evidence holds."""
    found: list[FrameRef] = []
    for some in frames:
        if found and len(found) + len(some) > FRAMES_PER_SIDE:
            break
        found += some
    return found


def closed_unanswered(comparison: Comparison, side: Side) -> Column:
    """Per connection whether the client spoke, and the server ended it at once and sent nothing."""
    table = comparison.table(side)
    spoke_ns = table.of_ends("first_payload_ns", server=False)
    nothing = (table.of_ends("bytes", server=True) == 0) & (
        table.of_ends("missing", server=True) == 0
    )
    left, ended = (table.ended_ns(server) for server in (False, True))
    closed: Column = (
        nothing
        & (table.of_connections("synacks") > 0)
        & (spoke_ns != NEVER)
        & (ended < left)
        & ~table.may_have_closed_before(server=False)
        & (ended >= spoke_ns)
        & (ended - spoke_ns < AT_ONCE_NS)
    )
    return closed


def silent_servers(comparison: Comparison, side: Side) -> Column:
    """Per connection whether its server ended every connection that `closed_unanswered` could show,
    and this one.
    """
    table = comparison.table(side)
    spoke = table.of_ends("first_payload_ns", server=False) != NEVER
    closed = closed_unanswered(comparison, side) & (table.proxied == 0)
    known = closed | (spoke & (table.of_ends("bytes", server=True) > 0))
    servers, which = np.unique(table.servers, return_inverse=True)
    ended, answered = (np.bincount(which[rows], minlength=len(servers)) for rows in (closed, known))
    silent: Column = closed & (ended == answered)[which]
    return silent
