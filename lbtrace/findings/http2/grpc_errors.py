"""gRPC calls that failed.

Meaning:
    A gRPC call ends with a status of its own, grpc-status, in the trailers or, where there is no
    body, in the head of the response. HTTP says 200 either way, so an access log that shows only
    HTTP shows no error. UNAVAILABLE, DEADLINE_EXCEEDED, INTERNAL, UNKNOWN, RESOURCE_EXHAUSTED,
    UNIMPLEMENTED and DATA_LOSS are failures of a server or of something on the way; the others
    are answers, as 404 is one.
Decided by:
    grpc-status on both sides of a pair: the backend made it if it has the same one there, the
    balancer if the backend had answered with another one or with none. A whole answer of gRPC
    without any status has lost its trailers: the client makes an error of that.
    In one capture a status that came when the client end had closed is what the server made of a
    caller that left: it is no failure of the server.
Evidence:
    The frames that hold the status, or end the answers without one, on both sides.
Remedy:
    UNAVAILABLE: no healthy backend, or a connection that broke; such calls can be sent again.
    DEADLINE_EXCEEDED: the call took longer than grpc-timeout, or than a limit of the balancer.
    Trailers lost: let every hop speak HTTP/2 and pass trailers on.
Variants:
    backend: the backend ended the call, and the balancer passed it on.
    balancer: the balancer ended it.
    open: the packets do not show who did.
    seen: in one capture.
    no-status, no-status-client, no-status-backend: whole answers without a status.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.findings._calls import OK, calls, ends_of, named, of_exchanges, of_grpc
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._own import own_answers
from lbtrace.findings._side import named as side_name
from lbtrace.findings._side import told, variant
from lbtrace.findings._streams import answered
from lbtrace.http_fields import Meaning, fields_of
from lbtrace.http_fields.quoting import short
from lbtrace.model.grpc import FAILURES, GrpcStatus
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import NEVER
from lbtrace.tables.grpc_calls import NONE
from lbtrace.tables.side_table import SideTable

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = tuple(sorted(fields_of(Meaning.CALL_STATUS)))
ONE_CAPTURE = True
HTTP_OK = 200
REMEDY = {
    GrpcStatus.UNAVAILABLE: "Look for backends that were down, or connections that broke, at "
    "these moments; such calls can be sent again.",
    GrpcStatus.DEADLINE_EXCEEDED: "Compare how long these calls took with grpc-timeout and with "
    "the limits of the balancer.",
    GrpcStatus.RESOURCE_EXHAUSTED: "Look at limits of rate, memory and message size.",
    GrpcStatus.UNIMPLEMENTED: "The path is no method of the server that answered: look at how "
    "calls are routed.",
}
GONE = (
    "The client end had left when these calls failed: find out why they take longer than it waits, "
    "or let it wait longer (grpc-timeout of the caller, grpc_read_timeout in nginx, timeout of a "
    "route in Envoy)."
)
ELSE = "Look for these calls in the log of who ended them."
TRAILERS = "Let every hop speak HTTP/2 and pass trailers on: gRPC says there how a call ended."


def find(comparison: Comparison) -> Iterator[Finding]:
    """Errors by who made them, then answers without a status."""
    side = comparison.captured[0]
    held, numbers = calls(comparison, side)
    status = of_exchanges(comparison, side, "status")
    failed = np.flatnonzero(status > OK)
    if len(failed):
        if comparison.alone:
            yield _told(comparison, side, "seen", failed, len(held))
        else:
            yield from _by_maker(comparison, failed, len(numbers))
    for each in comparison.captured:
        yield from _without_status(comparison, each)


def _by_maker(comparison: Comparison, failed: Column, of: int) -> Iterator[Finding]:
    """The errors that clients got, by who made them."""
    client, backend = comparison.sides
    got, given = (of_exchanges(comparison, side, "status") for side in Side)
    m = comparison.pairs
    made = np.full(len(client), "open", object)
    there = m.where(m.answered & backend.responses.there[m.backend] & (got[m.client] > OK))
    same = got[there.client] == given[there.backend]
    made[there.client[same]] = "backend"
    whole = answered(backend, there.backend) & backend.responses.whole_heads[there.backend]
    made[there.client[~same & whole & there.alone]] = "balancer"
    own = own_answers(comparison)
    made[own.exchange] = "balancer"
    for name in ("backend", "balancer", "open"):
        rows = failed[made[failed] == name]
        if len(rows):
            behind = there.backend[same & (made[there.client] == name)]
            frames = ends_of(comparison, Side.BACKEND, behind, FRAMES_PER_SIDE)
            yield _told(comparison, Side.CLIENT, name, rows, of, frames)


WHO = {
    "seen": "{count} of {of} gRPC calls ended with an error: {statuses}.",
    "backend": "The backend ended {count} of {of} gRPC calls with an error, and the balancer "
    "passed it on: {statuses}.",
    "balancer": "The balancer itself ended {count} of {of} gRPC calls with an error: {statuses}.",
    "open": "{count} of {of} gRPC calls ended with an error: {statuses}. The packets do not show "
    "who made it.",
}


def _told(
    comparison: Comparison,
    side: Side,
    name: str,
    rows: Column,
    of: int,
    behind: list[FrameRef] | None = None,
) -> Finding:
    held, numbers = calls(comparison, side)
    status = of_exchanges(comparison, side, "status")[rows]
    messages = {
        held.messages[i] for i in held.message[np.isin(numbers, rows)].tolist() if held.messages[i]
    }
    said = _said(sorted(messages))
    hidden = int((comparison.table(side).responses.start[rows] == HTTP_OK).sum())
    gone = _left_before(comparison.table(side), rows) & comparison.alone
    failures = np.isin(status, FAILURES)
    grave, left = status[failures & ~gone], int(gone.sum())
    for_nobody = not len(grave) and bool(failures.any())
    return KIND.finding(
        name,
        Severity.MEDIUM if len(grave) else Severity.LOW if for_nobody else Severity.INFO,
        Confidence.CERTAIN if name == "seen" else Confidence.HIGH,
        WHO[name]
        + (" In {left} of them the client end had closed before." if left else "")
        + (" HTTP said 200 in {hidden} of them." if hidden else "")
        + (" grpc-message: {said}." if said else ""),
        [*ends_of(comparison, side, rows, FRAMES_PER_SIDE), *(behind or ())],
        note="the frames that hold grpc-status",
        remedy=REMEDY.get(GrpcStatus(int(grave[0])), ELSE)
        if len(grave)
        else GONE
        if for_nobody
        else "",
        count=len(rows),
        of=of,
        statuses=named(status.tolist()),
        left=left or None,
        hidden=hidden or None,
        said=said or None,
    ).about(comparison.asked(side, rows))


def _left_before(table: SideTable, rows: Column) -> Column:
    """Which of these calls got their status when their client end had closed, or reset, its
    connection.
    """
    ended = table.responses.last_ns[rows]
    found = np.zeros(len(rows), bool)
    for name in ("fin_ns", "rst_ns"):
        at = table.of_ends(name, server=False)[table.connection[rows]]
        found |= (at != NEVER) & (at < ended)
    return found


def _said(messages: list[str]) -> str:
    """The first of the messages that can be quoted."""
    return next((text for message in messages if (text := short(message))), "")


def _without_status(comparison: Comparison, side: Side) -> Iterator[Finding]:
    """Whole answers of gRPC without a status."""
    table = comparison.table(side)
    held, numbers = calls(comparison, side)
    none = numbers[held.status == NONE]
    r = table.responses
    none = none[answered(table, none) & r.complete[none] & (r.start[none] == HTTP_OK)]
    none = none[r.whole_heads[none]]  # the status may be in what cannot be read of the head
    none = none[table.whole_connections[table.connection[none]]]
    none = none[of_grpc(table.words, r)[none]]
    if not len(none):
        return
    yield KIND.finding(
        variant(comparison, "no-status", side),
        Severity.MEDIUM,
        Confidence.HIGH,
        told(
            comparison,
            "{count} of {of} answers to gRPC calls ended without grpc-status on the {side} side: "
            "their trailers were dropped, or never written.",
        ),
        ends_of(comparison, side, none, FRAMES_PER_SIDE),
        note="the last frames of the answers",
        remedy=TRAILERS,
        count=len(none),
        of=int(r.there[numbers].sum()),
        side=side_name(comparison, side),
    ).about(comparison.asked(side, none))
