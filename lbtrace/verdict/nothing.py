"""No pairs: unrelated captures, or not enough captured to tell. What was looked for is said."""

from __future__ import annotations

from lbtrace.case import Case
from lbtrace.model.http import Protocol
from lbtrace.model.pairing import Confidence, UnpairedReason
from lbtrace.model.report import Kind

LOOKED_FOR = (
    "equal sequence numbers, stated client addresses, shared rare values in heads and bodies, "
    "equal requests and responses, and nesting in time"
)


def without_pairs(case: Case) -> tuple[Kind, Confidence, str]:
    """(UNRELATED or INCONCLUSIVE, confidence, the reason)."""
    fronts = sum(len(t.connections) for t in case.clients)
    backs = sum(len(t.connections) for t in case.backends)
    for count, name in ((fronts, "client"), (backs, "backend")):
        if not count:
            return Kind.INCONCLUSIVE, Confidence.LOW, f"The {name} capture holds no TCP connection."
    reasons = {u.reason for u in case.correlation.unpaired if u.reason is not UnpairedReason.HEALTH_CHECK}
    front_requests = sum(e.request is not None for t in case.clients for e in t.exchanges)
    back_requests = sum(e.request is not None for t in case.backends for e in t.exchanges) - len(case.check_exchanges)
    if reasons and reasons <= {UnpairedReason.OUTSIDE_OTHER_CAPTURE}:
        return Kind.INCONCLUSIVE, Confidence.LOW, "The two captures do not overlap in time, so no exchange can be on both."
    if not front_requests:
        return Kind.INCONCLUSIVE, Confidence.LOW, _silent(case, front=True)
    if not back_requests:
        checks = ", only health checks" if case.check_exchanges else ""
        return (
            Kind.INCONCLUSIVE,
            Confidence.LOW,
            f"The backend capture holds no request of a client{checks}. {_silent(case, front=False)}".rstrip(),
        )
    return (
        Kind.UNRELATED,
        Confidence.MEDIUM,
        f"None of {front_requests} client requests corresponds to any of {back_requests} backend requests. Looked for: {LOOKED_FOR}.",
    )


def _silent(case: Case, front: bool) -> str:
    traces = case.clients if front else case.backends
    encrypted = sum(a.protocol is Protocol.TLS for t in traces for a in t.applications)
    if encrypted:
        side = "client" if front else "backend"
        return f"{encrypted} connections on the {side} side are TLS, which hides the exchanges; no connection corresponds either."
    return f"No HTTP request was found in the client capture. Looked for: {LOOKED_FOR}." if front else ""
