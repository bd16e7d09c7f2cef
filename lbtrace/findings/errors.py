"""Errors, and who made them.

Meaning:
    How many error responses clients got, and whether the backend or the balancer made them; requests that got no response at all.
Decided by:
    A 4xx or 5xx of a pair whose backend response has the same status is the backend's; one without an answered backend exchange is the
    balancer's. A client request without a response is counted with the way its connection ended.
Evidence:
    The responses (or the unanswered requests) on both sides.
Remedy:
    Errors of the backend are for its own logs; for errors of the balancer see what happened on the backend side just before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lbtrace.case import RANK, Case, confidence_of, evidence
from lbtrace.findings._own import own_answers
from lbtrace.model.http import Mark
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, Ref
from lbtrace.model.report import Finding, Severity, Value

TITLE = "Errors, and who made them"
ENDS = {
    Mark.RESET: "reset",
    Mark.CLOSED: "closed",
    Mark.CAPTURE_ENDED: "still open at the end of the capture",
    Mark.LOST: "missing from the capture",
}


def find(case: Case) -> Iterator[Finding]:
    """Errors of the backend, errors of the balancer, requests without a response."""
    backend = [
        m
        for m in case.matches
        if m.answered
        and m.back.response is not None
        and m.back.response.status >= 400
        and m.front.response is not None
        and m.front.response.status == m.back.response.status
    ]
    if backend:
        statuses = Counter(m.back.response.status for m in backend if m.back.response is not None)
        yield Finding(
            "errors.backend",
            TITLE,
            Severity.MEDIUM if max(statuses) >= 500 else Severity.INFO,
            confidence_of(backend),
            "The backend answered {count} of {of} requests with an error, and the balancer passed it on: {statuses}.",
            (Value("count", len(backend), "count"), Value("of", len(case.matches), "count"), Value("statuses", listed(statuses))),
            evidence(case.response_frames(backend)),
        )
    own = [o for o in own_answers(case) if o.response.status >= 400]
    if own:
        statuses = Counter(o.response.status for o in own)
        yield Finding(
            "errors.balancer",
            TITLE,
            Severity.MEDIUM if max(statuses) >= 500 else Severity.LOW,
            min((o.confidence for o in own), key=lambda c: RANK[c]),
            "Errors of the balancer's own making: {statuses}.",
            (Value("count", len(own), "count"), Value("statuses", listed(statuses))),
            evidence(case.response_frame(Side.CLIENT, o.ref) for o in own[:5]),
            "See what happened on the backend side just before, under what the balancer answered itself.",
        )
    yield from _unanswered(case)


def listed(statuses: Counter[int]) -> str:
    """Statuses with their counts, in numeric order."""
    return ", ".join(f"{status} ×{count}" for status, count in sorted(statuses.items()))


def _unanswered(case: Case) -> Iterator[Finding]:
    without: list[tuple[Ref, str]] = []
    for point, trace in enumerate(case.clients):
        for e in trace.exchanges:
            if e.request is not None and e.response is None:
                marked = [ENDS[mark] for mark in (*e.marks, *e.request.marks) if mark in ENDS]
                without.append((Ref(point, e.id), marked[0] if marked else "of unknown end"))
    if not without:
        return
    ends = Counter(end for _, end in without)
    harmless = set(ends) <= {ENDS[Mark.CAPTURE_ENDED], ENDS[Mark.LOST]}
    yield Finding(
        "errors.unanswered",
        TITLE,
        Severity.INFO if harmless else Severity.LOW,
        Confidence.HIGH,
        "Client requests without a response in the capture: {count}; their connections were {ends}.",
        (Value("count", len(without), "count"), Value("ends", ", ".join(f"{end} ×{n}" for end, n in ends.most_common()))),
        evidence(case.request_frame(Side.CLIENT, ref) for ref, _ in without[:5]),
    )
