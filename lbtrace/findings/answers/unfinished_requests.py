"""Requests that were not finished.

Meaning:
    The end that asks sent a part of a request and then nothing more, or so slowly that the other
    end waited no longer. What comes of it (408, 504, a closed connection) is no fault of the
    backend: it was never asked in full.
Decided by:
    A request whose head or body has no end, of a connection of which no byte is missing. The other
    end answered 408 (RFC 9110 §15.5.9); or after a second of silence or more it answered an error,
    or ended the connection first; or it ended the connection first a second or more after the first
    byte of a head that never ended: a head is sent at once. A client that waits for 100 (Continue)
    is left out.
Evidence:
    The request, and the answer or the end of the connection.
Remedy:
    Look at what the client does: a Content-Length that is too large, a connection that broke off,
    slow requests on purpose. Slow clients need longer limits: `client_header_timeout` and
    `client_body_timeout` (nginx), `timeout http-request` and `timeout client` (HAProxy),
    `RequestReadTimeout` (Apache httpd).
Variants:
    client, backend: on that side.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.claims import differ, ns, size
from lbtrace.comparison.sides import NO_EXCHANGE
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._message_sizes import declared_sizes
from lbtrace.findings._names import counted
from lbtrace.findings._side import ends, named, variant
from lbtrace.http_fields import EXPECT
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import MIN_SERVER_ERROR, REQUEST_TIMEOUT, Mark
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import MARKS

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.FRAMING, FramePart.END, FramePart.TIME)
ONE_CAPTURE = True
OF_DURATIONS = True
EXAMPLES = 2
SILENT_NS = 1_000_000_000  # who pauses for less may go on sending
REMEDY = (
    "Look at what the {sender} does: a Content-Length that is too large, a connection that broke "
    "off, slow requests on purpose. Slow ones need longer limits: client_header_timeout, "
    "client_body_timeout (nginx), timeout http-request, timeout client (HAProxy), requestTimeout "
    "(Node.js)."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a side. What a balancer passed on as it came is told of its client."""
    known = np.zeros(0, np.int64)
    for side in comparison.captured:
        rows = np.flatnonzero(_unfinished(comparison.table(side)))
        if side is Side.BACKEND and not comparison.alone:
            causes = comparison.possible_causes[rows]
            rows = rows[(causes == NO_EXCHANGE) | ~np.isin(causes, known)]
        of_backend = _said_by_backend(comparison, side, rows)
        for some, behind in ((rows[~of_backend], False), (rows[of_backend], True)):
            if len(some):
                yield _finding(comparison, side, some, behind)
        known = np.flatnonzero(_broken_off(comparison.table(side)))


def _said_by_backend(comparison: Comparison, side: Side, rows: Column) -> Column:
    """Which of these client exchanges got their answer from a backend, through the balancer."""
    if side is Side.BACKEND or comparison.alone:
        return np.zeros(len(rows), bool)
    (client, backend), m = comparison.sides, comparison.pairs
    same = client.responses.start[m.client] == backend.responses.start[m.backend]
    same &= m.answered & client.responses.there[m.client]
    return np.isin(rows, m.client[same])


def _broken_off(table: SideTable) -> Column:
    """Per exchange, whether its request has no end, though nothing that was sent is missing."""
    q = table.requests
    missing, truncated = (table.of_ends(n, server=False) for n in ("missing", "truncated"))
    lost = (table.marks | q.marks) & (MARKS[Mark.LOST] | MARKS[Mark.RESYNCED])
    broken: Column = q.there & ~q.complete & (lost == 0)
    broken &= ((missing == 0) & (truncated == 0))[table.connection]
    return broken & ~q.having(table.words, EXPECT)


def _unfinished(table: SideTable) -> Column:
    """Those that the other end waited for no longer."""
    q, r = table.requests, table.responses
    ended, left = (table.ended_ns(server)[table.connection] for server in (True, False))
    until = np.where(r.there, r.first_ns, np.where(ended < left, ended, q.last_ns))
    silent = until - q.last_ns >= SILENT_NS
    late = r.there & (r.start == REQUEST_TIMEOUT)
    error = ~r.there | (r.start >= MIN_SERVER_ERROR) | late
    # piece by piece: what came after the other end's FIN may have been on its way
    dribbled = ~q.whole_heads & ~r.there & (ended < left) & (ended - q.first_ns >= SILENT_NS)
    unfinished: Column = _broken_off(table) & (late | (silent & error) | dribbled)
    return unfinished


def _finding(comparison: Comparison, side: Side, rows: Column, behind: bool) -> Finding:
    """`behind`: the backend answered, and the balancer passed that on."""
    table, (sender, server) = comparison.table(side), ends(comparison, side)
    server = "backend" if behind else server
    q, r = table.requests, table.responses
    answered = r.there[rows]
    statuses = [f"answered {status}" for status in r.start[rows[answered]].tolist()]
    closed = ["ended the connection"] * int((~answered).sum())
    ended = table.ended_ns(server=True)[table.connection]
    until = np.where(r.there, r.first_ns, ended)[rows]
    waited = until - q.first_ns[rows]
    shortest, longest = int(waited.min()), int(waited.max())
    both = differ(shortest, longest)
    bodies = rows[declared_sizes(q, table.words)[rows] > 0]
    return KIND.finding(
        variant(comparison, "", side),
        Severity.MEDIUM if (r.start[rows] >= MIN_SERVER_ERROR).any() else Severity.LOW,
        Confidence.HIGH,
        "{count} of {of} requests {count:was|were} not sent to their end"
        + (", for example only {got} of {declared}" if len(bodies) else "")
        + ". The {server} waited for the {sender} no longer, {shortest}"
        + (" to {longest}" if both else "")
        + " after the first byte: it {did}.",
        _frames(comparison, side, rows),
        note="the request, and the answer or the end of its connection",
        remedy=REMEDY.format(sender=sender),
        count=len(rows),
        of=comparison.counts(side).requests,
        sender=sender,
        server=server,
        got=size(int(q.length[bodies[0]])) if len(bodies) else None,
        declared=size(int(declared_sizes(q, table.words)[bodies[0]])) if len(bodies) else None,
        shortest=ns(shortest),
        longest=ns(longest) if both else None,
        did=counted(statuses + closed),
        side=named(comparison, side),
    ).about(comparison.asked(side, rows))


def _frames(comparison: Comparison, side: Side, rows: Column) -> Iterator[FrameRef]:
    table = comparison.table(side)
    for row in rows[:EXAMPLES].tolist():
        ref = table.ref(row)
        yield comparison.request_frame(side, ref)
        if table.responses.there[row]:
            yield comparison.response_frame(side, ref)
        else:
            yield comparison.closing_frame(side, int(table.connection[row]), server=True)
