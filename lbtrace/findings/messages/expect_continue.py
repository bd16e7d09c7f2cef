"""100 (Continue) that did not come.

Meaning:
    A client sends the head of its request with Expect: 100-continue, and waits for 100 (Continue)
    before it sends the body. Where none comes, it sends the body after a while all the same: each
    such request takes longer by that time (1 s with curl).
Decided by:
    A request with that field (RFC 9110 §10.1.1), without an interim response, whose last byte came
    half a second or more after its head.
Evidence:
    The heads of the requests.
Remedy:
    Let the server answer 100 (Continue) to the field, or let the client not send it (`curl -H
    'Expect:'`).
Variants:
    client, backend: on that side; what a balancer only passed on is told of the backend.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.comparison.claims import differ, ns
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends, named, told, variant
from lbtrace.http_fields import EXPECT
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.side_table import SideTable

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, EXPECT, FramePart.TIME)
ONE_CAPTURE = True
OF_DURATIONS = True
LEAST_NS = 500_000_000
REMEDY = (
    "Let the {server} answer 100 (Continue), or let the client not ask for it (curl -H 'Expect:')."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a side."""
    waited = {side: _waited(comparison.table(side)) for side in comparison.captured}
    if not comparison.alone:
        pairs = comparison.all_pairs
        passed = pairs.client[waited[Side.BACKEND][pairs.backend] > 0]
        waited[Side.CLIENT][passed] = 0
    for side, times in waited.items():
        rows = np.flatnonzero(times)
        if len(rows):
            yield _finding(comparison, side, rows, times[rows])


def _waited(table: SideTable) -> Column:
    """Per exchange how long the client waited with its body for what did not come; 0 for none."""
    q = table.requests
    asked = q.heads.having(table.words.fields_named(EXPECT.__eq__))
    waited = np.zeros(len(q), np.int64)
    for row in np.flatnonzero(q.there & asked & ~table.interim).tolist():
        request = table.exchange(row).request
        assert request is not None
        waited[row] = request.last_ns - request.head_ns
    return np.where(waited >= LEAST_NS, waited, 0)


def _finding(comparison: Comparison, side: Side, rows: Column, times: Column) -> Finding:
    table, (_, server) = comparison.table(side), ends(comparison, side)
    asked = table.requests.heads.having(table.words.fields_named(EXPECT.__eq__))
    shortest, longest = int(times.min()), int(times.max())
    both = differ(shortest, longest)
    return KIND.finding(
        variant(comparison, "", side),
        Severity.LOW,
        Confidence.HIGH,
        told(
            comparison,
            "{count} of {of} requests with Expect: 100-continue on the {side} side waited "
            "{shortest}",
        )
        + (" to {longest}" if both else "")
        + " before their body: the {server} sent no 100 (Continue).",
        [comparison.request_frame(side, table.ref(row)) for row in rows[:FRAMES_PER_SIDE].tolist()],
        note="the heads of the requests",
        remedy=REMEDY.format(server=server),
        server=server,
        count=len(rows),
        of=int(asked.sum()),
        shortest=ns(shortest),
        longest=ns(longest) if both else None,
        side=named(comparison, side),
    ).about(comparison.asked(side, rows))
