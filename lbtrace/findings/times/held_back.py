"""Body held back.

Meaning:
    The balancer passes a body on only when it has all of it (buffering). For requests: an upload
    reaches the backend only after the client has sent everything. For responses: events that the
    backend sends one by one (server-sent events, long polling, progress) reach the client late and
    in one piece.
Decided by:
    The times of the first and the last byte on both sides, for bodies that were sent over a fifth
    of a second or longer. A request was held back if the backend got it in a quarter of the time or
    less, and not before the client had sent its last byte. A response was held back if its first
    byte came later, by half of the time that the backend sent for or more, and the client got it in
    half of that time or less; or if it came in at least three parts and left in a head and one
    part. Parts are told apart by pauses of a tenth of a second; streams of HTTP/2 pause each for
    itself.
Evidence:
    The requests, or the responses, on both sides.
Remedy:
    For requests: `proxy_request_buffering off` (nginx), if the backend is to get uploads as they
    come. For responses: `proxy_buffering off` or the response field `X-Accel-Buffering: no`
    (nginx), `flushpackets=on` (Apache); do not compress text/event-stream.
Variants:
    request: an upload.
    response: an event stream, or any other answer that is sent bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import Comparison, Pairs, confidence_of, once
from lbtrace.comparison.arrival import parts, spread_ns
from lbtrace.comparison.claims import ns
from lbtrace.comparison.latency import NO_CLOCK, on_client_clock
from lbtrace.findings._event_streams import event_streams, events_in
from lbtrace.findings._kind import FindingKind
from lbtrace.http_fields import CONTENT_ENCODING
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.messages import Messages

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.TIME)
OF_DURATIONS = True
LONG_NS = 200_000_000  # bodies that are sent faster are held back by nothing that one would notice
NOTICED_NS = 1_000_000_000  # who waits so long asks where the time goes
UPLOADS = (
    "The balancer buffers requests; if the backend is to get uploads as they come, turn that off "
    "(nginx: proxy_request_buffering off)."
)
STREAMS = (
    "The balancer buffers responses: turn that off for these (nginx: proxy_buffering off, or the "
    "response field X-Accel-Buffering: no; Apache: flushpackets=on)"
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """Requests that were held back, then responses."""
    yield from _requests(comparison)
    yield from _responses(comparison)


@once
def requests_held(comparison: Comparison) -> tuple[Pairs, Column]:
    """The pairs whose request was sent slowly, and which of them the balancer held back."""
    client, backend = comparison.sides
    timed = comparison.timed
    timed = timed.where(timed.alone)
    slow = timed.where(spread_ns(client.requests, timed.client) >= LONG_NS)
    sent = spread_ns(client.requests, slow.client)
    passed_on = spread_ns(backend.requests, slow.backend)
    asked, width = on_client_clock(comparison, slow, backend.requests.first_ns[slow.backend])
    after = (width == NO_CLOCK) | (asked + width >= client.requests.last_ns[slow.client])
    return slow, (4 * passed_on <= sent) & after


def _requests(comparison: Comparison) -> Iterator[Finding]:
    client, backend = comparison.sides
    slow, held = requests_held(comparison)
    if not held.any():
        return
    pairs = slow.where(held)
    sent = spread_ns(client.requests, pairs.client)
    passed_on = spread_ns(backend.requests, pairs.backend)
    yield KIND.finding(
        "request",
        Severity.LOW if sent.max() >= NOTICED_NS else Severity.INFO,
        confidence_of(pairs),
        "The balancer asked the backend only when it had the whole request (request buffering), in "
        "{count} of {of} requests that clients sent slowly. They took up to {sent} to send what "
        "the backend then got in {passed_on} at most.",
        comparison.request_frames(pairs),
        remedy=UPLOADS,
        count=len(pairs),
        of=len(slow),
        sent=ns(int(sent.max())),
        passed_on=ns(int(passed_on.max())),
    )


class _Sent(NamedTuple):
    """Pairs whose response was sent slowly: how long it came and was sent for, when its first byte
    was there on each side, in how many parts it came and was sent; which of them were held back.
    """

    pairs: Pairs
    front: Column
    behind: Column
    waits: Column
    answers: Column
    arrived: Column
    sent: Column
    held: Column


@once
def responses_held(comparison: Comparison) -> _Sent:
    """The pairs whose response was sent slowly, and which of them the balancer held back."""
    client, backend = comparison.sides
    timed = comparison.timed
    timed = timed.where(timed.alone)
    slow = timed.where(spread_ns(backend.responses, timed.backend) >= LONG_NS)
    front, behind = (
        spread_ns(table.responses, rows)
        for table, rows in ((client, slow.client), (backend, slow.backend))
    )
    waits = _first_byte(client.requests, client.responses, slow.client)
    answers = _first_byte(backend.requests, backend.responses, slow.backend)
    arrived, sent = (
        parts(table, table.responses, rows)
        for table, rows in ((client, slow.client), (backend, slow.backend))
    )
    at_once = (2 * (waits - answers) >= behind) & (2 * front <= behind)
    after_head = (sent > 2) & (arrived == 2) & (2 * front >= behind)
    return _Sent(slow, front, behind, waits, answers, arrived, sent, at_once | after_head)


def _responses(comparison: Comparison) -> Iterator[Finding]:
    backend = comparison.sides[1]
    slow, front, behind, waits, answers, arrived, sent, held = responses_held(comparison)
    if not held.any():
        return
    pairs, shown = slow.where(held), int(np.flatnonzero(held)[0])
    events = int(event_streams(backend.words, backend.responses)[pairs.backend].sum())
    packed = _packed(comparison, pairs)
    told, apart = events_in(comparison, Side.BACKEND, pairs.backend) or (0, 0)
    yield KIND.finding(
        "response",
        Severity.MEDIUM if events or (sent[held] > 2).any() else Severity.LOW,
        confidence_of(pairs),
        "The balancer held {count} of {of} slow responses back (response buffering)"
        + (", {events} of them event streams" if events else "")
        + ". The first byte reached the client after {wait}, the backend had sent it after "
        "{answer}; what the backend sent over {behind}"
        + (" in {sent} parts" if sent[shown] else "")
        + " came "
        + ("in one piece." if arrived[shown] == 1 else "over {front}.")
        + (
            " The backend sent {told} events in these streams, {apart} apart at most."
            if told > 1
            else ""
        )
        + (" The balancer compressed {packed} of them." if packed else ""),
        comparison.response_frames(pairs),
        note="the responses; the times are those of the first",
        remedy=STREAMS + ("; do not compress them." if packed else "."),
        count=len(pairs),
        of=len(slow),
        events=events or None,
        wait=ns(int(waits[shown])),
        answer=ns(int(answers[shown])),
        behind=ns(int(behind[shown])),
        front=ns(int(front[shown])),
        sent=int(sent[shown]) or None,
        arrived=int(arrived[shown]) or None,
        packed=packed or None,
        told=told if told > 1 else None,
        apart=ns(apart) if told > 1 else None,
    )


def _first_byte(requests: Messages, responses: Messages, rows: Column) -> Column:
    """From the last byte of the request to the first byte of the response."""
    waited: Column = np.maximum(responses.first_ns[rows] - requests.last_ns[rows], 0)
    return waited


def _packed(comparison: Comparison, pairs: Pairs) -> int:
    """How many responses have a content coding in front of the balancer only."""
    client, backend = comparison.sides
    front, behind = (
        table.responses.having(client.words, CONTENT_ENCODING)[rows]
        for table, rows in ((client, pairs.client), (backend, pairs.backend))
    )
    return int((front & ~behind).sum())
