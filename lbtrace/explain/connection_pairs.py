"""Connections whose bytes are no HTTP on one side at least → pairs by bytes, size and time.

A layer 4 proxy passes the bytes on: both directions have the same bytes on both sides, after a
PROXY header is taken off; where these are not known (`Application.digests`), the same length. Where
TLS ends at the balancer, plain bytes behind it are fewer than the encrypted ones in front by the
records' overhead and the handshake (RFC 8446 §5.2: 22 bytes a record and up), never more. The
backend connection begins after the client's and answers before it. Bytes or lengths that occur once
on each side are evidence by themselves. So are those of as many connections on both sides that
follow one another: each backend connection lies inside its client's, so the first is the first's.
Otherwise a pair needs the clock, and the time must leave one partner only. This is weaker than
anything read from content, and said to be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lbtrace.explain.unmatched import EDGE_NS
from lbtrace.match import clock
from lbtrace.match.clock import Clocks
from lbtrace.match.nesting import EDGES
from lbtrace.match.pairing import Pairing
from lbtrace.model.http import Application, Protocol
from lbtrace.model.pairing import Confidence, ConnectionBasis, ConnectionPair, Ref
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column
from lbtrace.tables.exchanges import by_connection
from lbtrace.tables.pairs import ANSWERED, LOW, NONE, PairTable
from lbtrace.tables.rows import rows_of

TELLING = (
    64  # bytes in both directions together: shorter conversations have equal lengths by chance
)
TELLING_KNOWN = 32  # … and equal bytes
# handshake, certificates and tickets: TLS may exceed the plain bytes by this and a tenth
OVERHEAD = 16_384
_Sent = tuple[int, int, tuple[str | None, str | None]]  # bytes up and down, and their digests


@dataclass(slots=True)
class _Flow:
    """A connection with payload: when its client and its server first and last spoke, and how much,
    without PROXY headers.
    """

    ref: Ref
    protocol: Protocol
    begin: int
    answer: int
    up: int
    down: int
    whole: bool
    digests: tuple[str | None, str | None] = (None, None)
    spoke: tuple[int, int, int, int] | None = (
        # when its client first and last spoke, and its server; None where bytes were sent again
        None
    )


def pair(
    clients: Sequence[Trace],
    backends: Sequence[Trace],
    known: Sequence[ConnectionPair],
    clocks: Clocks,
) -> list[ConnectionPair]:
    """Connections of both sides that no exchange pairs → pairs."""
    mine = _flows(clients, {p.client for p in known}, plain=False)
    theirs = _flows(backends, {p.backend for p in known}, plain=True) if mine else []
    if not mine or not theirs:
        return []
    found = _equal(mine, theirs, clocks | _from_times(mine, theirs, clocks))
    taken = {p.client for p in found}, {p.backend for p in found}
    ended = [f for f in mine if f.protocol is Protocol.TLS and f.ref not in taken[0]]
    plain = [f for f in theirs if f.protocol is not Protocol.TLS and f.ref not in taken[1]]
    asked = _requests(backends, {f.ref for f in plain})
    if asked:  # one connection behind may carry the requests of many in front
        plain = asked
    return found + _decrypted(ended, plain, clocks | _from_times(ended, plain, clocks))


def _requests(traces: Sequence[Trace], among: set[Ref]) -> list[_Flow]:
    """The exchanges on the given connections, each as a flow of its own."""
    out = []
    wanted: dict[int, list[int]] = defaultdict(list)
    for ref in among:
        wanted[ref.point].append(ref.id)
    carried = sorted(
        Ref(point, i)
        for point, ids in wanted.items()
        for rows in by_connection(traces[point]).lists(np.array(ids))
        for i in rows
    )
    for point, i in carried:
        e = traces[point].exchanges[i]
        if e.request is not None and e.response is not None:
            up, down = (
                sum(len(x.raw) + 2 for x in m.lines) + m.body.length
                for m in (e.request, e.response)
            )
            out.append(
                _Flow(
                    Ref(point, e.connection),
                    Protocol.HTTP1,
                    e.request.first_ns,
                    e.response.first_ns,
                    up,
                    down,
                    whole=True,
                )
            )
    return out


def _flows(traces: Sequence[Trace], known: set[Ref], plain: bool) -> list[_Flow]:
    out = []
    for point, trace in enumerate(traces):
        for i, application in enumerate(trace.applications):
            http = application.protocol in (Protocol.HTTP1, Protocol.HTTP2)
            if (http and not plain) or Ref(point, i) in known:
                continue
            c = trace.connections[i]
            if c.from_client.first_payload_ns is None and c.from_server.first_payload_ns is None:
                continue
            out.append(_flow(Ref(point, c.id), c, application, plain))
    return out


def _flow(ref: Ref, c: Connection, application: Application, backend: bool) -> _Flow:
    header = sum(p.length for p in application.proxy)
    begin = c.from_client.first_payload_ns or c.from_server.first_payload_ns or c.first_ns
    answer = c.from_server.last_payload_ns or c.last_ns
    whole = c.syns > 0 and not c.from_client.missing and not c.from_server.missing
    if not backend:
        begin = c.first_ns if c.syns else begin
        answer = max(answer, c.last_ns)
    sent, answered = c.from_client.bytes - header, c.from_server.bytes
    return _Flow(
        ref,
        application.protocol,
        begin,
        answer,
        sent,
        answered,
        whole,
        application.digests,
        _spoke(c),
    )


def _spoke(c: Connection) -> tuple[int, int, int, int] | None:
    up, down = c.from_client, c.from_server
    times = up.first_payload_ns, up.last_payload_ns, down.first_payload_ns, down.last_payload_ns
    if None in times or any(end.retransmissions or end.out_of_order for end in (up, down)):
        return None
    return times  # type: ignore[return-value]


def _from_times(mine: list[_Flow], theirs: list[_Flow], clocks: Clocks) -> Clocks:
    """Clocks of points that exchanges did not bound, from the connections' times."""
    out: Clocks = {}
    for points, held in clocks.items():
        if not held.refused:
            continue
        front, back = (
            [f for f in mine if f.ref.point == points[0]],
            [f for f in theirs if f.ref.point == points[1]],
        )
        if len(front) < 3 or len(front) != len(back):
            continue
        a, p = (np.array([getattr(f, k) for f in front], np.int64) for k in ("begin", "answer"))
        x, y = (np.array([getattr(f, k) for f in back], np.int64) for k in ("begin", "answer"))
        bounds = clock.from_order([(a, p, x, y)], all(f.whole for f in (*front, *back)))
        if bounds is not None:
            out[points] = clock.estimate(*points, bounds)
    return out


