"""Traces of one side → columns: what the pairing asks of every exchange, read once.

Exchanges of all points of a side are numbered through (`Facts.refs` leads back). Times stay on the clock of their own point. A
time that is not
known is replaced by the bound that is: a client request is no earlier than the answer before it on its connection, a backend
answer no earlier than its
request. So nesting never excludes what the packets allow; `solid_*` says where the time itself was seen, and only those bound a clock.
A retransmitted message is never solid: its first transmission may be missing from the capture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, repeat

import numpy as np

from lbtrace.model.http import Body, Exchange, HeaderLine, Mark
from lbtrace.model.net import Side
from lbtrace.model.pairing import Ref
from lbtrace.model.trace import Trace
from lbtrace.tables import Column

FAR = 1 << 61  # ns: later than any capture
PATIENCE_NS = 120_000_000_000  # a client that went away: the balancer may go on with its request for this long
_UNSURE = {Mark.RETRANSMITTED, Mark.RESYNCED, Mark.PAIRED_BY_ORDER}
_CUT = {Mark.LOST, Mark.CAPTURE_ENDED, Mark.BODY_TRUNCATED, Mark.HEAD_TRUNCATED}


@dataclass(slots=True)
class Facts:
    """One side's exchanges as columns. `start` is the request's first byte, `reply` the response's first byte, `end` its last.

    On the client side `start` is a lower and `reply` an upper bound where unknown, on the backend side the other way round.
    `silent`: it is known that no response was sent. `unknown`: a response may have been sent that the capture does not show.
    """

    side: Side
    traces: Sequence[Trace]
    refs: list[Ref]
    items: list[Exchange]
    first_of: list[int]  # per point: number of its first exchange
    point: Column
    connection: Column  # numbered through the points
    first_connection: list[int]
    start: Column
    reply: Column
    end: Column
    solid_start: Column  # bool
    solid_reply: Column  # bool
    silent: Column  # bool
    unknown: Column  # bool
    cached: Column  # bool, the answer says it comes from a cache

    def __len__(self) -> int:
        return len(self.items)

    def number(self, ref: Ref) -> int:
        """The number of an exchange through all points."""
        return self.first_of[ref.point] + ref.id


def read(side: Side, traces: Sequence[Trace]) -> Facts:
    """The traces of a side → its Facts."""
    new = tuple.__new__  # a named tuple's own constructor costs twice as much
    refs: list[Ref] = []
    items: list[Exchange] = []
    first_of: list[int] = []
    first_connection: list[int] = []
    connections = 0
    for point, trace in enumerate(traces):
        first_of.append(len(items))
        first_connection.append(connections)
        connections += len(trace.connections)
        items.extend(trace.exchanges)
        refs.extend([new(Ref, (point, e.id)) for e in trace.exchanges])
    n = len(items)
    rows = list(zip(*(row for trace in traces for row in _rows(side, trace)), strict=True)) or [()] * 7
    columns = {name: np.array(values, np.int64) for name, values in zip(("start", "reply", "end"), rows, strict=False)}
    flags = {
        name: np.array(values, bool) for name, values in zip(("solid_start", "solid_reply", "silent", "unknown"), rows[3:], strict=True)
    }
    sizes = [len(trace.exchanges) for trace in traces]
    columns["point"] = np.repeat(np.arange(len(traces), dtype=np.int64), sizes)
    columns["connection"] = np.fromiter((e.connection for e in items), np.int64, n) + np.repeat(np.array(first_connection, np.int64), sizes)
    flags["cached"] = _cached(items)
    return Facts(side, traces, refs, items, first_of, first_connection=first_connection, **columns, **flags)


def _cached(items: Sequence[Exchange]) -> Column:
    """Which answers come from a cache. Equal lines are mostly one object, so each is looked at once."""
    answers = [e.response.lines if e.response is not None else () for e in items]
    lines = list(chain.from_iterable(answers))
    saying = {key for key, line in zip(map(id, lines), lines, strict=True) if line[0][:1] in "aAxXcC" and from_cache(line)}
    return np.fromiter(
        (not saying.isdisjoint(map(id, held)) for held in answers) if saying else repeat(False, len(items)), bool, len(items)
    )


@lru_cache(maxsize=10_000)
def from_cache(line: HeaderLine) -> bool:
    """Whether a response line says that the answer was kept from an earlier one (RFC 9111 §5.1, RFC 9211, and what caches write)."""
    name, value = line.name.lower(), line.value.lower()
    if name == "age":
        return value.strip("0") != ""
    return name in ("x-cache", "cf-cache-status", "x-cache-status", "cache-status") and "hit" in value and "miss" not in value


def _rows(side: Side, trace: Trace) -> list[tuple[int, int, int, bool, bool, bool, bool]]:
    """Per exchange: start, reply, end, solid start, solid reply, silent, unknown."""
    client = side is Side.CLIENT
    before: dict[int, int] = {}  # connection → end of the answer before
    rows: list[tuple[int, int, int, bool, bool, bool, bool]] = []
    connections = trace.connections
    ahead = _next_start(trace)
    for e in trace.exchanges:
        q, r = e.request, e.response
        floor = before.get(e.connection)
        if floor is None:
            floor = connections[e.connection].first_ns if connections[e.connection].syns else trace.first_ns - PATIENCE_NS
        solid_start = (
            q is not None and not (q.marks and not _UNSURE.isdisjoint(q.marks)) and not (e.marks and not _UNSURE.isdisjoint(e.marks))
        )
        solid_reply = (
            r is not None and not (r.marks and not _UNSURE.isdisjoint(r.marks)) and not (e.marks and not _UNSURE.isdisjoint(e.marks))
        )
        cut = r is None and not _CUT.isdisjoint(e.marks)
        held = connections[e.connection]
        gone = min((t for t in (held.from_server.rst_ns, held.from_server.fin_ns) if t is not None), default=held.last_ns)
        if client:
            start = q.first_ns if q is not None and solid_start else floor
            if r is not None:
                reply, end = (r.first_ns if solid_reply else r.last_ns), r.last_ns
            else:
                reply = end = ahead[e.id] if cut and ahead[e.id] < FAR else held.last_ns + PATIENCE_NS
        else:
            start = q.first_ns if q is not None else r.first_ns if r is not None else gone
            reply = r.first_ns if r is not None and solid_reply else start
            end = r.last_ns if r is not None else gone
            if q is not None and not solid_start:
                start = min(q.last_ns, reply) if r is not None else q.last_ns
        if r is not None:
            before[e.connection] = r.last_ns
        rows.append((start, reply, end, solid_start, solid_reply, r is None and not cut, r is None and cut))
    return rows


def _next_start(trace: Trace) -> list[int]:
    """Per exchange: when the next request on its connection begins (FAR: there is none)."""
    ahead = [FAR] * len(trace.exchanges)
    later: dict[int, int] = {}
    for e in reversed(trace.exchanges):
        ahead[e.id] = later.get(e.connection, FAR)
        if e.request is not None:
            later[e.connection] = e.request.first_ns
        elif e.response is not None:
            later[e.connection] = e.response.first_ns
    return ahead


def body_key(body: Body) -> str | None:
    """What a complete body is, whatever its content coding: "" without bytes, None when it is not known."""
    if not body.complete:
        return None
    return (body.content_digest or body.digest) if body.length else ""


def same_body(one: Body, other: Body) -> bool | None:
    """Whether two bodies are the same content; None when a capture does not show one of them whole."""
    if not one.complete or not other.complete:
        return None
    if not one.length and not other.length:
        return True
    return not {one.digest, one.content_digest}.isdisjoint({other.digest, other.content_digest} - {None})


def may_be_caused(client: Exchange, backend: Exchange) -> bool:
    """False when the two requests cannot be one: another method, or another body (RFC 9110 §7.6: an intermediary changes neither).

    A cache may ask with GET for what it was asked with HEAD.
    """
    q, p = client.request, backend.request
    if q is None or p is None:
        return True
    return (q.method == p.method or (q.method, p.method) == ("HEAD", "GET")) and same_body(q.body, p.body) is not False


def may_be_answer(client: Exchange, backend: Exchange) -> bool:
    """False when what the client got is not what the backend sent: another status, or another content."""
    r, s = client.response, backend.response
    if r is None or s is None:
        return True
    if r.status != s.status:
        return False
    if client.request is not None and client.request.method == "HEAD":
        return True
    return same_body(r.body, s.body) is not False
