"""gRPC calls: time limits and repeated attempts.

Meaning:
    A gRPC caller says in grpc-timeout how long it will wait, and the server stops working on a call
    when that time is over. A balancer that drops it lets servers work for callers that have left;
    one that makes it shorter ends calls early. grpc-previous-rpc-attempts says that a client sends
    a call again.
Decided by:
    grpc-timeout in both requests of pairs that stand alone, and grpc-previous-rpc-attempts in the
    requests of clients. A timeout that is shorter by no more than the time that passed between the
    two requests is the same.
Evidence:
    The requests on both sides.
Remedy:
    Timeout dropped: let the balancer pass grpc-timeout on. Shorter: look at its limits (Envoy:
    `max_grpc_timeout`, `max_stream_duration`).
Variants:
    timeout-dropped: the backend got none.
    timeout-changed: the backend got another one.
    retried, retried-client, retried-backend: calls that were sent again.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison, confidence_of
from lbtrace.comparison.claims import ns
from lbtrace.findings._calls import calls, of_exchanges
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import named, told, variant
from lbtrace.http_fields import Meaning, fields_of
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.grpc_calls import NONE

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = tuple(sorted(fields_of(Meaning.CALL_LIMIT)))
ONE_CAPTURE = True
PASS_ON = "Let the balancer pass grpc-timeout on: servers stop working when nobody waits any more."


def find(comparison: Comparison) -> Iterator[Finding]:
    """What the balancer does to timeouts; then repeated attempts, per side."""
    if not comparison.alone:
        yield from _timeouts(comparison)
    for side in comparison.captured:
        yield from _retried(comparison, side)


def _timeouts(comparison: Comparison) -> Iterator[Finding]:
    client, backend = comparison.sides
    front, behind = (of_exchanges(comparison, side, "timeout_ns") for side in Side)
    pairs = comparison.request_heads
    limited = pairs.where((front[pairs.client] != NONE) & pairs.alone)
    before, after = front[limited.client], behind[limited.backend]
    dropped = limited.where((after == NONE) & backend.requests.whole_heads[limited.backend])
    if len(dropped):
        yield KIND.finding(
            "timeout-dropped",
            Severity.LOW,
            confidence_of(dropped),
            "{count} of {of} gRPC calls with grpc-timeout {count:reaches|reach} the backend "
            "without it.",
            comparison.request_frames(dropped[:FRAMES_PER_SIDE]),
            remedy=PASS_ON,
            count=len(dropped),
            of=len(limited),
        )
    shorter = before - after
    # how long the balancer held them is not known to the clock of either side
    spent = np.maximum(client.responses.last_ns - client.requests.first_ns, 0)[limited.client]
    other = (after != NONE) & ((shorter < 0) | (shorter > spent))
    changed = limited.where(other)
    if len(changed):
        yield KIND.finding(
            "timeout-changed",
            Severity.INFO,
            confidence_of(changed),
            "The balancer changes grpc-timeout in {count} of {of} calls; in the first of them from "
            "{before} to {after}.",
            comparison.request_frames(changed[:FRAMES_PER_SIDE]),
            note="the requests on both sides",
            count=len(changed),
            of=len(limited),
            before=ns(int(before[other][0])),
            after=ns(int(after[other][0])),
        )


def _retried(comparison: Comparison, side: Side) -> Iterator[Finding]:
    """Calls that say that they were sent before."""
    held, numbers = calls(comparison, side)
    again = held.previous_attempts > 0
    rows = numbers[again]
    if not len(rows):
        return
    table = comparison.table(side)
    yield KIND.finding(
        variant(comparison, "retried", side),
        Severity.INFO,
        Confidence.CERTAIN,
        told(
            comparison,
            "{count} of {of} gRPC calls on the {side} side say that they were sent before, up to "
            "{most} times.",
        ),
        [comparison.request_frame(side, table.ref(row)) for row in rows[:FRAMES_PER_SIDE].tolist()],
        count=len(rows),
        of=len(numbers),
        side=named(comparison, side),
        most=int(held.previous_attempts.max()),
    )