def _inside(mine: _Flow, theirs: _Flow, clocks: Clocks) -> bool | None:
    """Whether the backend connection can lie inside the client's; None without a clock."""
    held = clocks.get((mine.ref.point, theirs.ref.point))
    if held is None or held.refused:
        return None
    at = np.array([theirs.begin, theirs.answer], np.int64)
    low, high = clock.span_of(held, at)
    return bool(mine.begin <= theirs.begin + high[0] and theirs.answer + low[1] <= mine.answer)


def _equal(mine: list[_Flow], theirs: list[_Flow], clocks: Clocks) -> list[ConnectionPair]:
    """Equal lengths in both directions, and equal bytes where they are known."""
    sizes: dict[_Sent, tuple[list[_Flow], list[_Flow]]] = defaultdict(lambda: ([], []))
    for side, flows in enumerate((mine, theirs)):
        for f in flows:
            if f.whole:
                sizes[f.up, f.down, f.digests][side].append(f)
    found = []
    said: list[tuple[_Flow, _Flow]] = []
    chance = _by_chance(list(sizes.values()))
    for (up, down, digests), (front, back) in sizes.items():
        telling = up + down >= (TELLING if None in digests else TELLING_KNOWN)
        only = _only(front, back, clocks)
        few = 2 * len(only) < min(
            len(front), len(back)
        )  # a clock that tells most of them not apart is none to trust
        turns = (_in_turn(front), _in_turn(back)) if few and len(front) == len(back) else ([], [])
        in_turn = all(turns) and _at_one_time(*turns)
        if in_turn:
            only = [(c, b, False) for c, b in zip(*turns, strict=True)]
        for c, b, by_time in only:
            basis = ConnectionBasis.SAME_BYTES if telling else ConnectionBasis.TIME
            alone = in_turn or len(front) == len(back) == 1
            sure = telling and (alone or by_time) and not chance and (in_turn or not few)
            found.append(
                ConnectionPair(c.ref, b.ref, basis, Confidence.MEDIUM if sure else Confidence.LOW)
            )
            said.append((c, b))
    never = _contradicted(said)
    return [
        p._replace(confidence=Confidence.LOW) if (p.client.point, p.backend.point) in never else p
        for p in found
    ]


def _in_turn(flows: list[_Flow]) -> list[_Flow]:
    """Connections that follow one another, in order: in each the server's last byte comes before
    the client's first one in the next. Empty where they do not, or where bytes were sent again.
    """
    spoken = sorted((flow.spoke, i) for i, flow in enumerate(flows) if flow.spoke is not None)
    if len(spoken) < len(flows) or any(a[3] > b[0] for (a, _), (b, _) in pairwise(spoken)):
        return []
    return [flows[i] for _, i in spoken]


def _at_one_time(front: list[_Flow], back: list[_Flow]) -> bool:
    """Whether connections in turn may be of the same time, by the captures' own clocks: what is
    said alike again and again was perhaps said on another day as well.
    """
    (a, p), (x, y) = ((flows[0].begin, flows[-1].answer) for flows in (front, back))
    return x <= p + EDGE_NS and a <= y + EDGE_NS


