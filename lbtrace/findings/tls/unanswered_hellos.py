"""TLS handshakes that nobody answered.

Meaning:
    A client began a TLS handshake, the server end acknowledged its ClientHello, and sent not one
    byte until an end closed. Other handshakes with this server were answered: it was stuck or
    overloaded, or it passes bytes on to one of several servers that is.
Decided by:
    A ClientHello that was acknowledged, no byte of the server end in the sequence numbers, and the
    FIN or RST of either end a second later or more. A server that answers no handshake at all, or
    closes at once, is told by protocol-mismatch.
Evidence:
    The ClientHello, and the FIN or RST.
Remedy:
    Look at the load of the server: handshakes need its processor. If it passes connections on,
    capture behind it.
Variants:
    "", client, backend: of one capture alone, in front of the balancer, behind it. What a balancer
        only passed on is told of the backend.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.claims import differ, ns
from lbtrace.findings._first_words import first_words, handshakes, shown
from lbtrace.findings._hellos import unanswered_for_ns
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends, named, variant
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, distinct
from lbtrace.tables.connections import LATER, NEVER

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.TLS, FramePart.END, FramePart.TIME)
ONE_CAPTURE = True
OF_DURATIONS = True
REMEDY = (
    "Look at the load of the server: handshakes need its processor. If it passes connections on, "
    "one of the servers behind it may be stuck: capture there."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a server, of the last side that has any."""
    for side in reversed(comparison.captured):
        table = comparison.table(side)
        waited = unanswered_for_ns(comparison, side)
        closed = np.minimum(table.ended_ns(False), table.ended_ns(True)) != LATER
        rows = np.flatnonzero((waited != NEVER) & closed)
        begun = handshakes(comparison, side) if len(rows) else {}
        for server in distinct(table.servers[rows]).tolist():
            those = rows[table.servers[rows] == server]
            if int((waited[table.servers == server] != NEVER).sum()) == begun[server]:
                continue  # it may not speak TLS at all: see protocol_mismatch
            yield _told(comparison, side, those, waited[those], begun[server])
        if len(rows):
            return


def _told(comparison: Comparison, side: Side, rows: Column, waited: Column, of: int) -> Finding:
    table = comparison.table(side)
    asker, answerer = ends(comparison, side)
    by_server = (table.ended_ns(True) < table.ended_ns(False))[rows]
    both = differ(int(waited.min()), int(waited.max()))
    return KIND.finding(
        variant(comparison, "", side),
        Severity.MEDIUM,
        Confidence.HIGH,
        "{server} acknowledged the ClientHello of {count} of {of} TLS handshakes and answered "
        "nothing; after {shortest}"
        + (" to {longest}" if both else "")
        + (
            " the {answerer} closed."
            if by_server.all()
            else " one of the two ends closed."
            if by_server.any()
            else " the {asker} closed."
        ),
        shown(
            (
                first_words(comparison, side, row),
                comparison.closing_frame(side, row, server=bool(server)),
            )
            for row, server in zip(rows.tolist(), by_server.tolist(), strict=True)
        ),
        note="the ClientHello, and the FIN or RST",
        remedy=REMEDY,
        server=str(table.endpoint(int(table.servers[rows[0]]))),
        count=len(rows),
        of=of,
        shortest=ns(int(waited.min())),
        longest=ns(int(waited.max())) if both else None,
        asker=asker,
        answerer=answerer,
        side=named(comparison, side),
    ).on(comparison.failed(side, rows))
