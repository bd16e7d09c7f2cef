"""What was seen → the lines that profiles look at, and the known balancers that fit.

Naming a balancer is a judgement apart from its kind: see `lbtrace.profiles`.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace import profiles
from lbtrace.comparison import Comparison, once
from lbtrace.model.http import Request, Response
from lbtrace.model.net import Side
from lbtrace.model.pairing import AttemptOutcome, ChangeKind, Ref, UnpairedReason
from lbtrace.model.report import Kind, ProfileMatch
from lbtrace.verdict.traits import traits

WRITTEN = (ChangeKind.ADDED, ChangeKind.CHANGED, ChangeKind.DUPLICATED)
EXAMPLES = 50  # of the balancer's own answers, and of health checks of one kind: they repeat


def likeness(
    comparison: Comparison, kind: Kind, modifiers: tuple[str, ...]
) -> tuple[ProfileMatch, ...]:
    """The profiles that fit, best first."""
    return profiles.rank(observed(comparison, kind, modifiers))


@once
def observed(comparison: Comparison, kind: Kind, modifiers: tuple[str, ...]) -> profiles.Observed:
    """The lines that profiles look at, by place."""
    found: dict[str, dict[str, None]] = {}
    for place, line in _changes(comparison):
        found.setdefault(place, {})[line] = None
    own = list(_own_answers(comparison))
    found["own-answer"] = {line: None for response in own for line in _head(response)}
    found["health-check"] = dict.fromkeys(_checks(comparison))
    found["proxy-header"] = dict.fromkeys(_proxy_headers(comparison))
    found["trait"] = dict.fromkeys(traits(comparison, modifiers, own))
    lines = {place: tuple(texts) for place, texts in found.items()}
    # a proxy that reads HTTP is known by the heads it writes, any other by what it does to
    # connections
    compared = (
        len(comparison.request_heads)
        if kind is Kind.L7_PROXY
        else len(comparison.pairs) or len(comparison.connection_pairs)
    )
    return profiles.Observed(kind.value, compared, lines)


def _changes(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """(place, line) of every change; a change with several values gives a line for each."""
    for change in comparison.correlation.changes:
        way = "request" if change.request else "response"
        if change.kind in WRITTEN:
            lines = [change.after, *(f"{change.name}: {value}" for value in change.values)]
            for line in lines:
                yield f"{way}-written", line
                if change.kind is ChangeKind.ADDED:
                    yield f"{way}-added", line
        elif change.kind is ChangeKind.REMOVED:
            yield f"{way}-removed", change.before


def _own_answers(comparison: Comparison) -> Iterator[Response]:
    """Responses that no backend gave."""
    taken = 0
    for unpaired in comparison.correlation.unpaired:
        if (
            unpaired.side == Side.CLIENT
            and unpaired.reason is UnpairedReason.ANSWERED_BY_BALANCER
            and taken < EXAMPLES
        ):
            response = comparison.exchange(Side.CLIENT, unpaired.ref).response
            if response is not None:
                taken += 1
                yield response
    (client, backend), every = comparison.sides, comparison.pairs
    failed = every.ended(AttemptOutcome.RESET, AttemptOutcome.CLOSED, AttemptOutcome.TIMEOUT)
    failed &= client.responses.there[every.client] & ~backend.responses.there[every.backend]
    for m in every.where(failed)[: EXAMPLES - taken]:
        if m.client.response is not None:
            yield m.client.response


def _checks(comparison: Comparison) -> Iterator[str]:
    for check in comparison.correlation.health_checks:
        for i in check.exchanges[:3]:
            request = comparison.exchange(Side.BACKEND, Ref(check.point, i)).request
            if request is not None:
                yield from _head(request)


def _proxy_headers(comparison: Comparison) -> Iterator[str]:
    for trace in comparison.backends:
        for application in trace.applications:
            for header in application.proxy:
                yield f"PROXY v{header.version}"
                yield from (f"PROXY v{header.version} TLV 0x{kind:02X}" for kind, _ in header.tlvs)


def _head(message: Request | Response) -> Iterator[str]:
    if isinstance(message, Request):
        yield f"{message.method} {message.target} {message.version}"
    else:
        yield f"{message.version} {message.status}"
    yield from (line.raw for line in message.lines)
