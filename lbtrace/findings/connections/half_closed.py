"""Half-closed clients.

Meaning:
    The client end sent its FIN after a request and before the answer: it has said all it wants to
    say and can still receive (RFC 9293 §3.6). A proxy may take that FIN for a client that left, and
    give the request up.
Decided by:
    A FIN of the client end after the last byte of a request and before the first byte of its
    response, while the server end had not closed: a FIN that answers a FIN ends the connection.
    The times may be wrong by a moment: a FIN that acknowledges the response came behind it. A
    client that answers with a RST has left, and is not counted. Without an answer the FIN must come
    within a tenth of a second: who closes later gave up waiting.
Evidence:
    The request, the FIN, and the response where there is one.
Remedy:
    Let the proxy serve half-closed clients (nginx: `proxy_ignore_client_abort on`; HAProxy: no
    `option abortonclose`), or let the client close only when it has its answer.
Variants:
    answered, answered-client, answered-backend: it was answered nevertheless.
    unanswered, unanswered-client, unanswered-backend: it got no answer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends, named, told, variant
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import Mark
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, among, distinct
from lbtrace.tables.connections import NEVER
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import MARKS

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.END)
ONE_CAPTURE = True
EXAMPLES = 2
AT_ONCE_NS = 100_000_000
REMEDY = (
    "Let the proxy serve half-closed clients (nginx: proxy_ignore_client_abort on; HAProxy: no "
    "option abortonclose), or let the client close only when it has its answer."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """Per side those that were answered, and those that were not."""
    for side in comparison.captured:
        table = comparison.table(side)
        half, there = _half_closed(table), table.responses.there
        for rows, name in ((half & ~there, "unanswered"), (half & there, "answered")):
            if rows.any():
                yield _finding(comparison, side, np.flatnonzero(rows), name)


def _half_closed(table: SideTable) -> Column:
    """Per exchange, whether its client end sent a FIN between request and response, and no RST."""
    q, r = table.requests, table.responses
    fin_ns, rst_ns = (
        table.of_ends(name, server=False)[table.connection] for name in ("fin_ns", "rst_ns")
    )
    closed = q.there & q.complete & (fin_ns != NEVER) & (rst_ns == NEVER) & (fin_ns >= q.last_ns)
    closed &= ~table.both_ask
    closed &= ~_closed_before(table)
    # who closes after a while without an answer gave up waiting
    at_once = fin_ns - q.last_ns <= AT_ONCE_NS
    # who had not answered when the capture ended may have done so later
    lost = (table.marks & (MARKS[Mark.LOST] | MARKS[Mark.CAPTURE_ENDED])) != 0
    # bytes that are no HTTP are an answer, too: see no-http-answer
    spoke = table.of_ends("last_payload_ns", server=True)[table.connection]
    lost |= (spoke != NEVER) & (spoke >= q.last_ns)
    # an answer to what is not in the capture may be one to this request, sent early
    lost |= among(table.connection, table.connection[r.there & ~q.there])
    # what was not acknowledged may have been refused by a RST that is not in the capture
    got = (fin_ns < r.first_ns) & (table.of_ends("unacked", server=True)[table.connection] == 0)
    unanswered = at_once & ~table.answered_before & ~lost & table.answering
    half: Column = closed & np.where(r.there, got, unanswered)
    return half


def _closed_before(table: SideTable) -> Column:
    """Per exchange, whether the server end had closed its connection before the client end did, or
    may have: by their order in the file, because the client acknowledged it, or because its FIN is
    not in the capture.
    """
    (mine, _), (theirs, there) = (
        (table.of_ends("fin_frame", server), table.of_ends("fin_ns", server) != NEVER)
        for server in (False, True)
    )
    before = (there & (theirs < mine)) | table.of_ends("answers_fin", server=False)
    closed: Column = (before | table.may_have_closed_before(server=True))[table.connection]
    return closed


def _finding(comparison: Comparison, side: Side, rows: Column, name: str) -> Finding:
    table, (sender, _) = comparison.table(side), ends(comparison, side)
    answered = name == "answered"
    return KIND.finding(
        variant(comparison, name, side),
        Severity.INFO if answered else Severity.LOW,
        Confidence.HIGH if answered else Confidence.MEDIUM,
        told(
            comparison,
            "The {sender} half-closed {count} connections on the {side} side: its FIN came after "
            "the request and before the answer",
        )
        + (
            ", which it got."
            if answered
            else ". No answer followed: the {sender} had left, or seemed to have left."
        ),
        _frames(comparison, side, rows),
        sender=sender,
        count=len(distinct(table.connection[rows])),
        side=named(comparison, side),
        remedy="" if answered else REMEDY,
    )


def _frames(comparison: Comparison, side: Side, rows: Column) -> Iterator[FrameRef]:
    table = comparison.table(side)
    fin, fin_ns = (table.of_ends(f"fin_{unit}", server=False) for unit in ("frame", "ns"))
    for row in rows[:EXAMPLES].tolist():
        connection = table.connection[row]
        yield comparison.request_frame(side, table.ref(row))
        yield table.trace_of(row).ref(int(fin[connection]), int(fin_ns[connection]))
        if table.responses.there[row]:
            yield comparison.response_frame(side, table.ref(row))