def _contradicted(pairs: Sequence[tuple[_Flow, _Flow]]) -> set[tuple[int, int]]:
    """The pairs of points whose connections with the same bytes no offset of the clocks makes one,
    as a client's bytes reach the front first and a server's the back: then one script was run
    twice.
    """
    bounds: dict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)
    for c, b in pairs:
        if c.spoke is not None and b.spoke is not None:
            apart = [mine - theirs for mine, theirs in zip(c.spoke, b.spoke, strict=True)]
            bounds[c.ref.point, b.ref.point].append((b.spoke[0], max(apart[:2]), min(apart[2:])))
    out = set()
    for points, held in bounds.items():
        at, low, high = (np.array(column, np.int64) for column in zip(*sorted(held), strict=True))
        fits = low <= high
        if (
            2 * fits.sum() <= len(fits)
            or clock.estimate(*points, clock.Bounds(at[fits], low[fits], high[fits])).refused
        ):
            out.add(points)
    return out


def _by_chance(sizes: list[tuple[list[_Flow], list[_Flow]]]) -> bool:
    """Whether more connections of either side have lengths that the other lacks than have an equal:
    who copies bytes copies all.
    """
    both = sum(min(len(front), len(back)) for front, back in sizes)
    mine = sum(f.protocol is not Protocol.TLS for front, back in sizes if not back for f in front)
    theirs = sum(len(back) for front, back in sizes if not front)
    return both < min(mine, theirs)


def _only(front: list[_Flow], back: list[_Flow], clocks: Clocks) -> list[tuple[_Flow, _Flow, bool]]:
    """Pairs in which each is the other's only possible partner; the flag says that a clock
    decided.
    """
    if len(front) * len(back) > EDGES:
        return []
    possible = [[_inside(c, b, clocks) for b in back] for c in front]
    out = []
    for i, row in enumerate(possible):
        fitting = [j for j, fits in enumerate(row) if fits is not False]
        if len(fitting) == 1 and sum(other[fitting[0]] is not False for other in possible) == 1:
            out.append((front[i], back[fitting[0]], row[fitting[0]] is True))
    return out


def _decrypted(front: list[_Flow], back: list[_Flow], clocks: Clocks) -> list[ConnectionPair]:
    """TLS in front, plain bytes behind: time, and no more bytes behind than in front."""
    if not front or not back or len(front) * len(back) > EDGES:
        return []
    timed = {points for points, held in clocks.items() if not held.refused}
    fitting: dict[int, list[int]] = {}
    for i, c in enumerate(front):
        fitting[i] = [
            j
            for j, b in enumerate(back)
            if (c.ref.point, b.ref.point) in timed and _fits_records(c, b) and _inside(c, b, clocks)
        ]
    partners = [sum(j in options for options in fitting.values()) for j in range(len(back))]
    balanced = len(front) == len(back)
    return [
        ConnectionPair(
            front[i].ref,
            back[options[0]].ref,
            ConnectionBasis.TIME,
            Confidence.MEDIUM if balanced else Confidence.LOW,
        )
        for i, options in fitting.items()
        if len(options) == 1 and partners[options[0]] == 1
    ]


def _fits_records(c: _Flow, b: _Flow) -> bool:
    up, down = c.up - b.up, c.down - b.down
    return 0 <= up <= OVERHEAD + c.up // 10 and 0 <= down <= OVERHEAD + c.down // 10


def carried(
    state: Pairing, found: PairTable, known: Sequence[ConnectionPair]
) -> list[ConnectionPair]:
    """Connections whose exchanges pair one to one, all of them, and with no other connection; those
    known are left out.
    """
    if not len(found):
        return []
    client, backend = state.client.table, state.backend.table
    mine = client.connection[client.numbers(found.client_point, found.client)]
    theirs = backend.connection[backend.numbers(found.backend_point, found.backend)]
    doubtful = (
        (found.group != NONE) | (found.confidence == LOW) | (found.outcome[found.last] != ANSWERED)
    )
    left_out = np.zeros(len(client.client_address), bool)
    left_out[mine[doubtful]] = True
    left_out[client.numbers_of_connections([p.client for p in known])] = True
    width = len(backend.client_address)
    both, first = np.unique(np.repeat(mine, found.attempts) * width + theirs, return_index=True)
    front, back = both // width, both % width
    alone = (
        (np.bincount(front, minlength=1)[front] == 1)
        & (np.bincount(back, minlength=1)[back] == 1)
        & ~left_out[front]
    )
    order = np.argsort(first[alone])
    ends: tuple[Column, Column] = front[alone][order], back[alone][order]
    refs = client.connection_refs(ends[0]), backend.connection_refs(ends[1])
    by = [ConnectionBasis.EXCHANGES] * len(order), [Confidence.MEDIUM] * len(order)
    return rows_of(ConnectionPair, (*refs, *by))
