"""Regular HTTP/2 PINGs.

Meaning:
    An end that sends a PING again and again keeps a connection open through whatever forgets idle
    flows, and learns soon when the other end is gone. Pings that are too frequent are taken for an
    attack (GOAWAY with ENHANCE_YOUR_CALM); pings that are slower than the shortest idle limit on
    the way help nothing. Many servers count only requests: pings do not keep them from closing.
Decided by:
    PING frames that acknowledge nothing (RFC 9113 §6.7), by connection and sender, on connections
    of which no byte is missing. They are regular if there are three or more, evenly apart. Pings
    that follow the traffic, by which a library measures a round trip, are not told. The other end
    answers each in turn; one was not acknowledged if no acknowledgement came within a second and
    the capture went on for longer. Closed in spite of pings: the other end closed a second or more
    after the last request was answered.
Evidence:
    The PING frames; those that were not acknowledged; the FIN or RST.
Remedy:
    Period: `GRPC_ARG_KEEPALIVE_TIME_MS` and what the server permits (gRPC), `connection_keepalive`
    (Envoy). Limits: `keepalive_timeout` (nginx), `timeout http-keep-alive` (HAProxy),
    `idle_timeout` (Envoy).
Variants:
    client, backend: on that side.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.comparison.claims import ns
from lbtrace.comparison.unanswered import IDLE_NS
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends, named, told, variant
from lbtrace.findings.connections.connection_reuse import CLIENT, NOBODY, first_close
from lbtrace.findings.connections.idle_limits import waiting
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http2 import ControlKind
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, group_starts
from lbtrace.tables.control_frames import ControlFrames
from lbtrace.tables.pace import pace

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.TIME, FramePart.END)
ONE_CAPTURE = True
OF_DURATIONS = True
ANSWER_NS = 1_000_000_000  # longer than any round trip
GONE = (
    "The end that was asked was gone, or something on the way had forgotten the connection: see "
    "what happened there at that time."
)


class _Closes(NamedTuple):
    """Per connection: who closed it first, where and when; whether a request on it was waiting."""

    who: Column
    frame: Column
    time_ns: Column
    busy: Column


class _Pinged(NamedTuple):
    """A connection on which one end sent PINGs evenly. `left`: the last ones, if they were not
    acknowledged; `missed`: whether the capture shows that. `limit_ns`: how long after the last
    request the other end closed it, None if it did not.
    """

    pings: list[FrameRef]
    period_ns: int
    left: list[FrameRef]
    missed: bool
    limit_ns: int | None
    close: FrameRef | None


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a side and sender."""
    for side in comparison.captured:
        for from_client in (True, False):
            those = list(_pinged(comparison, side, from_client))
            if those:
                yield _told(comparison, side, from_client, those)


def _pinged(comparison: Comparison, side: Side, from_client: bool) -> Iterator[_Pinged]:
    table = comparison.table(side)
    closes = None
    for trace, first in zip(comparison.traces(side), table.first_connection, strict=True):
        frames = ControlFrames.of(trace.control).of_kind(ControlKind.PING)
        asked = frames.where(~frames.ack & (frames.from_client == from_client))
        acks = frames.where(frames.ack & (frames.from_client != from_client))
        begins = [*group_starts(asked.connection).tolist(), len(asked)]
        for begin, end in pairwise(begins):
            pings = asked[begin:end]
            period, even = pace([ping.time_ns for ping in pings])
            number = pings[0].connection
            if not even or not period or not table.whole_connections[first + number]:
                continue
            closes = closes or _Closes(*first_close(table), waiting(table))
            own = slice(*np.searchsorted(acks.connection, (number, number + 1)).tolist())
            answered = int((acks.time_ns[own] >= pings[0].time_ns).sum())
            refs = [trace.ref(ping.frame, ping.time_ns) for ping in pings]
            left = refs[answered:]
            yield _Pinged(
                refs,
                period,
                left,
                bool(left) and _goes_on(trace, closes, first + number, left[0].time_ns),
                *_closed(comparison, side, closes, first + number, from_client),
            )


def _goes_on(trace: Trace, closes: _Closes, number: int, since_ns: int) -> bool:
    """Whether a connection, and the capture, go on for long enough after a PING to show that no
    acknowledgement came.
    """
    ends = trace.last_ns if closes.who[number] == NOBODY else int(closes.time_ns[number])
    return ends - since_ns > ANSWER_NS


def _closed(
    comparison: Comparison, side: Side, closes: _Closes, number: int, from_client: bool
) -> tuple[int | None, FrameRef | None]:
    """How long after the last request the end that is asked closed a connection, and where."""
    table = comparison.table(side)
    rows = np.array(table.by_connection[number], np.int64)
    other = 1 - CLIENT if from_client else CLIENT
    if closes.who[number] != other or not len(rows) or closes.busy[number]:
        return None, None
    last = max(int(table.responses.last_ns[rows].max()), int(table.requests.last_ns[rows].max()))
    closed_ns = int(closes.time_ns[number])
    if closed_ns - last < IDLE_NS:
        return None, None
    trace = comparison.traces(side)[table.connection_ref(number).point]
    return closed_ns - last, trace.ref(int(closes.frame[number]), closed_ns)


def _told(comparison: Comparison, side: Side, from_client: bool, those: list[_Pinged]) -> Finding:
    sender, receiver = ends(comparison, side)[:: 1 if from_client else -1]
    least, most = (pick(each.period_ns for each in those) for pick in (min, max))
    differ = most - least > least // 100  # else both are written alike
    missed = sum(len(each.left) for each in those if each.missed)
    each_answered = not any(each.left for each in those)
    limits = [each.limit_ns for each in those if each.limit_ns is not None]
    return KIND.finding(
        variant(comparison, "", side),
        Severity.LOW if missed else Severity.INFO,
        Confidence.HIGH,
        told(comparison, "The {sender} sent a PING every {least}")
        + (" to {most}" if differ else "")
        + told(
            comparison,
            " on {count} HTTP/2 {count:connection|connections} on the {side} side, {pings} in all.",
        )
        + (" {missed} of them {missed:was|were} not acknowledged." if missed else "")
        + (" Each was acknowledged." if each_answered else "")
        + (
            " The {receiver} closed {closed} of these connections all the same, {limit}"
            + (" or more" if len(limits) > 1 else "")
            + " after the last request was answered."
            if limits
            else ""
        ),
        _frames(those),
        note="the PINGs" + (", those without an acknowledgement" if missed else ""),
        remedy=GONE if missed else "",
        sender=sender,
        receiver=receiver if limits else None,
        least=ns(least),
        most=ns(most) if differ else None,
        count=len(those),
        side=named(comparison, side),
        pings=sum(len(each.pings) for each in those),
        missed=missed or None,
        closed=len(limits) or None,
        limit=ns(min(limits)) if limits else None,
    )


def _frames(those: list[_Pinged]) -> Iterator[FrameRef]:
    """What was not acknowledged, and how a connection was closed in spite of PINGs; then PINGs."""
    special = [ref for each in those if each.missed for ref in each.left]
    special += [each.close for each in those if each.close is not None]
    shown = list(islice(dict.fromkeys(special), 2))
    yield from shown
    yield from those[0].pings[: FRAMES_PER_SIDE - len(shown)]
