"""Traces → the same without connections that a captured server opened itself, where those are no
side of the balancer.

A host that is a server and a client in one capture answers requests by making requests. Four kinds
of connections mislead, because what they carry is in the captures twice:

    the inner leg   a client capture that was taken on the balancer holds the balancer's connections
                    to its backends. They repeat the requests that came in, inside them in time, and
                    they are in a backend capture too: that is no direct traffic
    the front leg   a backend capture that was taken on the balancer holds the clients' own
                    connections, those of the client capture. What the balancer made of them is in
                    it too: the same requests, inside them in time, on other connections
    the middle leg  two proxies on one host: a capture on it holds what one asks the other. What the
                    second makes of it is in it too, inside it in time
    onward calls    a backend capture holds the backend's own requests to another service. They lie
                    inside requests that came in: they are no attempts of the balancer's

All lie on one clock, that of the capture.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from lbtrace.model.http import Exchange
from lbtrace.model.net import Endpoint, Side
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Diagnostic, Trace
from lbtrace.tables.columns import distinct
from lbtrace.tables.connections import ConnectionTable

MOST = 0.8  # share of the exchanges that must lie inside others
Ends = tuple[Endpoint, Endpoint]
_INNER = (
    "Connections of the balancer to its backends, in a client capture that was taken on the "
    "balancer: left out, they are no connections of clients."
)
_FRONT = (
    "Connections of clients, in a backend capture that was taken on the balancer: left out, they "
    "are no connections to backends."
)
_MIDDLE = (
    "Connections from one proxy to the next on the machine where the capture was taken: left out, "
    "they are neither of clients nor to backends."
)
_ONWARD = (
    "Connections that captured servers opened themselves while they answered requests: left out, "
    "they are no connections of the balancer."
)


def apart(
    clients: Sequence[Trace], backends: Sequence[Trace]
) -> tuple[tuple[Trace, ...], tuple[Trace, ...]]:
    """Both sides → both sides without inner legs, front legs and onward calls; a diagnostic counts
    them.
    """
    asked, served = _servers_of(clients), _servers_of(backends)
    if asked & served and asked != served:  # one side has connections of the other, and more
        front, behind = _ends_of(clients), _ends_of(backends)
        clients, backends = (
            tuple(_without(t, _behind(t, behind), "inner-leg", _INNER) for t in clients),
            tuple(_without(t, _front(t, front), "front-leg", _FRONT) for t in backends),
        )
    ours = {id(t): _own_connections(t) for t in (*clients, *backends)}
    if not any(ours.values()):
        return tuple(clients), tuple(backends)
    front, behind = _ends_of(clients), _ends_of(backends)
    inner = [_inner(t, ours[id(t)], behind) for t in clients]
    onward = [_onward(t, ours[id(t)], front) for t in backends]
    return (
        tuple(_without(t, i, "inner-leg", _INNER) for t, i in zip(clients, inner, strict=True)),
        tuple(
            _without(t, i, "onward-calls", _ONWARD) for t, i in zip(backends, onward, strict=True)
        ),
    )


def without_middle(trace: Trace, local: set[int], behind: set[int]) -> Trace:
    """A capture taken on a balancer without the connections that it has with itself (`local`), if
    these are between two proxies: what goes to backends (`behind`) repeats what they carry.
    """
    legs = _Legs([], [], set(), set())
    for e in trace.exchanges:
        if e.connection in local:
            legs.outer.append(e)
        elif e.connection in behind:
            legs.inner.append(e)
    return _without(trace, local, "middle-leg", _MIDDLE) if legs.nested(alike=True) else trace


def _own_connections(trace: Trace) -> dict[str, list[int]]:
    """Per address that is a server and a client in a capture, the connections it opened to other
    addresses.
    """
    table = ConnectionTable.of(trace.connections)
    both = set(table.client.tolist()) & set(table.server.tolist())
    found: dict[str, list[int]] = defaultdict(list)
    if both:
        for i, (client, server) in enumerate(
            zip(table.client.tolist(), table.server.tolist(), strict=True)
        ):
            if client in both and client != server:
                found[table.addresses[client]].append(i)
    return found


def _servers_of(traces: Sequence[Trace]) -> set[tuple[str, int]]:
    """The addresses and ports that connections go to."""
    found: set[tuple[str, int]] = set()
    for trace in traces:
        table = ConnectionTable.of(trace.connections)
        ends = distinct(table.server.astype(np.int64) << 16 | table.server_port)
        found.update((table.addresses[end >> 16], end & 0xFFFF) for end in ends.tolist())
    return found


def _ends_of(traces: Sequence[Trace]) -> set[Ends]:
    return {(c.client, c.server) for trace in traces for c in trace.connections}


def _front(trace: Trace, front: set[Ends]) -> set[int]:
    """The connections of a backend capture that are the clients' own, where the balancer's are in
    it, too.
    """
    own = {c.id for c in trace.connections if (c.client, c.server) in front}
    return own if _are_legs(trace, own, {c.id for c in trace.connections} - own) else set()


def _behind(trace: Trace, behind: set[Ends]) -> set[int]:
    """The connections of a client capture that backends have, too, where the clients' are in it.
    `_inner` finds them by the balancer's address, if it has only one.
    """
    own = {c.id for c in trace.connections if (c.client, c.server) in behind}
    return own if _are_legs(trace, {c.id for c in trace.connections} - own, own) else set()


def _are_legs(trace: Trace, outer: set[int], inner: set[int]) -> bool:
    """Whether some connections hold the same requests as others, inside them in time, and come from
    another host, or are the same packets. A client that asks a backend directly, too, does neither.
    """
    if not outer or not inner:
        return False
    asking = {trace.connections[i].client.address for i in outer}
    passed_on = {_isns(trace.connections[i]) for i in outer}
    for i in inner:
        c = trace.connections[i]
        if c.client.address in asking and (None in _isns(c) or _isns(c) not in passed_on):
            return False
    legs = _Legs([], [], set(), set())
    for e in trace.exchanges:
        if e.connection in outer:
            legs.outer.append(e)
        elif e.connection in inner:
            legs.inner.append(e)
    return legs.nested(alike=True)


def _isns(c: Connection) -> tuple[int | None, int | None]:
    return c.from_client.isn, c.from_server.isn


def _inner(trace: Trace, own: dict[str, list[int]], behind: set[Ends]) -> set[int]:
    """The connections of a client capture that are the balancer's."""
    found: set[int] = set()
    for address, legs in _legs(trace, own).items():
        opened = own[address]
        if legs.inner_ends & behind and not legs.outer_ends & behind and legs.nested(alike=True):
            found.update(opened)
    return found


