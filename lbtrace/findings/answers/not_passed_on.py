"""Ended by the balancer.

Meaning:
    The balancer ended connections of clients under their requests, without an answer and without
    asking a backend: a limit of connections or rates, an access rule, a restart.
Decided by:
    Whole requests of HTTP/1 without a response, whose connection the balancer's end closed or reset
    first. No backend exchange belongs to them, and no captured backend got a connection or a
    request in that time that nothing else explains. Not where packets are passed on: there a
    backend ends the connection.
Evidence:
    The requests, and the FIN or RST.
Remedy:
    Look at the balancer's log, and at its limits: `tcp-request connection reject` and rate tables
    (HAProxy), `limit_conn`, `return 444` (nginx), a full table of connections, a restart.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.claims import differ, ns
from lbtrace.findings._first_words import silent_servers
from lbtrace.findings._kind import FindingKind
from lbtrace.findings.answers.answered_by_balancer import MAX_LOOKED_AT, unexplained_near
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import Mark
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, Ref, UnpairedReason
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, among
from lbtrace.tables.connections import LATER
from lbtrace.tables.exchanges import NO_STREAM
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import MARKS

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.END, FramePart.START_LINE)
OF_DURATIONS = True
EXAMPLES = 2
REMEDY = (
    "Look at the balancer's log of that moment, and at its limits of connections and rates "
    "(HAProxy: tcp-request connection reject; nginx: limit_conn, return 444), and whether it "
    "restarted."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """At most one finding."""
    if comparison.passes_packets:
        return
    client = comparison.sides[0]
    q, on = client.requests, client.connection
    ended, gone = client.ended_ns(True)[on], client.ended_ns(False)[on]
    unpaired = comparison.numbers(
        Side.CLIENT,
        [
            u.ref
            for u in comparison.correlation.unpaired
            if u.side == Side.CLIENT and u.reason is not UnpairedReason.OUTSIDE_OTHER_CAPTURE
        ],
    )
    rows = np.zeros(len(client), bool)
    rows[unpaired] = True
    rows &= q.there & q.complete & ~client.responses.there & ~client.interim
    rows &= (client.stream == NO_STREAM) & (client.marks & MARKS[Mark.LOST] == 0)
    # a request that crosses the end of its connection is one too late: see keep-alive-race
    rows &= (ended != LATER) & (ended > q.last_ns) & (ended < gone)
    # a server that expects something else first: see protocol-mismatch
    rows &= ~(silent_servers(comparison, Side.CLIENT) | _others_begin_otherwise(client))[on]
    rows &= (client.of_ends("missing", server=True) == 0)[on]
    which = np.flatnonzero(rows)
    looked_at = [client.ref(row) for row in which[:MAX_LOOKED_AT].tolist()]
    if not len(which) or len(which) > MAX_LOOKED_AT or _came(comparison, looked_at):
        return
    waited = ended[which] - q.last_ns[which]
    shortest, longest = int(waited.min()), int(waited.max())
    both = differ(shortest, longest)
    yield KIND.finding(
        "",
        Severity.MEDIUM if len(which) > 1 else Severity.LOW,
        Confidence.MEDIUM,
        "The balancer ended the connection of {count} of {of} requests "
        + ("{shortest} to {longest}" if both else "{longest}")
        + " after {count:it|they} came, without an answer; no captured backend got "
        "{count:it|any of them}.",
        (
            frame
            for row in which[:EXAMPLES].tolist()
            for frame in (
                comparison.request_frame(Side.CLIENT, client.ref(row)),
                comparison.closing_frame(Side.CLIENT, int(on[row]), server=True),
            )
        ),
        note="the request, and the end of its connection",
        remedy=REMEDY,
        count=len(which),
        of=int(q.there.sum()),
        shortest=ns(shortest) if both else None,
        longest=ns(longest),
    ).about(comparison.asked(Side.CLIENT, which))


def _others_begin_otherwise(table: SideTable) -> Column:
    """Per connection whether others to its server begin with a PROXY header."""
    found: Column = among(table.servers, table.servers[table.proxied > 0])
    return found


def _came(comparison: Comparison, requests: list[Ref]) -> bool:
    """Whether something came to a backend meanwhile that nothing else explains."""
    frames, _ = unexplained_near(comparison, requests)
    return bool(frames)
