"""Where one capture was taken.

Meaning:
    Whether the messages of one capture came through a proxy before they were captured: requests
    that did were captured behind it, responses that did were captured in front of it. What one
    capture does not hold, the other side of the balancer, stays unknown.
Decided by:
    Fields that proxies write into requests (X-Forwarded-For, Via and their kin), a PROXY header,
    and fields that proxies and caches write into responses (Via, X-Cache), in the messages for more
    than half of the targets. A client can write such a field itself, and a backend can pass one on.
Evidence:
    The first messages that have such a field.
Remedy:
    Capture on both sides of the balancer at the same time, and compare the two captures.
Variants:
    behind-a-proxy: requests came through one.
    in-front-of-a-proxy: responses came through one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.comparison.proxies import added_to_requests, added_to_responses
from lbtrace.findings._kind import FindingKind
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, NotCaptured, Severity
from lbtrace.tables.columns import Column, among
from lbtrace.tables.side_table import SideTable

KIND = FindingKind.of(__name__, __doc__)
ONE_CAPTURE = True


def find(comparison: Comparison) -> Iterator[Finding]:
    """Of one capture: what its requests, or its responses, came through."""
    if not comparison.alone or comparison.not_captured is NotCaptured.OTHER_SIDE:
        return
    (side,) = comparison.captured
    table, behind = comparison.table(side), comparison.not_captured is NotCaptured.IN_FRONT
    proxied = comparison.proxied_requests(side) if behind else comparison.proxied_responses(side)
    there = table.requests.there if behind else table.responses.there
    look = comparison.request_frame if behind else comparison.response_frame
    rows = np.flatnonzero(proxied)
    yield KIND.finding(
        "behind-a-proxy" if behind else "in-front-of-a-proxy",
        Severity.INFO,
        Confidence.MEDIUM,
        "{count} of {of} requests carry what a proxy adds ({fields}): this capture was taken "
        "behind one."
        if behind
        else "{count} of {of} responses carry what a proxy adds ({fields}): this capture was taken "
        "in front of one.",
        (look(side, table.ref(row)) for row in rows[:FRAMES_PER_SIDE].tolist()),
        count=len(rows),
        of=int(there.sum()),
        fields=_fields(table, rows, behind),
    )


def _fields(table: SideTable, rows: Column, behind: bool) -> str:
    """What a proxy added to these messages, by name, as first written."""
    adds, messages = (
        (added_to_requests, table.requests) if behind else (added_to_responses, table.responses)
    )
    owners, lines = messages.heads.which(table.words.fields_named(adds))
    used = np.unique(lines[among(owners, rows)]).tolist()
    spelled: dict[str, str] = {}
    for line in used:
        name = table.words.line_list[line].name
        spelled.setdefault(name.lower(), name)
    if behind and (table.proxied[table.connection[rows]] > 0).any():
        spelled.setdefault("", "a PROXY header")
    return ", ".join(spelled.values())
