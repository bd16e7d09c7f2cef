"""Keep-alive race.

Meaning:
    A request was sent on a connection that its server had already begun to close: neither side is wrong, but the request fails, and the
    client may get a 502. It happens when the server's idle time limit is not longer than the sender's.
Decided by:
    On either side, a request whose first byte follows the server's FIN (certain), or a request after a silence of a second or more that is
    answered by nothing but FIN or RST at once (likely). A pipelined request had no silence before it.
Evidence:
    The FIN or RST and the request, with the silence before it.
Remedy:
    Let the side that sends requests give up idle connections first: the idle time limit of the backend must be longer than the balancer's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lbtrace.case import Case, evidence, plural
from lbtrace.model.http import Exchange, Mark
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence, Ref
from lbtrace.model.report import Finding, Severity, Value
from lbtrace.model.trace import Trace

TITLE = "Keep-alive race"
IDLE_NS = 1_000_000_000  # shorter silences are ordinary traffic; a close then has another cause
AT_ONCE_NS = 250_000_000  # an answer of FIN or RST within a long round trip
REMEDY = "Make the server's idle time limit longer than that of the side that sends the requests."


class _Race(NamedTuple):
    frames: tuple[FrameRef, FrameRef]
    idle_ns: int
    certain: bool
    closed_after_ns: int | None = None  # silence after which the server sent its FIN


def find(case: Case) -> Iterator[Finding]:
    """At most one finding a side, naming the idle times seen."""
    for side in Side:
        races = [race for point, trace in enumerate(case.traces(side)) for race in _races(case, side, point, trace)]
        if not races:
            continue
        sender, server = ("client", "balancer") if side is Side.CLIENT else ("balancer", "backend")
        longest = longest_idle_ns(case, side)
        closed = [r.closed_after_ns for r in races if r.closed_after_ns is not None]
        yield Finding(
            f"keep-alive-race.{side.value}",
            TITLE,
            Severity.HIGH if side is Side.BACKEND else Severity.LOW,
            Confidence.HIGH if any(r.certain for r in races) else Confidence.MEDIUM,
            "Sent on a connection that the {server} had begun to close: {count} "
            + plural(len(races), "request")
            + ", after {shortest} of silence"
            + (" or more" if len(races) > 1 else "")
            + (" (the {server} had closed after {closed_after}). " if closed else ". ")
            + (
                "The longest silence after which a request still succeeded was {longest}, so the {sender} keeps idle connections longer "
                "than the {server} does."
                if longest is not None
                else "The {sender} keeps idle connections longer than the {server} does."
            ),
            (
                Value("count", len(races), "count"),
                Value("sender", sender),
                Value("server", server),
                Value("shortest", min(r.idle_ns for r in races), "ns"),
                *((Value("longest", longest, "ns"),) if longest is not None else ()),
                *((Value("closed_after", min(closed), "ns"),) if closed else ()),
            ),
            evidence(f for r in races[:2] for f in r.frames),
            REMEDY,
        )


def _races(case: Case, side: Side, point: int, trace: Trace) -> Iterator[_Race]:
    for c in trace.connections:
        server = c.from_server
        if server.fin_frame is None and server.rst_frame is None:
            continue
        ids = trace.exchanges_of(c.id)
        for number, i in enumerate(ids):
            e = trace.exchanges[i]
            if e.request is None or e.response is not None:
                continue
            idle = _silence_ns(trace, ids, number)
            request = case.request_frame(side, Ref(point, i))
            if server.fin_frame is not None and server.fin_ns is not None and server.fin_frame < e.request.first_frame:
                # with a response before the FIN the connection was idle; without one it was refused service at once
                if number and Mark.PIPELINED not in e.request.marks:
                    after = server.fin_ns - (e.request.first_ns - idle)
                    yield _Race((trace.ref(server.fin_frame, server.fin_ns), request), idle, True, after if after >= 0 else None)
                continue
            frame, at = (server.fin_frame, server.fin_ns) if server.fin_frame is not None else (server.rst_frame, server.rst_ns)
            if number and frame is not None and at is not None and idle >= IDLE_NS and 0 <= at - e.request.last_ns <= AT_ONCE_NS:
                yield _Race((request, trace.ref(frame, at)), idle, False)


def _silence_ns(trace: Trace, ids: Sequence[int], number: int) -> int:
    """How long the connection had been silent before its n-th request."""
    request = trace.exchanges[ids[number]].request
    if not number or request is None:
        return 0
    before: Exchange = trace.exchanges[ids[number - 1]]
    last = (
        before.response.last_ns
        if before.response is not None
        else before.request.last_ns
        if before.request is not None
        else request.first_ns
    )
    return max(request.first_ns - last, 0)


def longest_idle_ns(case: Case, side: Side) -> int | None:
    """The longest silence after which a request on the same connection was answered."""
    longest = None
    for trace in case.traces(side):
        for c in trace.connections:
            ids = trace.exchanges_of(c.id)
            for number in range(1, len(ids)):
                if trace.exchanges[ids[number]].response is not None and trace.exchanges[ids[number]].request is not None:
                    silence = _silence_ns(trace, ids, number)
                    longest = silence if longest is None else max(longest, silence)
    return longest
