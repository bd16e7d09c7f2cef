"""HTTP/2 connections ended by GOAWAY.

Meaning:
    An end that will take no more streams says so by GOAWAY, and says which was the last one it
    takes. With NO_ERROR the connection ends in order: a server that restarts, that closes a
    connection after so many requests or so much time, or that was idle. Requests on later streams
    were not processed: whoever sent them may send them again on another connection. If nobody does,
    they are lost. With another code the connection failed.
Decided by:
    GOAWAY frames (RFC 9113 §6.8), of each connection and sender the last one: a first one that
    names the highest stream there can be only announces another. If the last has NO_ERROR and one
    before it an error, that error counts. Requests of the client end on
    later streams that got no answer. Such a request came again if one with the same method, target
    and body follows from the same host within ten seconds. Requests on streams that the server
    end still takes, whose answer was cut by the end of the connection, are counted too.
Evidence:
    The GOAWAY frames and the requests behind the last stream.
Remedy:
    Let requests behind the last stream be sent again. Let a server wait for the streams that it
    takes before it closes (nginx: `worker_shutdown_timeout`; Envoy: `drain_timeout`; gRPC:
    `GracefulStop`, `MAX_CONNECTION_AGE_GRACE`). ENHANCE_YOUR_CALM with `too_many_pings`: send
    keepalive pings less often, or let the server permit them (`permit_keepalive_time`).
Variants:
    in-order, in-order-client, in-order-backend: with NO_ERROR.
    error, error-client, error-backend: with another code.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.findings._first_words import openings
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import few
from lbtrace.findings._side import ends, named, told, variant
from lbtrace.findings._streams import (
    CAME_AGAIN,
    Group,
    Steered,
    answered,
    came_again,
    frames_of,
    grouped,
    steered,
    was_reset,
)
from lbtrace.http_fields.quoting import short
from lbtrace.model.http import Mark
from lbtrace.model.http2 import LAST_OF_ALL, ControlKind, Http2Error, error_name
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence, ConnectionBasis
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.words import marked

KIND = FindingKind.of(__name__, __doc__)
ONE_CAPTURE = True
AGAIN = "Let requests behind the last stream of a GOAWAY be sent again: they were not processed."
WAIT = (
    "Let the server end its streams before it closes (nginx: worker_shutdown_timeout; Envoy: "
    "drain_timeout; gRPC: GracefulStop)."
)
FAILED = "Look at the log of the end that sent the GOAWAY."
CALM = (
    "The client asks too much: too many pings, settings or resets. For gRPC, send keepalive pings "
    "less often, or let the server permit them."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a side, sender and code."""
    for side in comparison.captured:
        strangers = _strangers(comparison, side)
        goaways = [
            each
            for each in steered(comparison, side, ControlKind.GOAWAY)
            if each.number not in strangers
        ]
        for group, those in grouped(_last(comparison, side, goaways)).items():
            yield _told(comparison, side, group, those)


def _strangers(comparison: Comparison, side: Side) -> set[int]:
    """The connections whose other end speaks no HTTP/2: see protocol-mismatch."""
    return {o.number for o in openings(comparison, side) if o.application.mismatch}


def _last(comparison: Comparison, side: Side, goaways: list[Steered]) -> list[Steered]:
    """Of each connection and sender what its last GOAWAY says of streams, with the code that an
    earlier one gave, if the last has none: an end that fails may close in order afterwards. What a
    balancer that copies bytes passed on is told of the backend.
    """
    last: dict[tuple[int, bool], Steered] = {}
    for each in goaways:
        key = each.number, each.frame.from_client
        known = last.get(key)
        if known and known.frame.code != Http2Error.NO_ERROR == each.frame.code:
            frame = known.frame._replace(value=each.frame.value)
            last[key] = known._replace(frame=frame)
        else:
            last[key] = each
    if side is Side.CLIENT and not comparison.alone:
        pairs = comparison.joined_connections
        copied = ~pairs.by(ConnectionBasis.EXCHANGES, ConnectionBasis.TIME)
        behind = {
            (each.number, each.frame.from_client, each.frame.code, each.frame.text)
            for each in steered(comparison, Side.BACKEND, ControlKind.GOAWAY)
        }
        for front, twin, same in zip(
            pairs.client.tolist(), pairs.backend.tolist(), copied.tolist(), strict=True
        ):
            for key in ((front, True), (front, False)):
                # a proxy that ends HTTP/2 sends a GOAWAY of its own, but not another's words
                own = last[key].frame if key in last else None
                said = own and (twin, own.from_client, own.code, own.text)
                if said in behind and own and (same or own.text):
                    del last[key]
    return list(last.values())


