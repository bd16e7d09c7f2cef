"""Subprotocols of WebSockets.

Meaning:
    A client of a WebSocket may name subprotocols, of which the server chooses one. Where it chooses
    none the connection is open all the same, but browsers close it at once: their program asked for
    a subprotocol.
Decided by:
    Requests with Sec-WebSocket-Protocol whose answer is 101 and has no such field (RFC 6455 §4.2.2,
    §11.3.4). Both heads were captured whole.
Evidence:
    The requests, and their answers.
Remedy:
    Let the server choose one of those that the client names, or let the client name none.
Variants:
    not-chosen: the answer has no subprotocol.
    not-passed-on: the backend chose one, and the balancer did not pass it on.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import few
from lbtrace.http_fields import SEC_WEBSOCKET_PROTOCOL
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.side_table import SideTable

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, SEC_WEBSOCKET_PROTOCOL)
ONE_CAPTURE = True
SWITCHED = 101  # RFC 9110 §15.2.2
CHOOSE = (
    "Let the server choose one of the subprotocols that the client names, or let the client name "
    "none."
)
PASS_ON = "Let the balancer pass Sec-WebSocket-Protocol on in responses."


def find(comparison: Comparison) -> Iterator[Finding]:
    """Of what clients got: without a subprotocol of the backend's, and with one that was lost."""
    side = comparison.captured[0]
    table = comparison.table(side)
    asking = _asking(table)
    without = asking & ~table.responses.having(table.words, SEC_WEBSOCKET_PROTOCOL)
    if not without.any():
        return
    lost = np.zeros(len(table), bool)
    if not comparison.alone:
        backend, pairs = comparison.sides[1], comparison.pairs
        chosen = backend.responses.having(backend.words, SEC_WEBSOCKET_PROTOCOL)
        lost[pairs.client[pairs.answered & chosen[pairs.backend]]] = True
    of = int(asking.sum())
    for variant, rows in (("not-chosen", without & ~lost), ("not-passed-on", without & lost)):
        if rows.any():
            yield _told(comparison, side, variant, np.flatnonzero(rows), of)


def _asking(table: SideTable) -> Column:
    """Which exchanges opened a WebSocket whose client named a subprotocol."""
    q, r = table.requests, table.responses
    asking: Column = q.whole_heads & r.whole_heads & (r.start == SWITCHED)
    return asking & q.having(table.words, SEC_WEBSOCKET_PROTOCOL)


def _told(comparison: Comparison, side: Side, variant: str, rows: Column, of: int) -> Finding:
    table = comparison.table(side)
    line = table.requests.line_of(table.words, SEC_WEBSOCKET_PROTOCOL)[rows]
    return KIND.finding(
        variant,
        Severity.LOW,
        Confidence.HIGH,
        "{count} of {of} WebSockets whose client named a subprotocol ({names}) were opened without "
        "one: "
        + (
            "the backend chose one, and the balancer did not pass it on."
            if variant == "not-passed-on"
            else "the answer has no Sec-WebSocket-Protocol."
        )
        + " Browsers close such a connection at once.",
        [
            frame(side, table.ref(row))
            for row in rows[: FRAMES_PER_SIDE // 2].tolist()
            for frame in (comparison.request_frame, comparison.response_frame)
        ],
        note="the requests, and their answers",
        remedy=PASS_ON if variant == "not-passed-on" else CHOOSE,
        count=len(rows),
        of=of,
        names=few(dict.fromkeys(table.words.line_list[n].value for n in line.tolist())),
    ).about(comparison.asked(side, rows))
