"""Answered by the balancer.

Meaning:
    Responses that no backend gave: redirects, fixed responses, cache hits, and errors of the balancer's own. For an error, what happened
    on the backend side just before: nothing, a refused or unanswered connection, a reset, a closed connection, silence.
Decided by:
    A client exchange with a response but no backend exchange while the backend capture was running, or whose backend attempts
    all failed. A cache hit says so itself: Age, X-Cache, Cache-Status or X-Varnish with two numbers. The event on the backend
    side is looked for in the time of the client exchange, the clocks' interval included.
Evidence:
    The request and response in the client capture, and the backend event when there is one.
Remedy:
    502, 503 and 504 of the balancer's own: look at the backend event named, and at the balancer's timeouts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lbtrace.case import RANK, Case, evidence, field_value
from lbtrace.findings._backend_events import BackendEvent, event_of_attempt, events_during
from lbtrace.model.http import Response
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import AttemptOutcome, Confidence, Ref, UnpairedReason
from lbtrace.model.report import Finding, Severity, Value

TITLE = "Answered by the balancer"
REMEDY = "Look at the backend event named here and at the balancer's time limits towards the backend."


class _Own(NamedTuple):
    ref: Ref
    response: Response
    what: str
    event: BackendEvent | None
    confidence: Confidence


def find(case: Case) -> Iterator[Finding]:
    """One finding per status, kind of answer and backend event."""
    groups: dict[tuple[int, str, str], list[_Own]] = {}
    for own in own_answers(case):
        groups.setdefault((own.response.status, own.what, own.event.slug if own.event else ""), []).append(own)
    for (status, what, _), members in sorted(groups.items()):
        event = members[0].event
        server = field_value(members[0].response, "Server")
        frames: list[FrameRef] = []
        for own in members[:2]:
            frames += [case.request_frame(Side.CLIENT, own.ref), case.response_frame(Side.CLIENT, own.ref)]
            frames += list(own.event.frames) if own.event else []
        yield Finding(
            f"answered-by-balancer.{what.replace(' ', '-')}",
            TITLE,
            _severity(status),
            min((o.confidence for o in members), key=lambda c: RANK[c]),
            "The balancer itself answered {count} requests with {status}: {what}"
            + (", Server {server}" if server else "")
            + (". On the backend side just before: {event}." if event else "."),
            (
                Value("count", len(members), "count"),
                Value("status", str(status)),
                Value("what", what),
                *((Value("server", server),) if server else ()),
                *((Value("event", event.text),) if event else ()),
            ),
            evidence(frames),
            REMEDY if status >= 500 else "",
        )


def _severity(status: int) -> Severity:
    return Severity.MEDIUM if status >= 500 else Severity.LOW if status >= 400 else Severity.INFO


def own_answers(case: Case) -> Iterator[_Own]:
    """Every response the balancer made itself, with what it is and what happened behind the balancer."""
    for unpaired in case.correlation.unpaired:
        if unpaired.side != Side.CLIENT or unpaired.reason is not UnpairedReason.ANSWERED_BY_BALANCER:
            continue
        exchange = case.exchange(Side.CLIENT, unpaired.ref)
        if exchange.response is not None:
            event = events_during(case, unpaired.ref) if exchange.response.status >= 500 else None
            yield _Own(unpaired.ref, exchange.response, kind_of(exchange.response), event, unpaired.confidence)
    for m in case.matches:
        failed = all(a.outcome in (AttemptOutcome.RESET, AttemptOutcome.CLOSED, AttemptOutcome.TIMEOUT) for a in m.pair.attempts)
        if failed and m.front.response is not None and m.back.response is None:
            yield _Own(m.pair.client, m.front.response, kind_of(m.front.response), event_of_attempt(case, m), m.pair.confidence)


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
