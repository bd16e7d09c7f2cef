"""Connection reuse.

Meaning:
    How many connections carry how many requests on each side: whether the balancer keeps backend
    connections open, whether one backend connection serves several clients, who closes connections,
    and how long a backend connection was idle before it was reused.
Decided by:
    Counts of distinct SYNs (a retransmitted SYN is the same attempt) and of requests, without
    health checks. A side without SYNs gives no ratio; its connections are counted as already open.
    Sharing is counted over pairs that are not interchangeable. It is reported if pairs of high
    confidence show it, or if it is frequent: a single wrong pair would look like sharing. Backend
    connections from addresses that no paired connection uses may come directly from a client, so
    they are left out of idle times and of who closes.
Evidence:
    SYNs on both sides; for sharing, requests of different clients on one backend connection.
Remedy:
    One backend connection for each request costs a handshake each time. Turn on keep-alive towards
    the backend (nginx before 1.29.7 needs `keepalive`, `proxy_http_version 1.1` and an empty
    Connection field).
Variants:
    client, backend, counted: SYNs and requests of a side, or of one capture.
    shared: one backend connection for several clients.
    closed, closed-client, closed-backend: which end closes first.
    idle: how long connections were silent before they were used again.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison, Pairs, confidence_of
from lbtrace.comparison.claims import ns
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import ends, named, told, variant
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity, SideCounts
from lbtrace.tables.columns import Column, distinct, first_met, median_low
from lbtrace.tables.connections import NEVER
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import joint

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.SYN, FramePart.END, FramePart.START_LINE, FramePart.TIME)
ONE_CAPTURE = True
NOBODY, CLIENT, SERVER = -1, 0, 1
_NO_FRAME = np.iinfo(np.int64).max
CROSSING_PERCENT = (
    25  # of the backend connections, before pairs of MEDIUM confidence show that they are shared
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """The ratio of each side, sharing, who closes, idle time before reuse."""
    for side in comparison.captured:
        counts = comparison.counts(side)
        if counts.requests:
            yield _ratio(comparison, counts)
    if not comparison.alone:
        yield from _sharing(comparison)
    yield from _closing(comparison)
    yield from _idle(comparison)


def _ratio(comparison: Comparison, counts: SideCounts) -> Finding:
    most = max(n for n, _ in counts.requests_per_connection)
    if counts.syns == 0:
        statement = (
            "No SYN of {already_open} connections on the {side} side was captured. {requests} "
            "requests used {connections} of them, so there is no ratio of SYNs to requests."
        )
    else:
        statement = (
            "{syns} SYN : {requests} requests on the {side} side, over {connections} connections "
            "with at most {most} on one."
            + (
                " The SYN of {already_open} connections was not captured."
                if counts.already_open
                else ""
            )
        )
    return KIND.finding(
        variant(comparison, "", counts.side) or "counted",
        Severity.INFO,
        Confidence.CERTAIN,
        told(comparison, statement),
        _openings(comparison, counts.side),
        side=named(comparison, counts.side),
        syns=counts.syns,
        requests=counts.requests,
        connections=counts.http_connections,
        most=most,
        already_open=counts.already_open,
    )


def _openings(comparison: Comparison, side: Side) -> list[FrameRef]:
    """The beginnings of the first few connections that were used, of each capture point."""
    used = comparison.used(side) & ~(
        comparison.check_connections if side is Side.BACKEND else np.False_
    )
    table = comparison.table(side)
    return [
        frame
        for first, of_point in zip(table.first_connection, table.connections, strict=True)
        for frame in comparison.opening_frames(
            side, first + np.flatnonzero(used[first : first + len(of_point)])
        )
    ]


def _sharing(comparison: Comparison) -> Iterator[Finding]:
    """One backend connection that carries requests of several client connections: what only a proxy
    that understands requests does.
    """
    pairs = comparison.distinct_pairs
    users = _users(pairs)  # the first match of each two connections
    server = users.backend_connection
    connections, of = first_met(server)
    clients_of = np.bincount(of, minlength=len(connections))
    shared = clients_of[of] > 1
    crossing = int((clients_of[clients_of > 1] - 1).sum())
    sure = _users(pairs.where(pairs.rank >= Confidence.HIGH.rank)).backend_connection
    if not shared.any() or (
        len(distinct(sure)) == len(sure) and crossing * 100 < CROSSING_PERCENT * len(connections)
    ):
        return
    groups = users.where(shared)
    widest = users.where(of == clients_of.argmax())
    clients = distinct(comparison.sides[0].client_address[groups.client_connection])
    yield KIND.finding(
        "shared",
        Severity.INFO,
        confidence_of(groups),
        "One backend connection carried requests of up to {most} client connections; "
        "{shared} of {connections} backend connections served more than one"
        + (", of {clients} client addresses." if len(clients) > 1 else "."),
        comparison.request_frames(widest),
        most=len(widest),
        shared=int((clients_of > 1).sum()),
        connections=len(connections),
        clients=len(clients),
    )


def _users(pairs: Pairs) -> Pairs:
    """The first match of each backend connection with each client connection it served."""
    return pairs.where(first_met(joint(pairs.backend_connection, pairs.client_connection))[0])


def _closing(comparison: Comparison) -> Iterator[Finding]:
    """Who ends connections, on each side."""
    for side in comparison.captured:
        skipped = (
            comparison.check_connections | comparison.from_other_clients
            if side is Side.BACKEND
            else np.False_
        )
        closed, frame, time_ns = first_close(comparison.table(side))
        closed = np.where(comparison.used(side) & ~skipped, closed, NOBODY)
        by = [np.flatnonzero(closed == who) for who in (CLIENT, SERVER)]
        if not any(map(len, by)):
            continue
        by_client, by_server = ends(comparison, side)
        if comparison.passes_packets:
            by_client, by_server = "client", "backend"
        yield KIND.finding(
            variant(comparison, "closed", side),
            Severity.INFO,
            Confidence.CERTAIN,
            "The {first} was the first to close in {by_first} cases, the {second} in {by_second}."
            if comparison.alone
            else "On the {side} side the {first} was the first to close in {by_first} cases, the "
            "{second} in {by_second}.",
            (
                comparison.traces(side)[comparison.table(side).connection_ref(c).point].ref(
                    int(frame[c]), int(time_ns[c])
                )
                for c in (*by[0][:3].tolist(), *by[1][:2].tolist())
            ),
            side=named(comparison, side),
            first=by_client,
            by_first=len(by[0]),
            second=by_server,
            by_second=len(by[1]),
        )


def first_close(table: SideTable) -> tuple[Column, Column, Column]:
    """(who, frame, time) of the first FIN or RST of each connection; NOBODY for one that did not
    end in the capture, and for one of which bytes are missing: another end may have come before.
    """
    who, frame, time_ns = (
        np.full(len(table.client_address), value, np.int64) for value in (NOBODY, _NO_FRAME, NEVER)
    )
    for end in (CLIENT, SERVER):
        for name in ("fin", "rst"):
            at, at_ns = (
                table.of_ends(f"{name}_{unit}", end == SERVER).astype(np.int64)
                for unit in ("frame", "ns")
            )
            earlier = (at > 0) & (at_ns != NEVER) & (at < frame)
            earlier &= ~table.of_ends("answers_fin", end == SERVER)
            who[earlier], frame[earlier], time_ns[earlier] = end, at[earlier], at_ns[earlier]
    who[~_is_whole(table)] = NOBODY
    return who, frame, time_ns


def _is_whole(table: SideTable) -> Column:
    """Per connection, whether both ends were captured and neither a byte nor a FIN is missing."""
    out = np.ones(len(table.client_address), bool)
    for end in (False, True):
        out &= (table.of_ends("packets", end) > 0) & (table.of_ends("missing", end) == 0)
        out &= ~table.may_have_closed_before(end)
    return out


def _idle(comparison: Comparison) -> Iterator[Finding]:
    """How long backend connections had been silent when the next request came."""
    side = comparison.captured[-1]
    ages, following = _gaps(comparison, side)
    # a clock that was set tells no silences
    if not len(ages) or not comparison.steady(side):
        return
    longest = int(following[ages == ages.max()].max())
    yield KIND.finding(
        "idle",
        Severity.INFO,
        Confidence.CERTAIN,
        f"{'Connections' if comparison.alone else 'Backend connections'} were used again "
        "({count} times), after {median} of silence in the median and {longest} at most."
        if len(ages) > 1
        else f"A {'' if comparison.alone else 'backend '}connection was used again once, after "
        "{longest} of silence.",
        [comparison.request_frame(side, comparison.table(side).ref(longest))],
        count=len(ages),
        median=ns(median_low(ages)),
        longest=ns(int(ages.max())),
        note="the request after the longest silence",
    )


def _gaps(comparison: Comparison, side: Side) -> tuple[Column, Column]:
    """(how long the connection had been silent, the request that came then), for every connection
    of a side that was used again, but for health checks and other clients.
    """
    table = comparison.table(side)
    order, again = table.next_on_connection
    after = order[again]
    before = order[np.flatnonzero(again) - 1]
    gone = table.responses.last_ns[before]
    counts = (
        table.responses.there[before]
        & table.requests.there[after]
        & (table.requests.first_ns[after] >= gone)
    )
    if side is Side.BACKEND:
        apart = comparison.check_connections | comparison.from_other_clients
        counts &= ~(comparison.check_exchanges[after] | apart[table.connection[after]])
    return (table.requests.first_ns[after] - gone)[counts], after[counts]
