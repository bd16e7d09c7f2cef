"""Which responses the balancer made itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from lbtrace.case import Case, Match
from lbtrace.fields import field_value
from lbtrace.findings._backend_events import BackendEvent, FailedHandshakes, event_of_attempt
from lbtrace.model.http import Response
from lbtrace.model.net import Side
from lbtrace.model.pairing import AttemptOutcome, Confidence, Ref, UnpairedReason

_HIT = re.compile(r"\bhit\b", re.IGNORECASE)
NOT_PASSED_ON = (AttemptOutcome.RESET, AttemptOutcome.CLOSED, AttemptOutcome.TIMEOUT, AttemptOutcome.SUPERSEDED)


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
    bodies = backend_bodies(case)
    for unpaired in case.correlation.unpaired:
        if unpaired.side != Side.CLIENT or unpaired.reason is not UnpairedReason.ANSWERED_BY_BALANCER:
            continue
        exchange = case.exchange(Side.CLIENT, unpaired.ref)
        if exchange.response is not None:
            event = failed.during(unpaired.ref) if exchange.response.status >= 500 else None
            kind = kind_of(exchange.response)
            if kind == "fixed response" and exchange.request is not None:
                body = exchange.response.body
                if body.length and body.digest is not None and (exchange.request.target, body.digest) in bodies:
                    kind = "cache hit"
            yield OwnAnswer(unpaired.ref, exchange.response, kind, event, unpaired.confidence)
    for m in case.matches:
        if (m.outcome in NOT_PASSED_ON or gave_up(m)) and m.front.response is not None:
            yield OwnAnswer(m.pair.client, m.front.response, kind_of(m.front.response), event_of_attempt(case, m), m.pair.confidence)


def gave_up(match: Match) -> bool:
    """True when the balancer closed the backend connection before any answer came: it waited no longer, whatever the backend sent later."""
    if match.outcome is not AttemptOutcome.UNKNOWN:
        return False
    request, ends = match.back.request, match.back_connection.from_client
    closed = [at for at in (ends.fin_ns, ends.rst_ns) if at is not None and request is not None and at >= request.last_ns]
    response = match.back.response
    status = match.front.response.status if match.front.response is not None else 0
    return status >= 500 and bool(closed) and (response is None or response.first_ns > min(closed))


def backend_bodies(case: Case) -> set[tuple[str, str | None]]:
    """(target, digest) of what backends gave: the same again without a backend exchange came out of a cache."""
    return {
        (m.front.request.target, m.front.response.body.digest)
        for m in case.matches
        if m.answered and m.front.request is not None and m.front.response is not None
    }


def kind_of(response: Response) -> str:
    """What kind of answer a balancer's own response is."""
    if is_cached(response):
        return "cache hit"
    if 300 <= response.status < 400 and field_value(response, "Location") is not None:
        return "redirect"
    return "error" if response.status >= 400 else "fixed response"


def is_cached(response: Response) -> bool:
    """True when the response says it came out of a cache (RFC 9111 §5.1, RFC 9211, and what caches write: X-Cache and its like,
    X-Varnish)."""
    age = field_value(response, "Age")
    hit = any("cache" in line.name.lower() and _HIT.search(line.value) for line in response.lines)
    varnish = (field_value(response, "X-Varnish") or "").split()
    return (age is not None and age.isdecimal() and age.strip("0") != "") or hit or len(varnish) > 1
