"""Framing and desynchronisation.

Meaning:
    A message whose end can be understood in two ways (Content-Length with Transfer-Encoding, two
    lengths, a bare line feed, …), and whether the two sides did understand it differently. If one
    client request becomes two backend requests, this is request smuggling on the wire: the
    balancer's rules never saw the second request, and the next client may get its response.
Decided by:
    Requests marked as ambiguous on either side. The sides disagree if the client's body and the
    backend's body differ in length although no coding was changed, and a request without a client
    follows on the same backend connection. If nothing was marked as ambiguous, this request must
    also fit into the missing bytes.
Evidence:
    The request on both sides, and the additional request on the backend side.
Remedy:
    Let the balancer refuse ambiguous messages (RFC 9112 §6.1, §6.3), and close the backend
    connection after each one that it lets through.
Variants:
    smuggled: one client request became two backend requests.
    let-through: requests that can be read in two ways went through.
    made: the balancer made such a request of a plain one.
    response: responses that can be read in two ways reached clients.
    response-mended: the backend sent such responses, and the balancer wrote them anew.
    crossed-answers: clients got answers to requests of others.
    refused: the balancer refused such requests.
    seen-requests, seen-responses: such messages in one capture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import (
    FRAMES_PER_SIDE,
    Comparison,
    Pair,
    Pairs,
    confidence_of,
    field_values,
)
from lbtrace.comparison.claims import size
from lbtrace.comparison.sides import NO_EXCHANGE, following
from lbtrace.findings._kind import FindingKind
from lbtrace.findings.messages._boundaries import Hidden, crossed, hidden
from lbtrace.http_fields import CONTENT_ENCODING, Meaning, fields_of
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import NO_CONTENT, Exchange, Mark, Request
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence, Ref, UnpairedReason
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, among
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import MARKS

AMBIGUOUS = MARKS[Mark.AMBIGUOUS_FRAMING]
UNSURE = sum(MARKS[mark] for mark in (Mark.RESYNCED, Mark.LOST))  # its bytes were not all captured
KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.FRAMING)
ONE_CAPTURE = True
REMEDY = (
    "Let the balancer refuse ambiguous messages, and close backend connections after any it "
    "lets through (RFC 9112 §6.3)."
)
SEEN_REMEDY = (
    "Mend what sends them: one Content-Length or Transfer-Encoding, and no bytes after the end."
)
RESPONSE_REMEDY = (
    "Mend the backend: one Content-Length or Transfer-Encoding, and no bytes after the end."
)


class _Split(NamedTuple):
    pair: Pair
    extra: Ref
    request: Request


def find(comparison: Comparison) -> Iterator[Finding]:
    """Smuggling seen, then ambiguous messages that were let through, refused, or merely sent."""
    if comparison.alone:
        yield from _seen(comparison)
        return
    splits = list(_splits(comparison))
    for split in splits[:5]:
        yield _smuggled(comparison, split)
    named = {s.pair.place for s in splits}
    alone = comparison.distinct_pairs
    sent, got = _ambiguous(comparison, alone)
    proven = list(hidden(comparison, alone.where((sent | got) & _not_named(alone, named))))
    for proof in proven[:5]:
        yield from _proven(comparison, proof)
    named |= {proof.pair.place for proof in proven}
    sent, got = _ambiguous(comparison, comparison.pairs)
    sent &= _not_named(comparison.pairs, named)
    passed, still = comparison.pairs.where(sent), comparison.pairs.where(sent & got)
    if len(passed):
        yield KIND.finding(
            "let-through",
            Severity.HIGH if still else Severity.MEDIUM,
            confidence_of(passed),
            "Requests whose end can be read in two ways went through the balancer ({count})"
            + (
                ", which wrote them anew: behind it they are not ambiguous."
                if not len(still)
                else " and are still ambiguous behind it."
                if len(still) == len(passed)
                else ", and {still} of them are still ambiguous behind it."
            ),
            comparison.request_frames(still if len(still) else passed),
            count=len(passed),
            still=len(still) if 0 < len(still) < len(passed) else None,
            remedy=REMEDY,
        )
    heads = comparison.request_heads
    sent, got = _ambiguous(comparison, heads)
    made = heads.where(got & ~sent & _not_named(heads, named))
    if len(made):
        yield KIND.finding(
            "made",
            Severity.HIGH,
            confidence_of(made),
            "Requests whose end can be read in two ways behind the balancer, and in one only in "
            "front of it: {count}.",
            comparison.request_frames(made),
            count=len(made),
            remedy=REMEDY,
        )
    yield from _responses(comparison)
    yield from _alone(comparison)


def _seen(comparison: Comparison) -> Iterator[Finding]:
    """Ambiguous messages of one capture, of ends that it has every byte of."""
    (side,) = comparison.captured
    table = comparison.table(side)
    for messages, server, frame in (
        (table.requests, False, comparison.request_frame),
        (table.responses, True, comparison.response_frame),
    ):
        odd = messages.there & ((messages.marks & AMBIGUOUS) > 0) & (messages.marks & UNSURE == 0)
        rows = np.flatnonzero(odd & (table.of_ends("missing", server) == 0)[table.connection])
        if len(rows):
            empty = _followed(table, rows) if server else 0
            yield KIND.finding(
                "seen-responses" if server else "seen-requests",
                Severity.LOW,
                Confidence.HIGH,
                ("Responses" if server else "Requests")
                + " whose end can be read in two ways: {count}."
                + _of_no_body(empty),
                (frame(side, table.ref(row)) for row in rows[:FRAMES_PER_SIDE].tolist()),
                count=len(rows),
                empty=empty or None,
                remedy=SEEN_REMEDY if server else REMEDY,
            ).about(comparison.asked(side, rows))


def _followed(table: SideTable, rows: Column) -> int:
    """How many of these responses have a status without a body, and bytes behind it."""
    r = table.responses
    return int((np.isin(r.start[rows], NO_CONTENT) & (r.length[rows] > 0)).sum())


def _of_no_body(empty: int) -> str:
    """What is said of them."""
    return (
        " {empty} of them {empty:has|have} a status without a body (204 or 304), and bytes follow."
        if empty
        else ""
    )


def _responses(comparison: Comparison) -> Iterator[Finding]:
    """Ambiguous responses of the backend: those that reached a client as they were, and those that
    the balancer wrote anew.
    """
    m, (front, answers) = comparison.pairs, (side.responses for side in comparison.sides)
    sent = m.where(
        m.answered & answers.there[m.backend] & ((answers.marks[m.backend] & AMBIGUOUS) > 0)
    )
    passed = (front.marks[sent.client] & AMBIGUOUS) > 0
    for as_it_was in (True, False):
        those = sent.where(passed == as_it_was)
        if not len(those):
            continue
        empty = _followed(comparison.sides[1], those.backend)
        yield KIND.finding(
            "response" if as_it_was else "response-mended",
            Severity.MEDIUM if as_it_was else Severity.LOW,
            confidence_of(those),
            "Responses of the backend whose end can be read in two ways reached clients: {count}."
            + _of_no_body(empty)
            if as_it_was
            else "The backend sent responses whose end can be read in two ways ({count})."
            + _of_no_body(empty)
            + " What the balancer sent to the clients can be read in one way only.",
            comparison.response_frames(those),
            count=len(those),
            empty=empty or None,
            remedy=RESPONSE_REMEDY,
        )


def _ambiguous(comparison: Comparison, pairs: Pairs) -> tuple[Column, Column]:
    """Which requests can be read in two ways, in front of the balancer and behind it. An ambiguous
    response is another finding.
    """
    client, backend = comparison.sides
    return (client.requests.marks[pairs.client] & AMBIGUOUS) > 0, (
        backend.requests.marks[pairs.backend] & AMBIGUOUS
    ) > 0


def _not_named(pairs: Pairs, named: set[int]) -> Column:
    return ~among(pairs.place, np.array(sorted(named), np.int64))


def _is_ambiguous(exchange: Exchange) -> bool:
    return exchange.request is not None and Mark.AMBIGUOUS_FRAMING in exchange.request.marks


def _splits(comparison: Comparison) -> Iterator[_Split]:
    """Pairs whose body is read differently and that are followed, on their backend connection, by a
    request no client sent.
    """
    (client, backend), alone = comparison.sides, comparison.distinct_pairs
    known = (UnpairedReason.HEALTH_CHECK, UnpairedReason.OUTSIDE_OTHER_CAPTURE)
    lonely = [
        u.ref
        for u in comparison.correlation.unpaired
        if u.side == Side.BACKEND and u.reason not in known
    ]
    without = np.zeros(len(backend), bool)
    without[comparison.numbers(Side.BACKEND, lonely)] = True
    without &= backend.requests.there
    after = following(backend, np.ones(len(backend), bool))[alone.backend]
    q, p = client.requests, backend.requests
    shrank = (
        q.there[alone.client]
        & p.there[alone.backend]
        & q.complete[alone.client]
        & p.complete[alone.backend]
    )
    shrank &= (q.length[alone.client] > p.length[alone.backend]) & (after != NO_EXCHANGE)
    rows = np.flatnonzero(shrank & without[after])
    coding, recoded, _ = field_values(comparison, CONTENT_ENCODING).of(alone.where(rows))
    rows = rows[coding == recoded]
    for m, extra in zip(alone.where(rows), after[rows].tolist(), strict=True):
        request = backend.exchange(extra).request
        assert request is not None
        if _is_ambiguous(m.client) or _is_ambiguous(m.backend) or _fits(m, request):
            yield _Split(m, backend.ref(extra), request)


def _fits(pair: Pair, extra: Request) -> bool:
    """Whether the head of another request can have been among the bytes of the body that are
    missing behind the balancer.
    """
    assert pair.client.request is not None
    assert pair.backend.request is not None
    start = len(f"{extra.method} {extra.target} {extra.version}") + 2
    missing = pair.client.request.body.length - pair.backend.request.body.length
    return start + sum(len(line.raw) + 2 for line in extra.lines) + 2 <= missing


def _smuggled(comparison: Comparison, split: _Split) -> Finding:
    m = split.pair
    assert m.client.request is not None
    assert m.backend.request is not None
    frames: list[FrameRef] = [
        *comparison.request_frames([m]),
        comparison.request_frame(Side.BACKEND, split.extra),
    ]
    return KIND.finding(
        "smuggled",
        Severity.CRITICAL,
        Confidence.HIGH
        if _is_ambiguous(m.client) or _is_ambiguous(m.backend)
        else Confidence.MEDIUM,
        "One client request became two backend requests: {method} {target} has a body of {front} "
        "in front of the balancer "
        "and of {back} behind it, and {smuggled} follows on the same backend connection without a "
        "client.",
        frames,
        method=m.client.request.method,
        target=m.client.request.target,
        front=size(m.client.request.body.length),
        back=size(m.backend.request.body.length),
        smuggled=f"{split.request.method} {split.request.target}",
        note=_framing_lines(m.client.request),
        remedy=REMEDY,
    )


def _proven(comparison: Comparison, proof: Hidden) -> Iterator[Finding]:
    m = proof.pair
    assert m.client.request is not None
    shown = comparison.request_frame if proof.request else comparison.response_frame
    method, target = m.client.request.method, m.client.request.target
    astray = crossed(comparison, m)
    yield KIND.finding(
        "smuggled",
        Severity.CRITICAL,
        _sure(m) if astray or not proof.request else Confidence.MEDIUM,
        "One client request became two backend requests: what the balancer took for the body of "
        "{method} {target} and answered once, "
        "the backend read as another request"
        + (
            ", {smuggled}, and answered too."
            if proof.request
            else ": it answered more often than it was asked."
        ),
        [*comparison.request_frames([m]), shown(Side.BACKEND, proof.backend)],
        method=method,
        target=target,
        smuggled=proof.request or None,
        note=_framing_lines(m.client.request),
        remedy=REMEDY,
    )
    if astray:
        frames = [
            f
            for c, b in astray[:3]
            for f in (
                comparison.response_frame(Side.CLIENT, c),
                comparison.response_frame(Side.BACKEND, b),
            )
        ]
        yield KIND.finding(
            "crossed-answers",
            Severity.CRITICAL,
            _sure(m),
            "After {method} {target}, clients got the answers to requests that were not theirs: "
            "{count}.",
            frames,
            method=method,
            target=target,
            count=len(astray),
            remedy=REMEDY,
        )


def _framing_lines(request: Request) -> str:
    """The lines of a head that say where its message ends."""
    return "; ".join(
        line.raw for line in request.lines if line.name.lower() in fields_of(Meaning.FRAMING)
    )


def _sure(pair: Pair) -> Confidence:
    """That of a pair on its own."""
    return max(
        pair.found.confidence,
        Confidence.LOW if pair.found.group is None else Confidence.MEDIUM,
    )


def _alone(comparison: Comparison) -> Iterator[Finding]:
    """Ambiguous client requests that have no backend exchange: refused, or unpaired."""
    client, own = comparison.sides[0], UnpairedReason.ANSWERED_BY_BALANCER
    answered = comparison.numbers(
        Side.CLIENT,
        [
            u.ref
            for u in comparison.correlation.unpaired
            if u.reason is own and u.side == Side.CLIENT
        ],
    )
    refused = answered[(client.requests.marks[answered] & AMBIGUOUS) > 0]
    if len(refused):
        yield KIND.finding(
            "refused",
            Severity.INFO,
            Confidence.HIGH,
            "The balancer did not pass on requests whose end can be read in two ways ({count}).",
            (
                comparison.request_frame(Side.CLIENT, client.ref(e))
                for e in refused[:FRAMES_PER_SIDE].tolist()
            ),
            count=len(refused),
        )
