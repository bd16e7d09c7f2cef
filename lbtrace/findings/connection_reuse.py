"""Connection reuse.

Meaning:
    How many connections carry how many requests on each side: whether the balancer keeps backend connections open, whether one backend
    connection serves several clients, who closes connections, and how long a backend connection had been idle when it was used again.
Decided by:
    Counting distinct SYNs (a retransmitted SYN is the same attempt) and requests, health checks left out. A ratio is never made from a side
    without SYN: connections that were open before the capture began are counted as such. Sharing is counted over pairs that stand alone,
    and told when pairs of high confidence show it or when it is no rare thing: a single wrong pair would look like sharing. Who closes and
    idle times leave out backend connections from addresses that no paired connection comes from: those may be straight from a client.
Evidence:
    SYNs on both sides; for sharing, requests of different clients on one backend connection.
Remedy:
    One backend connection per request costs a handshake each time: turn on keep-alive towards the backend (nginx before 1.29.7 needs
    `keepalive`, `proxy_http_version 1.1` and an empty Connection field).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import median_low

from lbtrace.case import RANK, Case, Match, confidence_of, evidence, plural
from lbtrace.findings._counts import count_side
from lbtrace.model.net import Endpoint, FrameRef, Side
from lbtrace.model.pairing import Confidence, Ref
from lbtrace.model.report import Finding, Severity, SideCounts, Value
from lbtrace.model.stream import Connection

TITLE = "Connection reuse"
CROSSING_PERCENT = 25  # of the backend connections, before pairs of MEDIUM confidence show that they are shared


def find(case: Case) -> Iterator[Finding]:
    """The ratio of each side, sharing, who closes, idle time before reuse."""
    for side in Side:
        counts = count_side(side, case.traces(side), case.correlation)
        if counts.requests:
            yield _ratio(case, counts)
    yield from _sharing(case)
    yield from _closing(case)
    yield from _idle(case)


def _ratio(case: Case, counts: SideCounts) -> Finding:
    most = max(n for n, _ in counts.requests_per_connection)
    if counts.syns == 0:
        statement = (
            "On the {side} side no SYN was captured: the connections ({already_open}) were open before the capture began, "
            "and {requests} requests used {connections} of them, so there is no ratio of SYNs to requests."
        )
    else:
        statement = (
            "{side} side: {syns} SYN : {requests} "
            + plural(counts.requests, "request")
            + ", over {connections} "
            + plural(counts.http_connections, "connection")
            + " with at most {most} on one."
            + (" Open before the capture began: {already_open}." if counts.already_open else "")
        )
    return Finding(
        f"connection-reuse.{counts.side.value}",
        TITLE,
        Severity.INFO,
        Confidence.CERTAIN,
        statement,
        (
            Value("side", counts.side.value),
            Value("syns", counts.syns, "count"),
            Value("requests", counts.requests, "count"),
            Value("connections", counts.http_connections, "count"),
            Value("most", most, "count"),
            Value("already_open", counts.already_open, "count"),
        ),
        evidence(_openings(case, counts.side)),
    )


def _openings(case: Case, side: Side) -> list[FrameRef]:
    frames = []
    for point, trace in enumerate(case.traces(side)):
        skipped = case.check_connections if side is Side.BACKEND else frozenset()
        shown = [c for c in trace.connections if Ref(point, c.id) not in skipped and trace.exchanges_of(c.id)]
        frames += [case.connection_frame(side, Ref(point, c.id)) for c in shown[:5]]
    return frames


def _sharing(case: Case) -> Iterator[Finding]:
    """One backend connection that carries requests of several client connections: what only a proxy that understands requests does."""
    users = _users(case.distinct_matches)
    shared = [list(by_client.values()) for by_client in users.values() if len(by_client) > 1]
    crossing = sum(len(group) - 1 for group in shared)
    sure = _users(m for m in case.distinct_matches if RANK[m.pair.confidence] >= RANK[Confidence.HIGH])
    if not shared or (all(len(by_client) == 1 for by_client in sure.values()) and crossing * 100 < CROSSING_PERCENT * len(users)):
        return
    widest = max(shared, key=len)
    clients = {m.front_connection.client.address for group in shared for m in group}
    yield Finding(
        "connection-reuse.shared",
        TITLE,
        Severity.INFO,
        confidence_of([m for group in shared for m in group]),
        "One backend connection carried requests of up to {most} client connections; "
        "{shared} of {connections} backend connections served more than one"
        + (", of {clients} client addresses." if len(clients) > 1 else "."),
        (
            Value("most", len(widest), "count"),
            Value("shared", len(shared), "count"),
            Value("connections", len(users), "count"),
            Value("clients", len(clients), "count"),
        ),
        evidence(case.request_frames(widest)),
    )


def _users(matches: Iterable[Match]) -> dict[tuple[int, int], dict[tuple[int, int], Match]]:
    """Backend connection → the client connections it served, with a match of each."""
    users: dict[tuple[int, int], dict[tuple[int, int], Match]] = {}
    for m in matches:
        users.setdefault((m.backend.point, m.back.connection), {}).setdefault((m.pair.client.point, m.front.connection), m)
    return users


def _closing(case: Case) -> Iterator[Finding]:
    """Who ends connections, on each side."""
    for side in Side:
        skipped = case.check_connections | case.strangers if side is Side.BACKEND else frozenset()
        closed: dict[str, list[FrameRef]] = {"client": [], "server": []}
        for point, trace in enumerate(case.traces(side)):
            for c in trace.connections:
                if Ref(point, c.id) in skipped or not trace.exchanges_of(c.id):
                    continue
                end = first_close(c)
                if end is not None:
                    closed[end[0]].append(trace.ref(end[1], end[2]))
        if not closed["client"] and not closed["server"]:
            continue
        by_client, by_server = ("client", "balancer") if side is Side.CLIENT else ("balancer", "backend")
        if case.passes_packets:
            by_client, by_server = "client", "backend"
        yield Finding(
            f"connection-reuse.closed-{side.value}",
            TITLE,
            Severity.INFO,
            Confidence.CERTAIN,
            "On the {side} side the {first} was the first to close in {by_first} cases, the {second} in {by_second}.",
            (
                Value("side", side.value),
                Value("first", by_client),
                Value("by_first", len(closed["client"]), "count"),
                Value("second", by_server),
                Value("by_second", len(closed["server"]), "count"),
            ),
            evidence([*closed["client"][:3], *closed["server"][:2]]),
        )


def first_close(connection: Connection) -> tuple[str, int, int] | None:
    """(who, frame, time) of the first FIN or RST, None when the connection did not end in the capture."""
    ends = []
    for who, half in (("client", connection.from_client), ("server", connection.from_server)):
        for frame, time_ns in ((half.fin_frame, half.fin_ns), (half.rst_frame, half.rst_ns)):
            if frame is not None and time_ns is not None:
                ends.append((frame, who, time_ns))
    if not ends:
        return None
    frame, who, time_ns = min(ends)
    return who, frame, time_ns


def _idle(case: Case) -> Iterator[Finding]:
    """How long backend connections had been silent when the next request came."""
    idle: list[tuple[int, Ref]] = []
    endpoints: set[Endpoint] = set()
    skipped = case.check_connections | case.strangers
    for point, trace in enumerate(case.backends):
        for connection in trace.connections:
            if Ref(point, connection.id) in skipped:
                continue
            idle += _gaps(case, point, trace.exchanges_of(connection.id))
            endpoints.add(connection.server)
    if not idle:
        return
    ages = sorted(age for age, _ in idle)
    longest = max(idle)
    yield Finding(
        "connection-reuse.idle",
        TITLE,
        Severity.INFO,
        Confidence.CERTAIN,
        "Backend connections were used again ({count} times), after {median} of silence in the median and {longest} at most."
        if len(ages) > 1
        else "A backend connection was used again once, after {longest} of silence.",
        (Value("count", len(ages), "count"), Value("median", median_low(ages), "ns"), Value("longest", ages[-1], "ns")),
        evidence([case.request_frame(Side.BACKEND, longest[1])], "the request after the longest silence"),
    )


def _gaps(case: Case, point: int, ids: Sequence[int]) -> list[tuple[int, Ref]]:
    gaps = []
    exchanges = case.backends[point].exchanges
    for before, after in pairwise(ids):
        last, following = exchanges[before].response, exchanges[after].request
        check = Ref(point, after) in case.check_exchanges
        if not check and last is not None and following is not None and following.first_ns >= last.last_ns:
            gaps.append((following.first_ns - last.last_ns, Ref(point, after)))
    return gaps
