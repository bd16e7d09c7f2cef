"""Lost segments and what they delayed.

Meaning:
    Which requests and responses had to wait because a segment of them was lost, and for how long. A
    host sends a lost segment again after 200 ms at the earliest, and after twice the time each time
    it is lost again; what follows it has to wait.
Decided by:
    A segment that the capture shows twice before it was acknowledged was lost beyond the capture,
    towards its receiver; the delay is the time between the copies. One that came after later bytes
    was lost before the capture, towards its sender; the delay is the time since those bytes. Delays
    of a tenth of a second and more count. Flows that were forgotten and segments too large for the
    path are told apart from loss.
Evidence:
    The segments that ended the longest delay of each connection.
Remedy:
    Look for loss on that part of the way: errors and drops of interfaces and queues, a limit on the
    rate, a full buffer.
Variants:
    from-client, from-client-client, from-client-backend: the end that asks sent them.
    from-server, from-server-client, from-server-backend: the end that answers sent them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.claims import ns
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends, named, told, variant
from lbtrace.findings.connections.idle_limits import shown_ends
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, among
from lbtrace.tables.side_table import SideTable

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.SEQUENCE, FramePart.TIME)
ONE_CAPTURE = True
OF_DURATIONS = True
TOLD_NS = 100_000_000
REMEDY = (
    "Look for drops between this capture and the ends of these connections: errors and drops of "
    "interfaces and queues, a limit on the rate."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per side and sender."""
    for side in comparison.captured:
        for server in (False, True):
            yield from _of_sender(comparison, side, server)


def _of_sender(comparison: Comparison, side: Side, server: bool) -> Iterator[Finding]:
    table = comparison.table(side)
    waited = table.of_ends("delayed_for_ns", server).copy()
    for vain in (comparison.forgotten(side), comparison.oversized(side)):
        waited[vain.connection] = 0
    for stray in comparison.strays(side):
        waited[stray] = 0
    late = np.flatnonzero(waited >= TOLD_NS)
    if not len(late):
        return
    late = late[np.argsort(-waited[late], kind="stable")]
    exchanges = _delayed(table, late, server)
    yield KIND.finding(
        variant(comparison, "from-server" if server else "from-client", side),
        Severity.LOW,
        Confidence.HIGH,
        told(
            comparison,
            "Lost segments from the {sender} on the {side} side delayed {count} connections, by "
            "{longest} at most.",
        )
        + (
            (
                " In {exchanges} of {of} exchanges the response"
                if server
                else " In {exchanges} of {of} exchanges the request"
            )
            + " had to wait for what was sent again."
            if len(exchanges)
            else ""
        ),
        shown_ends(comparison, side, late, np.full(len(late), server), "delayed"),
        note="the segments that ended the longest delays",
        remedy=REMEDY,
        sender=ends(comparison, side)[server],
        side=named(comparison, side),
        count=len(late),
        longest=ns(int(waited[late].max())),
        exchanges=len(exchanges) or None,
        of=len(table) if len(exchanges) else None,
    )


def _delayed(table: SideTable, connections: Column, server: bool) -> Column:
    """The exchanges whose request (response) was under way when the longest delay of one of these
    connections ended.
    """
    messages = table.responses if server else table.requests
    rows = np.flatnonzero(messages.there & among(table.connection, connections))
    at = table.of_ends("delayed_ns", server)[table.connection[rows]]
    begun = at - table.of_ends("delayed_for_ns", server)[table.connection[rows]]
    under_way: Column = (begun <= messages.last_ns[rows]) & (messages.first_ns[rows] <= at)
    return rows[under_way]
