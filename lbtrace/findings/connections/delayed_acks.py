"""Small segments that wait for late acknowledgements.

Meaning:
    One end holds a small segment back until the other end has acknowledged what came before
    (Nagle's algorithm, RFC 1122 §4.2.3.4), and the other end delays its acknowledgements
    (§4.2.3.2), as hosts do when they have nothing to send: by 40 ms on Linux, by 200 ms on others.
    Each message that is written in two small pieces then takes so much longer, though nobody is
    busy and nothing is lost.
Decided by:
    Three segments that follow each other on a connection: payload, its acknowledgement 30 ms or
    more later than the quickest on that stream, then at once the next small piece. Seen three times
    or more: an end that happens to write at that moment looks the same once.
Evidence:
    The segments that were sent only when the acknowledgement had come, after the longest wait of
    each connection.
Remedy:
    Switch Nagle's algorithm off where the pieces are sent (TCP_NODELAY), or write a message, head
    and body, at once.
Variants:
    from-client, from-client-client, from-client-backend: the end that asks held them back.
    from-server, from-server-client, from-server-backend: the end that answers held them back.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.claims import ns
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import few
from lbtrace.findings._side import ends, named, told, variant
from lbtrace.findings.connections.idle_limits import shown_ends
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.SEQUENCE, FramePart.TIME)
ONE_CAPTURE = True
OF_DURATIONS = True
ENOUGH = 3
REMEDY = (
    "Switch Nagle's algorithm off where these are sent: TCP_NODELAY in the program, tcp_nodelay on "
    "(nginx), option http-no-delay (HAProxy). Or write head and body of a message at once."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per side and sender; of packets that are passed on, on the first side alone."""
    for server in (False, True):
        for side in comparison.captured:
            found = list(_of_sender(comparison, side, server))
            yield from found
            if found and comparison.passes_packets:
                break


def _of_sender(comparison: Comparison, side: Side, server: bool) -> Iterator[Finding]:
    table = comparison.table(side)
    times = table.of_ends("ack_waits", server)
    rows = _held_there(comparison, side, server, np.flatnonzero(times))
    if times[rows].sum() < ENOUGH:
        return
    longest = table.of_ends("ack_wait_for_ns", server)
    rows = rows[np.argsort(-longest[rows], kind="stable")]
    sender, receiver = ends(comparison, side)[:: -1 if server else 1]
    yield KIND.finding(
        variant(comparison, "from-server" if server else "from-client", side),
        Severity.LOW,
        Confidence.HIGH,
        told(
            comparison,
            "The {sender} held {count} small segments back on {connections} connections on the "
            "{side} side until the one before was acknowledged (Nagle's algorithm), and the "
            "{receiver} delayed that by {longest} at most. Server: {servers}.",
        ),
        shown_ends(comparison, side, rows, np.full(len(rows), server), "ack_wait"),
        note="what was sent when the acknowledgement had come",
        remedy=REMEDY,
        sender=sender,
        receiver=receiver,
        count=int(times[rows].sum()),
        connections=len(rows),
        side=named(comparison, side),
        longest=ns(int(longest[rows[0]])),
        servers=few(str(table.endpoint(s)) for s in table.servers[rows].tolist()),
    )


def _held_there(comparison: Comparison, side: Side, server: bool, rows: Column) -> Column:
    """Those of these connections on which the sender itself held pieces back. A balancer that gets
    a piece late sends it on late, so a connection counts only if the one its pieces came in on was
    captured whole and shows no such wait.
    """
    source = Side.BACKEND if server else Side.CLIENT
    if comparison.alone or comparison.passes_packets or side is source:
        return rows
    table, joined = comparison.table(source), comparison.joined_connections
    known = table.whole_connections & (table.of_ends("packets", not server) > 0)
    at_once = known & (table.of_ends("ack_waits", server) == 0)
    came, sent = (joined.client, joined.backend)[:: -1 if server else 1]
    own: Column = np.isin(rows, sent[at_once[came]]) & ~np.isin(rows, sent[~at_once[came]])
    return rows[own]
