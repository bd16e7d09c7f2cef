"""What happened behind the balancer while a client waited: connections refused, unanswered, reset
or closed under a request.

Which event it was is a column, an index of SLUGS or NO_EVENT; the frames of one are looked up for
the few that are shown.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cached_property

import numpy as np

from lbtrace.comparison import Comparison, Pair, Pairs
from lbtrace.model.http import MIN_ERROR, Mark
from lbtrace.model.net import FrameRef, IcmpKind, Side
from lbtrace.model.pairing import AttemptOutcome
from lbtrace.model.stream import Direction
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, among, ranks
from lbtrace.tables.connections import NEVER, TRIES, ConnectionTable
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import MARKS, joint

# after which a SYN is sent again (RFC 6298 §2); a capture that ends sooner does not show that
# nobody answers
PATIENCE_NS = 1_000_000_000

TEXT = {
    "refused": "a connection was refused (SYN answered by RST)",
    "no-answer": "a connection attempt was not answered (SYN without SYN-ACK)",
    "reset": "the backend reset the connection under the request",
    "closed": "the backend closed the connection without an answer",
    "keep-alive-race": "the request was sent on a connection the backend had begun to close",
    "half-sent": "the balancer closed its connection to the backend in the middle of the request",
    "timeout": "the backend had not answered when the balancer gave up",
    "client-left": "the client had closed its connection before it was answered",
    "malformed": "the backend's response was malformed",
    "replaced": "the backend answered, and the balancer put its own answer in place",
    "tls-alert": "a TLS handshake ended in a fatal alert",
    "unreachable": "a connection attempt was turned away by ICMP (unreachable)",
    "checks": "the health checks of the captured backends failed",
}
SLUGS = tuple(TEXT)
(
    REFUSED,
    NO_ANSWER,
    RESET,
    CLOSED,
    RACE,
    HALF_SENT,
    TIMEOUT,
    LEFT,
    MALFORMED,
    REPLACED,
    TLS_ALERT,
    UNREACHABLE,
    CHECKS,
) = range(len(SLUGS))
NO_EVENT = -1
NO_CHECK = -1
FEW_CHECKS = 2  # a balancer takes a server out after as many, or more
RISE = 2  # … and back after as many that are answered well, or more


def handshake_failures(
    connections: ConnectionTable, capture_end_ns: int, dropped: bool = False
) -> Column:
    """Per connection REFUSED, NO_ANSWER, or NO_EVENT for one that was opened, whose start was not
    captured, or of which too little was. Who sends a SYN again had no answer. One that was sent
    once may have been answered where the capture lacks packets, or says that it dropped some. So it
    may where its server said anything in this capture, unless that happened to TRIES of them: a
    burst that was lost may have begun behind any packet.
    """
    tried, again = attempted(connections), connections.syn_retransmissions
    refused = connections.ends.rsts[1::2] > 0
    once = tried & ~refused & (again == 0)
    server = joint(connections.server, connections.server_port, connections.network)
    which = ranks(server)
    several = np.bincount(which[once], minlength=len(server))[which] >= TRIES
    silent = ~among(server, server[connections.ends.packets[1::2] > 0])
    waited = capture_end_ns - connections.first_ns >= PATIENCE_NS
    waited &= (not dropped) & (not connections.lacks_packets) & (several | silent)
    waited |= again > 0
    waited &= ~_unheard(connections)
    return np.select([tried & refused, tried & waited], [REFUSED, NO_ANSWER], NO_EVENT)


def _unheard(connections: ConnectionTable) -> Column:
    """Whether the capture lacks what the server of a connection says: on a connection to it the
    client opened and went on without a packet of the server.
    """
    ends = connections.ends
    server = joint(connections.server, connections.server_port, connections.network)
    lacks = (connections.syns > 0) & (ends.bytes[0::2] > 0) & (ends.packets[1::2] == 0)
    return among(server, server[lacks])


def attempted(connections: ConnectionTable) -> Column:
    """Which connections are attempts that came to nothing, for all that was captured."""
    syns, again = (
        connections.syns.astype(np.int64),
        connections.syn_retransmissions.astype(np.int64),
    )
    client, server = (
        {n: getattr(connections.ends, n)[end::2].astype(np.int64) for n in ("packets", "rsts")}
        for end in (0, 1)
    )
    tried: Column = (syns > 0) & (connections.synacks == 0) & ~connections.opened
    # where it went on, there was an answer that is not in the capture
    tried &= client["packets"] <= syns + again + client["rsts"]
    tried &= server["packets"] <= server["rsts"]
    return tried


def failed_attempts(trace: Trace, connections: ConnectionTable) -> Column:
    """The same of a capture, UNREACHABLE where an ICMP message turned the SYN away."""
    events = handshake_failures(connections, trace.last_ns, trace.dropped > 0)
    turned_away = {(e.source, e.target) for e in trace.icmp if e.kind is not IcmpKind.TOO_BIG}
    if turned_away:
        tried = np.flatnonzero(attempted(connections) & (events != REFUSED)).tolist()
        held = ((i, trace.connections[i]) for i in tried)
        events[[i for i, c in held if (c.client, c.server) in turned_away]] = UNREACHABLE
    return events


def failing_checks(comparison: Comparison) -> Column:
    """The exchanges (their numbers) of the health checks, if all of them failed: so long the
    balancer has no server to send anything to.
    """
    backend = comparison.sides[1]
    checks = np.flatnonzero(comparison.check_exchanges)
    failed = backend.responses.there[checks] & (backend.responses.start[checks] >= MIN_ERROR)
    every = len(checks) >= FEW_CHECKS and bool(failed.all())
    return checks if every else checks[:0]


class LastChecks:
    """The health checks by server and time, so that a client exchange finds the last before it."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison, backend = comparison, comparison.sides[1]
        checks = np.flatnonzero(comparison.check_exchanges & backend.responses.there)
        checks = checks[np.argsort(backend.responses.last_ns[checks], kind="stable")]
        of_server: dict[tuple[int, int], list[int]] = {}
        servers = backend.servers[backend.connection[checks]]
        keys = zip(backend.point[checks].tolist(), servers.tolist(), strict=True)
        for key, check in zip(keys, checks.tolist(), strict=True):
            of_server.setdefault(key, []).append(check)
        self.of_server = {
            key: (those, backend.responses.last_ns[those].tolist())
            for key, those in of_server.items()
        }

    def failing(self, exchange: int) -> int:
        """A failed check, if each server failed one of its last RISE checks before this client
        exchange: the balancer need not have taken any of them back. NO_CHECK if the last ones of
        some server worked, it had none, or no clock says when.
        """
        client, backend = self.comparison.sides
        asked, found = int(client.requests.first_ns[exchange]), NO_CHECK
        for (point, _), (checks, times) in self.of_server.items():
            clock = self.comparison.clock(int(client.point[exchange]), point)
            if clock is None:
                return NO_CHECK
            upto = asked - clock.half_width_ns - clock.delta_ns(asked - clock.middle_ns)
            end = bisect_right(times, upto)
            last = checks[max(end - RISE, 0) : end]
            failed = [check for check in last if backend.responses.start[check] >= MIN_ERROR]
            if not failed:
                return NO_CHECK
            found = failed[-1]
        return found


