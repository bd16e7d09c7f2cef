"""Answers that are no HTTP.

Meaning:
    A request got an answer, but its bytes are no HTTP response: another service listens on that
    port, or the server writes something before its status line. A proxy calls this an invalid
    header or no valid HTTP version from upstream; it makes an error of its own of it, passes the
    bytes on, or closes the connection.
Decided by:
    A whole request of HTTP/1 without a response, the last on its connection, after which the server
    end sent payload. No byte of that end may be missing from the capture, and neither end may have
    changed to another protocol. The service is named where the first bytes of all of these
    servers are those of one (SSH, SMTP, MySQL, …). What each end should have spoken is told by
    protocol-mismatch.
Evidence:
    The request on both sides, and the first bytes of the answer where the request was the first.
Remedy:
    Look at the bytes (`lbtrace frame`, or Follow TCP Stream in Wireshark): they often name the
    service that listens there.
Variants:
    client, backend: on that side; what a balancer only passed on is told of the backend.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.claims import size
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends, named, variant
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import Mark, Protocol
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import NEVER
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import MARKS

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.SEQUENCE)
ONE_CAPTURE = True
EXAMPLES = 2
UNSURE = MARKS[Mark.LOST] | MARKS[Mark.CAPTURE_ENDED]
REMEDY = (
    "Look at these bytes (lbtrace frame FILE N): does another service listen on that port, or does "
    "the server write something before its status line?"
)
OTHER = (
    "Another service than HTTP listens on that port: look at the address and the port in the "
    "balancer's list of servers."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a side."""
    strange = {side: _strange(comparison, side) for side in comparison.captured}
    passed = np.zeros(0, np.int64)
    if not comparison.alone:
        pairs = comparison.all_pairs
        passed = pairs.client[np.isin(pairs.backend, strange[Side.BACKEND])]
        passed = np.intersect1d(passed, strange[Side.CLIENT])
        strange[Side.CLIENT] = np.setdiff1d(strange[Side.CLIENT], passed)
    for side, rows in strange.items():
        if len(rows):
            yield _finding(comparison, side, rows, passed)


def _strange(comparison: Comparison, side: Side) -> Column:
    """The exchanges whose server end answered, and not in HTTP."""
    table = comparison.table(side)
    q, c = table.requests, table.connection
    spoke = table.of_ends("last_payload_ns", server=True)[c]
    odd = q.there & q.complete & ~table.responses.there & ~table.interim & ~table.both_ask
    odd &= (table.marks & UNSURE == 0) & (table.of_ends("missing", server=True) == 0)[c]
    odd &= (spoke != NEVER) & (spoke >= q.last_ns) & table.last_on_connection
    rows = np.flatnonzero(odd)
    return rows[[_is_http1(table, row) for row in rows.tolist()]] if len(rows) else rows


def _is_http1(table: SideTable, row: int) -> bool:
    """Whether both ends of the connection of an exchange should speak HTTP/1 to its end."""
    trace, (_, number) = table.trace_of(row), table.connection_ref(int(table.connection[row]))
    application = trace.applications[number]
    return (
        application.protocol is Protocol.HTTP1
        and not application.upgraded
        and not application.mismatch
    )


def _finding(comparison: Comparison, side: Side, rows: Column, passed: Column) -> Finding:
    table, (_, server) = comparison.table(side), ends(comparison, side)
    behind = side is Side.BACKEND and not comparison.alone
    first = _first(table, rows)
    service = _service(table, rows)
    sent = int(table.of_ends("bytes", server=True)[table.connection[first[0]]]) if len(first) else 0
    return KIND.finding(
        variant(comparison, "", side),
        Severity.MEDIUM,
        Confidence.HIGH,
        # how many requests there are is told of the client side
        ("The {server} answered {count}" + ("" if behind else " of {of}") + " requests")
        + " with bytes that are no HTTP response"
        + (", for example {sent}." if sent and len(rows) > 1 else " ({sent})." if sent else ".")
        + (" They begin as those of {service} do." if service else "")
        + (" {passed} of these answers reached clients." if behind and len(passed) else ""),
        _evidence(comparison, side, rows),
        note="the request, and the first bytes of the answer",
        remedy=OTHER if service else REMEDY,
        server=server,
        service=service or None,
        count=len(rows),
        of=None if behind else int(table.requests.there.sum()),
        sent=size(sent) if sent else None,
        passed=len(passed) if behind and len(passed) else None,
        side=named(comparison, side),
    ).about(comparison.asked(side, rows))


def _service(table: SideTable, rows: Column) -> str:
    """What the servers of all of these speak, "" where that is not one known service."""
    refs = table.connection_refs(table.connection[rows])
    names = {table.traces[ref.point].applications[ref.id].name for ref in refs}
    return names.pop().upper() if len(names) == 1 else ""


def _first(table: SideTable, rows: Column) -> Column:
    """Those that were the first on their connection: all that their server sent is the answer."""
    said = table.of_ends("first_payload_ns", server=True)[table.connection[rows]]
    first: Column = rows[said >= table.requests.first_ns[rows]]
    return first


def _evidence(comparison: Comparison, side: Side, rows: Column) -> Iterator[FrameRef]:
    table = comparison.table(side)
    first = set(_first(table, rows).tolist())
    frame, at = (table.of_ends(f"first_payload_{unit}", server=True) for unit in ("frame", "ns"))
    for row in rows[:EXAMPLES].tolist():
        yield comparison.request_frame(side, table.ref(row))
        if row in first:
            connection = table.connection[row]
            yield table.trace_of(row).ref(int(frame[connection]), int(at[connection]))
    if side is Side.BACKEND and not comparison.alone:
        pairs = comparison.all_pairs
        yield from comparison.request_frames(pairs.where(np.isin(pairs.backend, rows[:EXAMPLES])))
