"""Where one capture was taken.

Meaning:
    Whether the messages of one capture came through a proxy before they were captured: requests
    that did were captured behind it, responses that did were captured in front of it. What one
    capture does not hold, the other side of the balancer, stays unknown. A capture taken on the
    balancer holds both sides: each request that was passed on is in it twice.
Decided by:
    Fields that only proxies write into requests (Via, trace ids of balancers), a PROXY header, and
    fields that proxies and caches write into responses (Via, X-Cache), in the messages for more
    than half of the targets. X-Forwarded-For and its kin do not decide it: a client can write them.
    Both sides are in a capture where requests to one server lie inside requests to another, for the
    same target, and do not come from who asked that one: three of them or more, or one that the
    server in front is seen to send.
Evidence:
    The first messages that have such a field.
Remedy:
    Capture on both sides of the balancer at the same time, and compare the two captures. A capture
    that holds both sides is compared with `lbtrace compare --lb`.
Variants:
    both-sides: it was taken on a balancer.
    behind-a-proxy: requests came through one.
    in-front-of-a-proxy: responses came through one.
    forwarding-fields: requests state a client or a proxy, and nothing shows who wrote that.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.comparison.passed_on import PassedOn
from lbtrace.comparison.proxies import added_to_requests, added_to_responses
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import few
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, NotCaptured, Severity
from lbtrace.tables.columns import Column, among, first_met
from lbtrace.tables.side_table import SideTable

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.FORWARDING)
ONE_CAPTURE = True


def find(comparison: Comparison) -> Iterator[Finding]:
    """Of one capture: what its requests, or its responses, came through; else what its requests
    state.
    """
    if not comparison.alone:
        return
    (side,) = comparison.captured
    where = comparison.not_captured
    if comparison.passed_on is not None:
        yield _both_sides(comparison, side, comparison.passed_on)
        return
    if where is NotCaptured.BEHIND:
        rows = np.flatnonzero(comparison.proxied_responses(side))
        yield _finding(comparison, side, rows, "in-front-of-a-proxy")
        return
    behind = where is NotCaptured.IN_FRONT
    rows = np.flatnonzero(
        comparison.proxied_requests(side) if behind else comparison.stating_requests(side)
    )
    if len(rows):
        yield _finding(comparison, side, rows, "behind-a-proxy" if behind else "forwarding-fields")


def _both_sides(comparison: Comparison, side: Side, seen: PassedOn) -> Finding:
    table = comparison.table(side)
    return KIND.finding(
        "both-sides",
        Severity.INFO,
        Confidence.HIGH,
        "This capture was taken on a balancer: what {front} was asked was passed on to {behind}, "
        "so requests are in it twice.",
        (comparison.request_frame(side, table.ref(row)) for row in (seen.asked, seen.passed_on)),
        note="a request, and what was made of it",
        remedy="lbtrace compare --lb tells the two sides apart, and what the balancer did.",
        front=str(table.endpoint(seen.front)),
        behind=few(str(table.endpoint(server)) for server in seen.behind),
    )


STATEMENT = {
    "behind-a-proxy": "{count} of {of} requests {count:carries|carry} what a proxy adds "
    "({fields}): this capture "
    "was taken behind one.",
    "in-front-of-a-proxy": "{count} of {of} responses {count:carries|carry} what a proxy adds "
    "({fields}): this "
    "capture was taken in front of one.",
    "forwarding-fields": "{count} of {of} requests {count:carries|carry} {fields}: a proxy wrote "
    "that, or the "
    "client did.",
}


def _finding(comparison: Comparison, side: Side, rows: Column, variant: str) -> Finding:
    table, response = comparison.table(side), variant == "in-front-of-a-proxy"
    messages = table.responses if response else table.requests
    look = comparison.response_frame if response else comparison.request_frame
    return KIND.finding(
        variant,
        Severity.INFO,
        Confidence.MEDIUM,
        STATEMENT[variant],
        (look(side, table.ref(row)) for row in rows[:FRAMES_PER_SIDE].tolist()),
        count=len(rows),
        of=int(messages.there.sum()),
        fields=_fields(table, rows, response),
    )


def _fields(table: SideTable, rows: Column, response: bool) -> str:
    """What these messages carry of what proxies add, by name, as first written."""
    adds, messages = (
        (added_to_responses, table.responses) if response else (added_to_requests, table.requests)
    )
    owners, lines = messages.heads.which(table.words.fields_named(adds))
    spelled: dict[str, str] = {}
    written = lines[among(owners, rows)]
    for line in written[first_met(written)[0]].tolist():
        name = table.words.line_list[line].name
        spelled.setdefault(name.lower(), name)
    if not response and (table.proxied[table.connection[rows]] > 0).any():
        spelled.setdefault("", "a PROXY header")
    return ", ".join(spelled.values())