class FailedHandshakes:
    """The backend connections whose handshake, of TCP or of TLS, failed, by time, so that a client
    exchange finds those of its own time.
    """

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    @cached_property
    def by_point(self) -> list[tuple[list[int], list[int], list[int]]]:
        """Per capture point: times, numbers of the connections, events."""
        comparison, table = self.comparison, self.comparison.sides[1]
        found = []
        for trace, connections, first in zip(
            comparison.backends, table.connections, table.first_connection, strict=True
        ):
            events = failed_attempts(trace, connections)
            alerted = [a.fatal_alert is not None for a in trace.applications]
            events[np.array(alerted, bool)] = TLS_ALERT
            failed = np.flatnonzero(
                (events != NO_EVENT)
                & ~comparison.check_connections[first : first + len(connections)]
            )
            failed = failed[np.argsort(connections.first_ns[failed], kind="stable")]
            found.append(
                (
                    connections.first_ns[failed].tolist(),
                    (failed + first).tolist(),
                    events[failed].tolist(),
                )
            )
        return found

    def during(self, exchange: int) -> tuple[int, int]:
        """(event, backend connection) of a failed handshake in the time of a client exchange.
        Without a clock between the captures nothing can be said.
        """
        client = self.comparison.sides[0]
        if not (client.requests.there[exchange] and client.responses.there[exchange]):
            return NO_EVENT, 0
        return self.before(exchange, int(client.responses.first_ns[exchange]))

    def before(self, exchange: int, answered: int) -> tuple[int, int]:
        """The same from the request of a client exchange to that time of its capture."""
        client = self.comparison.sides[0]
        asked = int(client.requests.first_ns[exchange])
        for point, (times, connections, events) in enumerate(self.by_point):
            clock = self.comparison.clock(int(client.point[exchange]), point)
            if clock is None or not times:
                continue
            at = bisect_left(times, asked - clock.half_width_ns - clock.delta_ns(times[0]))
            if (
                at < len(times)
                and times[at] + clock.delta_ns(times[at]) <= answered + clock.half_width_ns
            ):
                return events[at], connections[at]
        return NO_EVENT, 0

    def frames(self, connection: int) -> tuple[FrameRef, ...]:
        """The SYN of a handshake that failed, and the alert or the ICMP message that ended it."""
        ref = self.comparison.sides[1].connection_ref(connection)
        syn = self.comparison.connection_frame(Side.BACKEND, ref)
        trace = self.comparison.backends[ref.point]
        alert = trace.applications[ref.id].fatal_alert
        if alert is not None:
            return syn, trace.ref(alert.frame, alert.time_ns)
        held = trace.connections[ref.id]
        ends = held.client, held.server
        icmp = [e for e in trace.icmp if (e.source, e.target) == ends][:1]
        return (syn, *(trace.ref(e.frame, e.time_ns) for e in icmp))


