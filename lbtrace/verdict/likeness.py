"""What was seen → the lines that profiles look at, and the known balancers that fit.

Naming a balancer is a judgement apart from its kind. Traits are sentences about the traffic as a whole, in a fixed wording
(`TRAITS`), so that a rule can match them like any line."""

from __future__ import annotations

from collections.abc import Iterable

from lbtrace import profiles
from lbtrace.case import Case, field_value
from lbtrace.model.http import HeaderLine, Request, Response
from lbtrace.model.net import Side
from lbtrace.model.pairing import ChangeKind, Ref, UnpairedReason
from lbtrace.model.report import Kind, ProfileMatch

TRAITS = (
    "request field names: lower case",
    "request field names: Go canonical, sorted",
    "request field names: as the client wrote them",
    "request version: HTTP/1.0 behind HTTP/1.1",
    "Host: as the client sent it",
    "Host: the backend's",
    "backend connections: one per request",
    "backend connections: reused",
)
PLACE = {
    ChangeKind.ADDED: "added",
    ChangeKind.CHANGED: "changed",
    ChangeKind.DUPLICATED: "repeated",
    ChangeKind.REMOVED: "removed",
}


def likeness(case: Case, kind: Kind, modifiers: tuple[str, ...]) -> tuple[ProfileMatch, ...]:
    """The profiles that fit, best first."""
    found: dict[str, dict[str, None]] = {}
    for change in case.correlation.changes:
        place = PLACE.get(change.kind)
        if place is None:
            continue
        line = change.before if change.kind is ChangeKind.REMOVED else change.after
        found.setdefault(f"{'request' if change.request else 'response'}-{place}", {})[line] = None
    found["own-answer"] = dict.fromkeys(_own_answers(case))
    found["health-check"] = dict.fromkeys(_checks(case))
    found["trait"] = dict.fromkeys([*_traits(case), *(f"modifier: {m}" for m in modifiers)])
    lines = {place: tuple(texts) for place, texts in found.items()}
    return profiles.rank(profiles.Observed(kind.value, len(case.matches), lines))


def _own_answers(case: Case) -> Iterable[str]:
    for unpaired in case.correlation.unpaired:
        if unpaired.side == Side.CLIENT and unpaired.reason is UnpairedReason.ANSWERED_BY_BALANCER:
            response = case.exchange(Side.CLIENT, unpaired.ref).response
            if response is not None:
                yield from _head(response)


def _checks(case: Case) -> Iterable[str]:
    for check in case.correlation.health_checks:
        for i in check.exchanges[:3]:
            request = case.exchange(Side.BACKEND, Ref(check.point, i)).request
            if request is not None:
                yield from _head(request)


def _head(message: Request | Response) -> Iterable[str]:
    if isinstance(message, Request):
        yield f"{message.method} {message.target} {message.version}"
    else:
        yield f"{message.version} {message.status}"
    yield from (line.raw for line in message.lines)


def _traits(case: Case) -> Iterable[str]:
    whole = [(m, m.front.request, m.back.request) for m in case.matches[:2000]]
    both = [(m, a, b) for m, a, b in whole if a is not None and b is not None]
    if not both:
        return
    backs = [b for _, _, b in both]
    client_upper = any(_has_upper(a.lines) for _, a, _ in both)
    if client_upper and not any(_has_upper(b.lines) for b in backs):
        yield TRAITS[0]
    elif all(_go_order(b.lines) for b in backs) and any(not _go_order(a.lines) for _, a, _ in both):
        yield TRAITS[1]
    elif all({line.name for line in a.lines} & {line.name for line in b.lines} for _, a, b in both):
        yield TRAITS[2]
    if all(b.version == "HTTP/1.0" for b in backs) and any(a.version == "HTTP/1.1" for _, a, _ in both):
        yield TRAITS[3]
    if all(field_value(a, "Host") == field_value(b, "Host") for _, a, b in both):
        yield TRAITS[4]
    elif all(_names_backend(field_value(b, "Host"), m.back_connection.server.address) for m, _, b in both):
        yield TRAITS[5]
    connections = {(m.backend.point, m.back.connection) for m, _, _ in both}
    if len(both) > 1:
        yield TRAITS[6] if len(connections) == len(both) else TRAITS[7]


def _has_upper(lines: Iterable[HeaderLine]) -> bool:
    return any(line.name != line.name.lower() for line in lines)


def _names_backend(host: str | None, address: str) -> bool:
    return host is not None and (host == address or host.startswith((f"{address}:", f"[{address}]")))


def _go_order(lines: Iterable[HeaderLine]) -> bool:
    """Host, User-Agent, framing, then the rest sorted, as Go's net/http writes them; every name in canonical case."""
    names = [line.name for line in lines]
    rest = [n for n in names if n not in ("Host", "User-Agent", "Content-Length", "Transfer-Encoding")]
    if rest and rest[-1] == "Accept-Encoding":
        rest = rest[:-1]
    canonical = all(n == "-".join(part[:1].upper() + part[1:].lower() for part in n.split("-")) for n in names)
    return canonical and names[:1] == ["Host"] and rest == sorted(rest)