def _told(comparison: Comparison, side: Side, group: Group, those: list[Steered]) -> Finding:
    table, (client, server) = comparison.table(side), ends(comparison, side)
    above, after, below = _left(comparison, side, those)
    again = came_again(table, above, after) if above else 0
    harmed, failed = again < len(above) or len(below) > 0, group.code != Http2Error.NO_ERROR
    texts = [short(s.frame.text) for s in those if s.frame.text]
    statement = (
        "The {sender} ended {count} HTTP/2 {count:connection|connections} on the {side} side by "
        "GOAWAY with {code}"
    )
    statement += ": {said}." if any(texts) else "."
    statement += (
        " {above} requests came on streams behind the last one it takes, and got no answer."
        + CAME_AGAIN
        if above
        else ""
    )
    statement += (
        " {below} answers to requests that it had taken {below:was|were} cut short by the end of "
        "the connection."
        if len(below)
        else ""
    )
    return KIND.finding(
        variant(comparison, "error" if failed else "in-order", side),
        Severity.MEDIUM if harmed or failed else Severity.INFO,
        Confidence.CERTAIN,
        told(comparison, statement),
        [*_shown(comparison, side, above), *frames_of(comparison, side, those)],
        note="the requests behind the last stream, and the GOAWAY frames",
        remedy=_remedy(group.code, again < len(above), len(below) > 0),
        sender=client if group.from_client else server,
        count=len(those),
        side=named(comparison, side),
        code=error_name(group.code),
        said=few(filter(None, texts)) if any(texts) else None,
        above=len(above) or None,
        again=again if above else None,
        below=len(below) or None,
    ).about(comparison.asked(side, np.concatenate((np.array(above, np.int64), below))))


def _left(
    comparison: Comparison, side: Side, those: list[Steered]
) -> tuple[list[int], list[int], Column]:
    """(the requests behind the last stream that got no answer, when each was told so; the requests
    that were taken, and whose answer the end of the connection cut short).
    """
    table = comparison.table(side)
    cut = marked(table.marks | table.responses.marks, Mark.RESET, Mark.CLOSED)
    reset, whole = was_reset(comparison, side), table.whole_connections
    above: list[int] = []
    after: list[int] = []
    below = [np.zeros(0, np.int64)]
    for each in those:
        if each.frame.from_client or not whole[each.number]:
            continue
        rows = np.array(table.by_connection[each.number], np.int64)
        rows = rows[(table.stream[rows] % 2 == 1) & table.requests.there[rows]]
        last = LAST_OF_ALL if each.frame.value is None else each.frame.value
        behind = (table.stream[rows] > last) & ~table.responses.there[rows]
        above += rows[behind].tolist()
        # what was asked later is sent again at once, what was asked before when GOAWAY comes
        asked = table.requests.first_ns[rows[behind]]
        after += np.maximum(asked, each.frame.time_ns).tolist()
        taken = rows[table.stream[rows] <= last]
        taken = taken[~answered(table, taken) & cut[taken]]
        below.append(taken[~reset[taken]])
    return above, after, np.concatenate(below)


def _shown(comparison: Comparison, side: Side, rows: list[int]) -> list[FrameRef]:
    table = comparison.table(side)
    return [comparison.request_frame(side, table.ref(r)) for r in rows[: FRAMES_PER_SIDE // 2]]


def _remedy(code: int, lost: bool, cut: bool) -> str:
    if code == Http2Error.ENHANCE_YOUR_CALM:
        return CALM
    if code != Http2Error.NO_ERROR:
        return FAILED
    return AGAIN if lost else WAIT if cut else ""
