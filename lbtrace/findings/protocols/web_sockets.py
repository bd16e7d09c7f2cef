"""WebSockets, and how they ended.

Meaning:
    An end that closes a WebSocket says so by a Close frame, with a code. Where TCP ends without
    one, the other end sees a broken connection (1006): something on the way cut it. If that happens
    after the same silence again and again, it is an idle limit: balancers close a connection on
    which nothing was sent for some time, and a WebSocket counts.
Decided by:
    Close frames (RFC 6455 §5.5.1, §7.4) and the FIN or RST that came first, on connections that
    were captured whole. The silence is the time from the last byte of either end. Three or more
    that were cut after the same silence (to a tenth), of five seconds or more, were cut by an idle
    limit.
Evidence:
    The Close frames; or the FIN or RST that cut.
Remedy:
    Let an end send pings more often than the idle limit, or raise it (nginx: `proxy_read_timeout`;
    HAProxy: `timeout tunnel`; Envoy: `idle_timeout` of the route and the stream; AWS: idle timeout
    of the load balancer). For a code other than 1000 and 1001, look at the log of who closed.
Variants:
    closed, closed-client, closed-backend: with a code.
    failed, failed-client, failed-backend: with a code that says that something failed.
    cut, cut-client, cut-backend: without a Close frame. Where all were silent before, the problem
        is told as an idle limit.
    idle, idle-client, idle-backend: without one, by an idle limit.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import NamedTuple

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.comparison.claims import ns
from lbtrace.comparison.unanswered import IDLE_NS
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import counted
from lbtrace.findings._side import ends, named, told, variant
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.model.stream import Direction
from lbtrace.model.trace import Trace
from lbtrace.model.websocket import WebSocket, close_name

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.END, FramePart.TIME)
ONE_CAPTURE = True
LEAST_NS = 5_000_000_000  # shorter silences are no idle limit
SAME = 10  # silences are the same when they differ by less than this part of the longest
FEW = 3
FAILED = frozenset(range(1002, 1016)) - {1005}  # codes from 3000 on mean what programs agreed on
PINGS = (
    "Let an end send pings more often than that, or raise the idle limit (nginx: "
    "proxy_read_timeout; HAProxy: timeout tunnel; Envoy: idle_timeout)."
)
LOOK = "Look at the log of who closed."
WHO_CUT = "Look at what happened to the end that closed, or to what is between the two."


class _Ended(NamedTuple):
    """How a WebSocket ended. `by_client`: the client end closed it, or cut it. `code`: None when it
    was cut.
    """

    frame: FrameRef
    by_client: bool
    code: int | None
    silent_ns: int


def find(comparison: Comparison) -> Iterator[Finding]:
    """Per side and end, those that it closed with a code, and those that it cut."""
    passed_on = _passed_on(comparison)
    for side in comparison.captured:
        ended = list(_endings(comparison, side, passed_on.get(side, frozenset())))
        of = sum(len(trace.web_sockets) for trace in comparison.traces(side))
        for by_client in (True, False):
            mine = [e for e in ended if e.by_client == by_client]
            groups = {
                "closed": [e for e in mine if e.code is not None and e.code not in FAILED],
                "failed": [e for e in mine if e.code in FAILED],
                **_cut([e for e in mine if e.code is None]),
            }
            for name, those in groups.items():
                if those:
                    yield _told(comparison, side, name, those, of)


def _cut(cut: list[_Ended]) -> dict[str, list[_Ended]]:
    """Those that were cut, by whether an idle limit did it."""
    silences = [e.silent_ns for e in cut]
    idle = len(cut) >= FEW and min(silences) >= LEAST_NS
    idle = idle and SAME * (max(silences) - min(silences)) <= max(silences)
    return {"idle": cut if idle else [], "cut": [] if idle else cut}


def _passed_on(comparison: Comparison) -> dict[Side, set[int]]:
    """Per side, the exchanges whose WebSocket the balancer's end closed there. A balancer passes
    Close frames on: it made one itself only if the other side, captured whole, does not show it.
    """
    if comparison.alone:
        return {}
    pairs = comparison.all_pairs
    behind = dict(zip(pairs.client.tolist(), pairs.backend.tolist(), strict=True))
    partner = {Side.CLIENT: behind, Side.BACKEND: {b: c for c, b in behind.items()}}
    closes = {side: _first_closes(comparison, side) for side in Side}
    whole = {side: {row for row, _, _ in _whole(comparison, side)} for side in Side}
    passed_on: dict[Side, set[int]] = {side: set() for side in Side}
    for side, other in ((Side.CLIENT, Side.BACKEND), (Side.BACKEND, Side.CLIENT)):
        balancer_is_client = side is Side.BACKEND
        for row, closed in closes[side].items():
            by_client, _ = closed
            there = partner[side].get(row)
            its_own = there in whole[other] and closes[other].get(there) != closed
            if by_client == balancer_is_client and not its_own:
                passed_on[side].add(row)
    return passed_on


def _first_closes(comparison: Comparison, side: Side) -> dict[int, tuple[bool, int | None]]:
    """The exchanges that opened a WebSocket which was closed → whether the client end closed it
    first, and with which code.
    """
    table = comparison.table(side)
    found: dict[int, tuple[bool, int | None]] = {}
    for trace, first in zip(comparison.traces(side), table.first_connection, strict=True):
        for held in trace.web_sockets:
            closed = _closed(trace, held)
            if closed is not None:
                row = table.tunnel(first + held.connection, held.stream)
                found[row] = closed.by_client, closed.code
    return found


def _whole(comparison: Comparison, side: Side) -> Iterator[tuple[int, Trace, WebSocket]]:
    """(the exchange that opened it, trace, WebSocket) of each that was captured whole."""
    table = comparison.table(side)
    whole = table.whole_connections
    for trace, first in zip(comparison.traces(side), table.first_connection, strict=True):
        for held in trace.web_sockets:
            number = first + held.connection
            if held.client.whole and held.server.whole and whole[number]:
                yield table.tunnel(number, held.stream), trace, held


def _endings(comparison: Comparison, side: Side, passed_on: Container[int]) -> Iterator[_Ended]:
    """How each WebSocket ended of which that is known, without those that were `passed_on`."""
    for row, trace, held in _whole(comparison, side):
        if row not in passed_on:
            ended = _closed(trace, held) or _broken(trace, held)
            if ended is not None:
                yield ended


def _closed(trace: Trace, held: WebSocket) -> _Ended | None:
    """The first Close frame."""
    said = [
        (end.close_ns, end.close_frame, by_client, end.close_code)
        for by_client, end in ((True, held.client), (False, held.server))
        if end.close_ns is not None and end.close_frame is not None
    ]
    if not said:
        return None
    time_ns, frame, by_client, code = min(said)
    return _Ended(trace.ref(frame, time_ns), by_client, code, 0)


def _broken(trace: Trace, held: WebSocket) -> _Ended | None:
    """The FIN or RST that came first, without a Close frame. The stream of HTTP/2 has none."""
    if held.stream is not None:
        return None
    connection = trace.connections[held.connection]
    ways = (True, connection.from_client), (False, connection.from_server)
    over = [(*way.ended, by_client) for by_client, way in ways if way.ended is not None]
    if not over:
        return None
    time_ns, frame, by_client = min(over)
    last = max(_last_ns(way) for _, way in ways)
    return _Ended(trace.ref(frame, time_ns), by_client, None, max(time_ns - last, 0))


def _last_ns(way: Direction) -> int:
    return way.last_payload_ns or 0


STATEMENT = {
    "closed": "The {sender} closed {count} of {of} WebSockets on the {side} side: {codes}.",
    "failed": "The {sender} closed {count} of {of} WebSockets on the {side} side because something "
    "failed: {codes}.",
    "cut": "The {sender} ended {count} of {of} WebSockets on the {side} side without a Close "
    "frame, after up to {longest} of silence.",
    "idle": "The {sender} ended {count} of {of} WebSockets on the {side} side without a Close "
    "frame, each after {shortest} to {longest} of silence: an idle limit.",
}
SEVERITY = {
    "closed": Severity.INFO,
    "failed": Severity.MEDIUM,
    "cut": Severity.LOW,
    "idle": Severity.INFO,
}
REMEDY = {"closed": "", "failed": LOOK, "cut": WHO_CUT, "idle": PINGS}


def _told(comparison: Comparison, side: Side, name: str, those: list[_Ended], of: int) -> Finding:
    client, server = ends(comparison, side)
    coded = those[0].code is not None
    silences = [e.silent_ns for e in those]
    return KIND.finding(
        variant(comparison, name, side),
        # what was silent before is told as a problem by `idle_limits`
        Severity.INFO if name == "cut" and min(silences) >= IDLE_NS else SEVERITY[name],
        Confidence.HIGH if name == "idle" else Confidence.CERTAIN,
        told(comparison, STATEMENT[name]),
        [e.frame for e in those[:FRAMES_PER_SIDE]],
        note="the Close frames" if coded else "the FIN or RST that came first",
        remedy=REMEDY[name],
        sender=client if those[0].by_client else server,
        count=len(those),
        of=of,
        side=named(comparison, side),
        codes=counted(close_name(e.code or 0) for e in those) if coded else None,
        shortest=ns(min(silences)) if name == "idle" else None,
        longest=None if coded else ns(max(silences)),
    )
