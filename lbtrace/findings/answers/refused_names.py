"""Host names that got only errors.

Meaning:
    A server, or a balancer that chooses a route by Host, answers every request for some names with
    one error, and no request for the others: it does not know these names, or what serves them is
    out of order. A port may belong to the name: example.com:8443 is another one than example.com.
Decided by:
    Host or :authority of the requests, and the status of their answers. Every answered request for
    such a name, two at least, got the same status of an error, and none of the requests for other
    names did, of which there are two at least. A status that asks who the client is (401, 407),
    or that refuses the message itself (411, 413, 414, 431, …), counts for nothing.
Evidence:
    Such requests with their answers, and one for another name.
Remedy:
    Let it serve the name, with its port: `server_name` (nginx), `ServerAlias` (Apache httpd),
    `domains` (Envoy), `hdr(host)` (HAProxy), the host of a rule (Kubernetes Ingress, AWS ALB).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import ABSENT, FRAMES_PER_SIDE, Comparison, field_values
from lbtrace.findings._kind import FindingKind, compared_with
from lbtrace.findings._names import few
from lbtrace.http_fields import AS_HOST, HOST
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import MIN_ERROR, PROXY_UNAUTHORIZED, REQUEST_TIMEOUT, UNAUTHORIZED
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, distinct

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, *AS_HOST)
ONE_CAPTURE = True
FEW = 2  # requests: one alone may fail for any reason
# a login is asked for, or the message itself is refused, whatever name it asks for
NOT_OF_NAMES = (
    UNAUTHORIZED,
    PROXY_UNAUTHORIZED,
    REQUEST_TIMEOUT,
    *(411, 413, 414, 415, 416, 417, 426, 428, 429, 431),
)
REMEDY = (
    "Look whether a route or a server has that name, with its port: server_name (nginx), "
    "ServerAlias (Apache httpd), domains (Envoy), hdr(host) (HAProxy), the host of a rule."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per status."""
    side = comparison.captured[0]
    table = comparison.table(side)
    responses = table.responses
    answered = table.requests.there & table.requests.whole_heads & responses.there
    errors = answered & (responses.start >= MIN_ERROR) & ~np.isin(responses.start, NOT_OF_NAMES)
    if not errors.any():
        return
    names, texts = _names(comparison, side)
    known = np.flatnonzero(answered & (names >= 0))
    for status in distinct(responses.start[known][errors[known]]).tolist():
        got = responses.start[known] == status
        all_, bad = (np.bincount(names[rows], minlength=len(texts)) for rows in (known, known[got]))
        refused, spared = (bad == all_) & (bad > 0), (bad == 0) & (all_ > 0)
        mixed = (bad > 0) & (bad < all_)
        if mixed.any() or (bad[refused] < FEW).any() or all_[spared].sum() < FEW:
            continue
        yield _finding(comparison, side, known, names, texts, refused, status)


def _names(comparison: Comparison, side: Side) -> tuple[Column, list[str]]:
    """The number of the name that each request is for, −1 without one; and the names."""
    hosts = field_values(comparison, HOST)
    stated = hosts.client if side is Side.CLIENT else hosts.backend
    texts: dict[str, int] = {}
    number = np.full(len(hosts.texts), -1, np.int64)
    for host in distinct(stated[stated != ABSENT]).tolist():
        name = (hosts.texts[host] or "").strip().lower()
        number[host] = texts.setdefault(name, len(texts))
    names: Column = number[stated]
    return names, list(texts)


def _finding(
    comparison: Comparison,
    side: Side,
    known: Column,
    names: Column,
    texts: list[str],
    refused: Column,
    status: int,
) -> Finding:
    table = comparison.table(side)
    of_refused = refused[names[known]]
    rows, others = known[of_refused], known[~of_refused]

    def frames(rows: Column) -> list[FrameRef]:
        return [
            frame(side, table.ref(row))
            for row in rows.tolist()
            for frame in (comparison.request_frame, comparison.response_frame)
        ]

    found = KIND.finding(
        "",
        Severity.MEDIUM if status >= 500 else Severity.LOW,
        Confidence.HIGH,
        "Each answered request for the name {names} got {status} ({count}), and none of the "
        "{others} for {spared} did.",
        frames(rows[: FRAMES_PER_SIDE // 2]),
        note="requests and their answers",
        remedy=REMEDY,
        count=len(rows),
        names=few(texts[name] for name in names[rows].tolist()),
        status=str(status),
        others=len(others),
        spared=few(texts[name] for name in names[others].tolist()),
    ).about(comparison.asked(side, rows))
    return compared_with(found, frames(others[:1]))
