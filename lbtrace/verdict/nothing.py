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
    """A request target (or its last part, should a prefix have been rewritten) or a body that is on both sides; "" when there is none."""
    front, back = _marks(case.clients), _marks(case.backends)
    shared = sorted(front.keys() & back.keys())
    return front[shared[0]] if shared else ""


def _marks(traces: Sequence[Trace]) -> dict[str, str]:
    """What identifies requests and responses, with the request it is from."""
    found: dict[str, str] = {}
    for trace in traces:
        for e in trace.exchanges:
            if e.request is None:
                continue
            name = f"{e.request.method} {e.request.target}"
            found.setdefault(e.request.target.rpartition("/")[2] or "/", name)
            for message in (e.request, e.response):
                if message is not None and message.body.digest is not None and message.body.length > 0:
                    found.setdefault(message.body.digest, name)
    return found


def _silent(case: Case, front: bool) -> str:
    traces = case.clients if front else case.backends
    encrypted = sum(a.protocol is Protocol.TLS for t in traces for a in t.applications)
    if encrypted:
        side = "client" if front else "backend"
        return f"{encrypted} connections on the {side} side are TLS, which hides the exchanges; no connection corresponds either."
    return f"No HTTP request was found in the client capture. Looked for: {LOOKED_FOR}." if front else ""
