"""No pairs: unrelated captures, or not enough captured to tell. What was looked for is said."""

from __future__ import annotations

from collections.abc import Sequence

from lbtrace.case import Case
from lbtrace.model.http import Protocol
from lbtrace.model.pairing import Confidence, UnpairedReason
from lbtrace.model.report import Kind
from lbtrace.model.trace import Trace

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
    numbers = f"None of {front_requests} client requests could be paired with any of {back_requests} backend requests"
    alike = _alike(case)
    if alike or case.correlation.pairs:
        return Kind.INCONCLUSIVE, Confidence.LOW, f"{numbers}, though both sides have requests like {alike or 'some of them'}."
    return Kind.UNRELATED, Confidence.MEDIUM, f"{numbers}, and no target or body is on both sides. Looked for: {LOOKED_FOR}."


def _alike(case: Case) -> str:
    """A request that may be on both sides, "" when there is none.

    Method and last part of the target agree (a prefix may have been rewritten), and the content of the responses does not speak against it.
    """
    front, back = _contents(case.clients), _contents(case.backends)
    for key in sorted(front.keys() & back.keys()):
        if "" in front[key] or "" in back[key] or front[key] & back[key]:
            return f"{key[0]} …/{key[1]}"
    return ""


def _contents(traces: Sequence[Trace]) -> dict[tuple[str, str], set[str]]:
    """(method, last part of the target) → digests of the responses' content, "" for one that is not known."""
    found: dict[tuple[str, str], set[str]] = {}
    for trace in traces:
        for e in trace.exchanges:
            if e.request is None:
                continue
            body = e.response.body if e.response is not None else None
            digest = (body.content_digest or body.digest or "") if body is not None and body.length else ""
            found.setdefault((e.request.method, e.request.target.rpartition("/")[2]), set()).add(digest)
    return found


def _silent(case: Case, front: bool) -> str:
    traces = case.clients if front else case.backends
    encrypted = sum(a.protocol is Protocol.TLS for t in traces for a in t.applications)
    if encrypted:
        side = "client" if front else "backend"
        return f"{encrypted} connections on the {side} side are TLS, which hides the exchanges; no connection corresponds either."
    return f"No HTTP request was found in the client capture. Looked for: {LOOKED_FOR}." if front else ""
