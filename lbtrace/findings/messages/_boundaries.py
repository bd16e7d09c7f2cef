"""Pairs whose request can be understood in two ways → what the packets prove about how each side
understood it (RFC 9112 §11.2).

    within     The next request on the client's connection begins inside the declared
               Content-Length, so the balancer took it for body. The balancer did not answer it;
               the backend did.
    answers    The backend sent more responses than it got requests, on a connection whose bytes
               were all captured: it found a request inside one body that the balancer passed on.
    crossed    A client got the response to a request that was on this backend connection before
               its own.

After such a request the connection is shifted by one: every client gets another client's response.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import Comparison, Pair, Pairs
from lbtrace.comparison.sides import NO_EXCHANGE, following
from lbtrace.http_fields import CONTENT_LENGTH
from lbtrace.http_fields.lines import field_value
from lbtrace.model.http import Exchange, Request
from lbtrace.model.net import Side
from lbtrace.model.pairing import Ref
from lbtrace.tables.columns import Column


class Hidden(NamedTuple):
    """A request that one side took for a part of another's body. `request` is "" where only its
    answer shows it.
    """

    pair: Pair
    backend: Ref  # the exchange it made behind the balancer
    request: str


def hidden(comparison: Comparison, doubtful: Pairs) -> Iterator[Hidden]:
    """The proofs for pairs with an ambiguous request."""
    client, backend = comparison.sides
    within, inner, behind = _within(comparison, doubtful)
    answers, extra = _answers(comparison, doubtful)
    for row in np.flatnonzero(within | answers).tolist():
        m, request = (
            doubtful[row],
            client.exchange(int(inner[row])).request if within[row] else None,
        )
        if (
            request is not None
            and m.client.request is not None
            and request.offset < _declared_end(m.client.request)
        ):
            yield Hidden(m, backend.ref(int(behind[row])), f"{request.method} {request.target}")
        elif answers[row]:
            yield Hidden(m, backend.ref(int(extra[row])), "")


def _within(comparison: Comparison, m: Pairs) -> tuple[Column, Column, Column]:
    """(whether the next request on the client's connection got no answer, but the same one on the
    backend's did; the two).
    """
    client, backend = comparison.sides
    q, p = client.requests, backend.requests
    inner, behind = following(client, q.there)[m.client], following(backend, p.there)[m.backend]
    same = (q.start[inner] == p.start[behind]) & (q.method[inner] == p.method[behind])
    there = (inner != NO_EXCHANGE) & (behind != NO_EXCHANGE)
    return (
        there & same & ~client.responses.there[inner] & backend.responses.there[behind],
        inner,
        behind,
    )


def _declared_end(q: Request) -> int:
    """Where in its stream the body of a request ends as its Content-Length says, 0 where it says
    nothing.
    """
    declared = field_value(q, CONTENT_LENGTH)
    if declared is None or not declared.isdecimal() or len(declared) > 18:
        return 0
    return q.offset + head_length(q) + int(declared)


def _answers(comparison: Comparison, m: Pairs) -> tuple[Column, Column]:
    """(whether the backend answered more often than it was asked, on a connection that was captured
    whole; the answer too many).
    """
    backend = comparison.sides[1]
    whole = backend.of_connections("syns") > 0
    for server in (False, True):
        whole &= backend.of_ends("missing", server) == 0
    extra = following(backend, ~backend.requests.there & backend.responses.there)[m.backend]
    return whole[m.backend_connection] & backend.responses.there[m.backend] & (
        extra != NO_EXCHANGE
    ), extra


def crossed(comparison: Comparison, m: Pair) -> tuple[tuple[Ref, Ref], ...]:
    """(client exchange without a partner that got another request's answer, byte for byte and as
    the only one; the backend exchange that answer is from, on the connection of a match).
    """
    backend = comparison.sides[1]
    match = backend.first_of[m.backend_ref.point] + m.backend_ref.id
    on_it = backend.by_connection[int(backend.connection[match])]
    later = [backend.exchange(b) for b in on_it if b > match]
    answers: dict[str, list[Exchange]] = {}
    for x in later:
        if (
            x.response is not None
            and x.response.body.complete
            and x.response.body.length
            and x.response.body.digest
        ):
            answers.setdefault(x.response.body.digest, []).append(x)
    asked = {(x.request.method, x.request.target) for x in later if x.request is not None}
    out = []
    for u in comparison.correlation.unpaired:
        e = comparison.exchange(Side.CLIENT, u.ref) if u.side == Side.CLIENT else None
        if e is None or e.request is None or e.response is None or not e.response.body.digest:
            continue
        same = answers.get(e.response.body.digest, [])
        if (
            len(same) == 1
            and (e.request.method, e.request.target) in asked
            and not _asks(same[0], e.request)
        ):
            out.append((u.ref, Ref(m.backend_ref.point, same[0].id)))
    return tuple(out)


def _asks(e: Exchange, q: Request) -> bool:
    return e.request is not None and (e.request.method, e.request.target) == (q.method, q.target)


def head_length(q: Request) -> int:
    """The bytes of a request's head, with lines that end in CRLF."""
    start = len(q.method) + 1 + len(q.target) + 1 + len(q.version) + 2
    return start + sum(len(line.raw) + 2 for line in q.lines) + 2
