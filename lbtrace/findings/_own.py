"""Which responses the balancer made itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lbtrace.case import Case, field_value
from lbtrace.findings._backend_events import BackendEvent, FailedHandshakes, event_of_attempt
from lbtrace.model.http import Response
from lbtrace.model.net import Side
from lbtrace.model.pairing import AttemptOutcome, Confidence, Ref, UnpairedReason


class OwnAnswer(NamedTuple):
    """A response the balancer made itself: what it is, and what happened behind the balancer just before (None: nothing seen)."""

    ref: Ref
    response: Response
    what: str
    event: BackendEvent | None
    confidence: Confidence


def own_answers(case: Case) -> Iterator[OwnAnswer]:
    """Every response the balancer made itself, with what it is and what happened behind the balancer."""
    failed = FailedHandshakes(case)
    for unpaired in case.correlation.unpaired:
        if unpaired.side != Side.CLIENT or unpaired.reason is not UnpairedReason.ANSWERED_BY_BALANCER:
            continue
        exchange = case.exchange(Side.CLIENT, unpaired.ref)
        if exchange.response is not None:
            event = failed.during(unpaired.ref) if exchange.response.status >= 500 else None
            yield OwnAnswer(unpaired.ref, exchange.response, kind_of(exchange.response), event, unpaired.confidence)
    for m in case.matches:
        none_answered = all(a.outcome in (AttemptOutcome.RESET, AttemptOutcome.CLOSED, AttemptOutcome.TIMEOUT) for a in m.pair.attempts)
        if none_answered and m.front.response is not None and m.back.response is None:
            yield OwnAnswer(m.pair.client, m.front.response, kind_of(m.front.response), event_of_attempt(case, m), m.pair.confidence)


def kind_of(response: Response) -> str:
    """What kind of answer a balancer's own response is."""
    if is_cached(response):
        return "cache hit"
    if 300 <= response.status < 400 and field_value(response, "Location") is not None:
        return "redirect"
    return "error" if response.status >= 400 else "fixed response"


def is_cached(response: Response) -> bool:
    """True when the response says it came out of a cache (RFC 9111 §5.1, RFC 9211, and what Varnish and CDNs write)."""
    age = field_value(response, "Age")
    cache = f"{field_value(response, 'X-Cache') or ''} {field_value(response, 'CF-Cache-Status') or ''}".lower()
    status = (field_value(response, "Cache-Status") or "").lower()
    varnish = (field_value(response, "X-Varnish") or "").split()
    return (
        (age is not None and age.isdigit() and int(age) > 0) or "hit" in cache or "; hit" in status or ";hit" in status or len(varnish) > 1
    )