def _onward(trace: Trace, own: dict[str, list[int]], front: set[Ends]) -> set[int]:
    """The connections of a backend capture that the backends opened."""
    found: set[int] = set()
    for address, legs in _legs(trace, own).items():
        opened = own[address]
        if not legs.outer_ends & front and legs.nested(alike=False):
            found.update(opened)
    return found


@dataclass(slots=True)
class _Legs:
    """What a host was asked, and what it asked others."""

    outer: list[Exchange]
    inner: list[Exchange]
    outer_ends: set[Ends]
    inner_ends: set[Ends]

    def nested(self, alike: bool) -> bool:
        """Whether nearly all that it asked lies inside what it was asked; `alike`: and is the same
        request, but for a prefix of the path.
        """
        spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for e in self.outer:
            if e.request is not None and e.response is not None:
                key = _asked(e) if alike else ""
                spans[key].append((e.request.first_ns, e.response.last_ns))
        for held in spans.values():
            held.sort()
        begins = {key: [begin for begin, _ in held] for key, held in spans.items()}
        ends = {key: list(accumulate((end for _, end in held), max)) for key, held in spans.items()}
        inside = 0
        for e in self.inner:
            key = _asked(e) if alike else ""
            at = bisect_right(begins.get(key, []), _begin(e)) - 1
            inside += at >= 0 and ends[key][at] >= _end(e)
        return bool(self.inner) and inside >= MOST * len(self.inner)


def _legs(trace: Trace, own: dict[str, list[int]]) -> dict[str, _Legs]:
    """Per address that is a server and a client, what it was asked and what it asked."""
    found = {address: _Legs([], [], set(), set()) for address in own}
    if not found:
        return found
    opened_by = {i: address for address, opened in own.items() for i in opened}
    for e in trace.exchanges:
        c = trace.connections[e.connection]
        asked, asker = found.get(c.server.address), opened_by.get(e.connection)
        if asked is not None:
            asked.outer.append(e)
            asked.outer_ends.add((c.client, c.server))
        if asker is not None:
            found[asker].inner.append(e)
            found[asker].inner_ends.add((c.client, c.server))
    return found


def _asked(e: Exchange) -> str:
    q = e.request
    return f"{q.method} {q.target.rpartition('/')[2]}" if q is not None else ""


def _begin(e: Exchange) -> int:
    if e.request is not None:
        return e.request.first_ns
    return e.response.first_ns if e.response is not None else 0


def _end(e: Exchange) -> int:
    if e.response is not None:
        return e.response.last_ns
    return e.request.last_ns if e.request is not None else 0


def _without(trace: Trace, ids: set[int], slug: str, text: str) -> Trace:
    """A trace without some of its connections, numbered anew."""
    if not ids:
        return trace
    first = min(trace.connections[i].first_frame for i in ids)
    said = Diagnostic(slug, text, len(ids), first)
    kept = {c.id for c in trace.connections} - ids
    return replace(part_of(trace, kept, trace.side), diagnostics=(*trace.diagnostics, said))


def part_of(trace: Trace, ids: set[int], side: Side) -> Trace:
    """The trace of some of its connections, numbered anew."""
    kept = [c for c in trace.connections if c.id in ids]
    number = {c.id: i for i, c in enumerate(kept)}
    exchanges: list[Exchange] = []
    id_of: dict[int, int] = {}
    for e in trace.exchanges:
        if e.connection in number:
            id_of[e.id] = len(exchanges)
            exchanges.append(e._replace(id=len(exchanges), connection=number[e.connection]))
    return replace(
        trace,
        side=side,
        connections=[c._replace(id=number[c.id]) for c in kept],
        applications=[trace.applications[c.id] for c in kept],
        exchanges=exchanges,
        control=[
            f._replace(connection=number[f.connection])
            for f in trace.control
            if f.connection in number
        ],
        stalls=[
            s._replace(connection=number[s.connection])
            for s in trace.stalls
            if s.connection in number
        ],
        web_sockets=[
            w._replace(connection=number[w.connection])
            for w in trace.web_sockets
            if w.connection in number
        ],
        calls=[c._replace(exchange=id_of[c.exchange]) for c in trace.calls if c.exchange in id_of],
        event_streams=[
            e._replace(exchange=id_of[e.exchange])
            for e in trace.event_streams
            if e.exchange in id_of
        ],
        tunnels=[
            t._replace(connection=number[t.connection])
            for t in trace.tunnels
            if t.connection in number
        ],
        parts=[p._replace(exchange=id_of[p.exchange]) for p in trace.parts if p.exchange in id_of],
    )
