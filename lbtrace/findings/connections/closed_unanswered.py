"""Closed without an answer.

Meaning:
    The end that answers closed the connection in the ordinary way, by a FIN, while a whole request
    was open, and sent not one byte of an answer. The other end, if it is a proxy, makes an error of
    that, or sends the request again.
Decided by:
    In one capture: a FIN of the server end after a whole request of HTTP/1, nothing of the server
    end after the request, and no end of the client's before. The sequence number of the FIN shows
    that no byte of an answer is missing from the capture. A keep-alive race, and a server that ends
    every connection so, are told in findings of their own.
Evidence:
    The request and the FIN.
Remedy:
    Read the log of the server end of that moment: a crash, a restart, a limit. If it is a balancer,
    the server behind it may have failed: a capture there shows it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.claims import differ, ns
from lbtrace.findings._first_words import silent_servers
from lbtrace.findings._kind import FindingKind
from lbtrace.findings.connections.keep_alive_race import lost_races
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import Mark
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.connections import LATER
from lbtrace.tables.exchanges import NO_STREAM
from lbtrace.tables.words import MARKS

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.END, FramePart.START_LINE)
ONE_CAPTURE = True
EXAMPLES = 2
REMEDY = (
    "Read the log of the server end of that moment: a crash, a restart, a limit. If it is a "
    "balancer, the server behind it may have failed: a capture there shows it."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """Of one capture: two show what the balancer made of it."""
    if not comparison.alone:
        return
    (side,) = comparison.captured
    table = comparison.table(side)
    q, on = table.requests, table.connection
    fin, gone = table.ended_ns(True, "fin")[on], table.ended_ns(False)[on]
    rows = q.there & q.complete & ~table.responses.there & ~table.interim & ~table.both_ask
    rows &= (table.stream == NO_STREAM) & (table.marks & MARKS[Mark.LOST] == 0)
    rows &= (fin != LATER) & (fin >= q.last_ns) & (fin < gone)
    rows &= fin < table.ended_ns(True, "rst")[on]
    rows &= (table.of_ends("missing", server=True) == 0)[on]
    rows &= ~table.may_have_closed_before(server=False)[on]
    rows &= (table.of_ends("last_payload_ns", server=True))[on] < q.last_ns
    rows &= ~silent_servers(comparison, side)[on]
    rows[lost_races(comparison, side)] = False
    which = np.flatnonzero(rows)
    if not len(which):
        return
    waited = (fin - q.last_ns)[which]
    shortest, longest = int(waited.min()), int(waited.max())
    steady = comparison.steady(side)
    both = steady and differ(shortest, longest)
    yield KIND.finding(
        "",
        Severity.MEDIUM,
        Confidence.HIGH,
        "The server end closed the {count:connection|connections} of {count} open requests without "
        "an answer"
        + (
            ", {shortest} to {longest} after {count:it was|they were} sent."
            if both
            else ", {shortest} after {count:it was|they were} sent."
            if steady
            else "."
        ),
        (
            frame
            for row in which[:EXAMPLES].tolist()
            for frame in (
                comparison.request_frame(side, table.ref(row)),
                comparison.closing_frame(side, int(on[row]), server=True),
            )
        ),
        note="the request, and the FIN",
        remedy=REMEDY,
        count=len(which),
        shortest=ns(shortest) if steady else None,
        longest=ns(longest) if both else None,
    ).about(comparison.asked(side, which))
