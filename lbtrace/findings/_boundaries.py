"""Pairs whose request can be read in two ways → what the packets prove about how each side read it (RFC 9112 §11.2).

    within     the next request on the client's connection begins inside the declared Content-Length, so for the balancer it was body; it
               gave no answer to it, and the backend did
    answers    the backend answered more often than it was asked, on a connection whose bytes were all captured: it found a request in
               what the balancer passed on as one body
    crossed    a client got the answer to what stood on that backend connection before its own request

A connection after such a request is shifted by one: every client's answer is another's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lbtrace.case import Case, Match
from lbtrace.fields import field_value
from lbtrace.model.http import Exchange, Request
from lbtrace.model.net import Side
from lbtrace.model.pairing import Ref


class Hidden(NamedTuple):
    """A request that one side took for a part of another's body. `request` is "" where only its answer shows it."""

    match: Match
    backend: Ref  # the exchange it made behind the balancer
    request: str
    crossed: tuple[tuple[Ref, Ref], ...]  # client exchanges that got another request's answer, and the backend exchange it is from


def hidden(case: Case, doubtful: Sequence[Match]) -> Iterator[Hidden]:
    """The proofs for pairs with an ambiguous request."""
    for m in doubtful:
        found = _within(case, m) or _answers(case, m)
        if found is not None:
            ref, request = found
            yield Hidden(m, ref, request, _crossed(case, m))


def _after(case: Case, side: Side, point: int, e: Exchange) -> list[Exchange]:
    """The exchanges after one on its connection."""
    trace = case.traces(side)[point]
    return [trace.exchanges[i] for i in trace.exchanges_of(e.connection) if i > e.id]


def _within(case: Case, m: Match) -> tuple[Ref, str] | None:
    q = m.front.request
    declared = field_value(q, "Content-Length") if q is not None else None
    if q is None or declared is None or not declared.isdecimal() or len(declared) > 18:
        return None
    end = q.offset + head_length(q) + int(declared)
    following = _after(case, Side.CLIENT, m.pair.client.point, m.front)
    inner = next((e for e in following if e.request is not None), None)
    if inner is None or inner.request is None or inner.request.offset >= end or inner.response is not None:
        return None
    behind = next((e for e in _after(case, Side.BACKEND, m.backend.point, m.back) if e.request is not None), None)
    if behind is None or behind.request is None or behind.response is None:
        return None
    if (behind.request.method, behind.request.target) != (inner.request.method, inner.request.target):
        return None
    return Ref(m.backend.point, behind.id), f"{inner.request.method} {inner.request.target}"


def _answers(case: Case, m: Match) -> tuple[Ref, str] | None:
    connection = case.connection_of(Side.BACKEND, m.backend)
    if connection.from_client.missing or connection.from_server.missing or not connection.syns or m.back.response is None:
        return None
    extra = next((e for e in _after(case, Side.BACKEND, m.backend.point, m.back) if e.request is None and e.response is not None), None)
    return (Ref(m.backend.point, extra.id), "") if extra is not None else None


def _crossed(case: Case, m: Match) -> tuple[tuple[Ref, Ref], ...]:
    """Client exchanges without a partner whose answer is, byte for byte and as the only one, that to another request on the connection."""
    later = _after(case, Side.BACKEND, m.backend.point, m.back)
    answers: dict[str, list[Exchange]] = {}
    for x in later:
        if x.response is not None and x.response.body.complete and x.response.body.length and x.response.body.digest:
            answers.setdefault(x.response.body.digest, []).append(x)
    asked = {(x.request.method, x.request.target) for x in later if x.request is not None}
    out = []
    for u in case.correlation.unpaired:
        e = case.exchange(Side.CLIENT, u.ref) if u.side == Side.CLIENT else None
        if e is None or e.request is None or e.response is None or not e.response.body.digest:
            continue
        same = answers.get(e.response.body.digest, [])
        if len(same) == 1 and (e.request.method, e.request.target) in asked and not _asks(same[0], e.request):
            out.append((u.ref, Ref(m.backend.point, same[0].id)))
    return tuple(out)


def _asks(e: Exchange, q: Request) -> bool:
    return e.request is not None and (e.request.method, e.request.target) == (q.method, q.target)


def head_length(q: Request) -> int:
    """The bytes of a request's head, with lines that end in CRLF."""
    start = len(q.method) + 1 + len(q.target) + 1 + len(q.version) + 2
    return start + sum(len(line.raw) + 2 for line in q.lines) + 2
