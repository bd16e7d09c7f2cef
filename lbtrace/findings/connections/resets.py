"""Resets.

Meaning:
    Connections that one end reset while a request was open: not answered yet, or its answer not
    complete. The other end sees a broken connection and, if it is a proxy, makes an error of that.
Decided by:
    A RST in the capture after a request that had no complete answer on its connection. The end that
    sent it is the end that the segment comes from; a firewall or a balancer in between can send one
    in its name. An end that had sent a FIN before had closed the connection, and so had a server
    end before the RST of its client: such a RST ended nothing, nor did one that answers the FIN of
    a client that gave up. What another finding tells of the same request is not told again: a
    keep-alive race, a client that gave up.
Evidence:
    The request and the RST.
Remedy:
    The server end: a crash, a restart, a full backlog, an idle or request time limit; its log of
    that moment tells. The client end: it waited no longer, or was closed by its user.
Variants:
    by-the-server-end: the end that answers reset.
    by-the-client-end: the end that asks reset.
    early-answer, early-answer-client, early-answer-backend: the end that answers had answered
        before it had the whole request, and reset then. What the sender has not read is lost
        (RFC 9112 §9.6).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.claims import differ, ns
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends, named, variant
from lbtrace.findings._streams import was_reset
from lbtrace.findings.connections.keep_alive_race import lost_races
from lbtrace.findings.times.gave_up import AT_ONCE_NS, given_up
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import Mark
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import NEVER
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import MARKS

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.END, FramePart.START_LINE)
ONE_CAPTURE = True
EXAMPLES = 2
REMEDY = {
    False: "The client end gave up or was closed: compare how long it waited with its time limits.",
    True: "Read the log of the server end of that moment: a crash, a restart, a time limit. A "
    "balancer or firewall in between can send a RST in its name.",
}
EARLY_REMEDY = (
    "Let the server read on for a while before it closes (RFC 9112 §9.6; lingering_close in "
    "nginx), or let the sender ask first (Expect: 100-continue)."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """Early answers on each side; and one finding per end of one capture: two captures show more,
    see what the balancer answered itself, and retries.
    """
    for side in comparison.captured:
        yield from _early(comparison, side)
    if comparison.alone:
        (side,) = comparison.captured
        for server in (True, False):
            yield from _by_end(comparison, side, server)


def _by_end(comparison: Comparison, side: Side, server: bool) -> Iterator[Finding]:
    table = comparison.table(side)
    rst, rst_ns = (table.of_ends(f"rst_{u}", server)[table.connection] for u in ("frame", "ns"))
    open_ = _cut(table) & ~was_reset(comparison, side)  # RST_STREAM ends a stream, RST all
    open_[lost_races(comparison, side) if server else given_up(comparison)] = False
    closed_ns = table.ended_ns(True, "fin")
    if not server:
        closed_ns = np.minimum(closed_ns, table.ended_ns(False, "fin"))
    open_ &= closed_ns[table.connection] > rst_ns
    open_ &= ~table.may_have_closed_before(server=True)[table.connection]
    if server:  # a RST that answers the FIN of a client that gave up ended nothing
        left_ns = table.ended_ns(False, "fin")[table.connection]
        gave_up = given_up(comparison)
        answers = (rst_ns >= left_ns) & (rst_ns - left_ns < AT_ONCE_NS)
        open_[gave_up[answers[gave_up]]] = False
    cut = np.flatnonzero(open_ & (rst_ns != NEVER) & (rst > table.requests.first_frame))
    # both ends may reset; the first to do so ended it
    other, other_ns = (
        table.of_ends(f"rst_{u}", not server)[table.connection] for u in ("frame", "ns")
    )
    cut = cut[(other_ns[cut] == NEVER) | (other[cut] > rst[cut])]
    if not len(cut):
        return
    waited = (rst_ns - table.requests.last_ns)[cut].clip(0)
    answering = int(table.responses.there[cut].sum())
    steady = comparison.steady(side)
    both = steady and differ(int(waited.min()), int(waited.max()))
    yield KIND.finding(
        "by-the-server-end" if server else "by-the-client-end",
        Severity.MEDIUM if server else Severity.LOW,
        Confidence.HIGH,
        ("The server end" if server else "The client end")
        + " reset the {count:connection|connections} of {count} open requests"
        + (
            ", {shortest} to {longest} after {count:it was|they were} sent"
            if both
            else ", {shortest} after {count:it was|they were} sent"
            if steady
            else ""
        )
        + ("; {answering} of them had been answered in part." if answering else "."),
        _frames(comparison, side, cut, rst, rst_ns),
        count=len(cut),
        shortest=ns(int(waited.min())) if steady else None,
        longest=ns(int(waited.max())) if steady else None,
        answering=answering or None,
        remedy=REMEDY[server],
    )


def _early(comparison: Comparison, side: Side) -> Iterator[Finding]:
    """Requests that were answered before they were whole, and whose connection was reset then."""
    table = comparison.table(side)
    rst, rst_ns = (table.of_ends(f"rst_{u}", True)[table.connection] for u in ("frame", "ns"))
    rows = np.flatnonzero(_answered_early(table) & (rst_ns != NEVER))
    rows = rows[rst_ns[rows] >= table.responses.last_ns[rows]]
    if not len(rows):
        return
    _, server = ends(comparison, side)
    yield KIND.finding(
        variant(comparison, "early-answer", side),
        Severity.LOW,
        Confidence.HIGH,
        "The {server} answered {count} requests before it had them whole, and reset the "
        "{count:connection|connections}: the RST may have taken the answer from the sender.",
        _frames(comparison, side, rows, rst, rst_ns),
        note="the request, and the RST",
        remedy=EARLY_REMEDY,
        server=server,
        count=len(rows),
        side=named(comparison, side),
    ).about(comparison.asked(side, rows))


def _answered_early(table: SideTable) -> Column:
    """Which requests have a whole response, and were not whole themselves: not sent, rather than
    not captured.
    """
    q, r = table.requests, table.responses
    early: Column = q.there & ~q.complete & r.there & r.complete
    early &= (table.of_ends("missing", server=False) == 0)[table.connection]
    return early


def _cut(table: SideTable) -> Column:
    """Which requests were open when their connection was reset."""
    reset = MARKS[Mark.RESET]
    marks = table.marks | table.requests.marks | table.responses.marks
    cut: Column = table.requests.there & ((marks & reset) > 0) & ~_answered_early(table)
    cut &= table.answering
    return cut


def _frames(
    comparison: Comparison, side: Side, rows: Column, rst: Column, rst_ns: Column
) -> Iterator[FrameRef]:
    table = comparison.table(side)
    for row in rows[:EXAMPLES].tolist():
        yield comparison.request_frame(side, table.ref(row))
        yield table.trace_of(row).ref(int(rst[row]), int(rst_ns[row]))
