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

from lbtrace.case import RANK, Case, evidence, plural
from lbtrace.fields import field_value
from lbtrace.findings._own import OwnAnswer, own_answers
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.report import Finding, Severity, Value

TITLE = "Answered by the balancer"
REMEDY = "Look at the backend event named here and at the balancer's time limits towards the backend."


def find(case: Case) -> Iterator[Finding]:
    """One finding per status, kind of answer and backend event."""
    groups: dict[tuple[int, str, str], list[OwnAnswer]] = {}
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
            f"The balancer itself answered {{count}} {plural(len(members), 'request')} with {{status}} ({{what}}"
            + (", Server: {server})" if server else ")")
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