def attempt_events(comparison: Comparison, pairs: Pairs) -> Column:
    """How the last backend attempt of each pair failed."""
    client, backend = comparison.sides
    q, r = backend.requests, backend.responses
    connection = pairs.backend_connection
    fin, rst = (_frame_of(backend, connection, name, server=True) for name in ("fin", "rst"))
    ours = _first_end(backend, connection)
    # an end that follows the balancer's own is no act of the backend's
    fin, rst = (np.where((ours > 0) & (ours < frame), 0, frame) for frame in (fin, rst))
    replaced = pairs.ended(AttemptOutcome.SUPERSEDED) & r.there[pairs.backend]
    left, answer = _first_end(client, pairs.client_connection), client.responses
    gone = (left > 0) & ~(answer.there[pairs.client] & (left > answer.first_frame[pairs.client]))
    return np.select(
        [
            q.there[pairs.backend] & (fin > 0) & (fin < q.first_frame[pairs.backend]),
            pairs.ended(AttemptOutcome.RESET) & (rst > 0),
            pairs.ended(AttemptOutcome.CLOSED) & (fin > 0),
            replaced & ((r.marks[pairs.backend] & MARKS[Mark.MALFORMED]) > 0),
            replaced,
            gone,
            _half_sent(client, backend, pairs) & (ours > 0),
            pairs.ended(AttemptOutcome.TIMEOUT, AttemptOutcome.UNKNOWN),
        ],
        [RACE, RESET, CLOSED, MALFORMED, REPLACED, LEFT, HALF_SENT, TIMEOUT],
        NO_EVENT,
    )


def _half_sent(client: SideTable, backend: SideTable, pairs: Pairs) -> Column:
    """Whether the balancer had the request of a pair to its end, and did not send it to its end;
    nothing of it is missing from the capture.
    """
    asked, q = client.requests, backend.requests
    part = q.there & q.whole_heads & ~q.complete & ~backend.responses.there
    part &= (backend.marks | q.marks) & MARKS[Mark.LOST] == 0
    for name in ("missing", "truncated"):
        part &= (backend.of_ends(name, server=False) == 0)[backend.connection]
    found: Column = (asked.there & asked.complete)[pairs.client] & part[pairs.backend]
    return found & pairs.ended(AttemptOutcome.CLOSED)


def _frame_of(table: SideTable, connections: Column, what: str, server: bool) -> Column:
    """The frame of the FIN or RST of one end of each connection, 0 where there is none."""
    frame, time_ns = (
        table.of_ends(f"{what}_{unit}", server)[connections] for unit in ("frame", "ns")
    )
    return np.where(time_ns == NEVER, 0, frame.astype(np.int64))


def _first_end(table: SideTable, connections: Column) -> Column:
    """The frame of the first FIN or RST of the end that opened each connection, 0 for none."""
    none = np.iinfo(np.int64).max
    frames = (_frame_of(table, connections, name, server=False) for name in ("fin", "rst"))
    first = np.minimum(*(np.where(frame == 0, none, frame) for frame in frames))
    return np.where(first == none, 0, first)


def attempt_frames(comparison: Comparison, pair: Pair, event: int) -> tuple[FrameRef, ...]:
    """The frames of how an attempt failed."""
    backend, server = (
        comparison.backends[pair.backend_ref.point],
        pair.backend_connection.from_server,
    )
    request = comparison.request_frame(Side.BACKEND, pair.backend_ref)
    if event == RACE:
        return (*_end_frames(backend, server, "fin"), request)
    if event in (RESET, CLOSED):
        return (request, *_end_frames(backend, server, "rst" if event == RESET else "fin"))
    if event == HALF_SENT:
        return (request, *_end_frames(backend, pair.backend_connection.from_client, "fin", "rst"))
    if event in (MALFORMED, REPLACED):
        return (comparison.response_frame(Side.BACKEND, pair.backend_ref),)
    if event == LEFT:
        # then nobody's patience ended but the client's
        asking, client = (
            comparison.clients[pair.client_ref.point],
            pair.client_connection.from_client,
        )
        return (request, *sorted(_end_frames(asking, client, "fin", "rst"))[:1])
    return (request,)


def _end_frames(trace: Trace, end: Direction, *what: str) -> list[FrameRef]:
    """The FIN or RST of an end, where there is one."""
    marks = {"fin": (end.fin_frame, end.fin_ns), "rst": (end.rst_frame, end.rst_ns)}
    known = [marks[name] for name in what]
    return [
        trace.ref(frame, time_ns)
        for frame, time_ns in known
        if frame is not None and time_ns is not None
    ]
