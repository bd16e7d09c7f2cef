"""Pairs and connections → who is who: clients, the balancer's listening endpoints, the addresses it speaks from, the backends,
and NATs in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from typing import TypeVar

from lbtrace.correlate.connections import Stated
from lbtrace.correlate.pairing import Pairing
from lbtrace.fields import is_public
from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import AddressMapping, ConnectionBasis, ConnectionPair, Tier, Topology
from lbtrace.model.stream import Connection

_T = TypeVar("_T")


def topology(state: Pairing, pairs: Sequence[ConnectionPair], said: Sequence[Stated | None]) -> Topology:
    """Addresses by how often they occur, most frequent first; from pairs where there are any, else from all connections."""
    fronts: Counter[Endpoint] = Counter()
    clients: Counter[str] = Counter()
    backs: Counter[str] = Counter()
    backends: Counter[Endpoint] = Counter()
    seen_as: Counter[tuple[str, str, str]] = Counter()
    of: Counter[tuple[str, str]] = Counter()

    def front(point: int, connection: int) -> str:
        c = state.client.traces[point].connections[connection]
        fronts[c.server] += 1
        clients[c.client.address] += 1
        return c.client.address

    hosts = {c.client.address for t in state.client.traces for c in t.connections}

    def back(point: int, connection: int, passed_on: bool = False) -> str:
        c = state.backend.traces[point].connections[connection]
        if not (passed_on and _clients_own(c, hosts)):
            backs[c.client.address] += 1
        backends[c.server] += 1
        return c.client.address

    for c, bs in state.caused.items():
        mine = front(state.client.refs[c].point, state.client.items[c].connection)
        for b in bs:
            passed_on = state.tier[c] is Tier.SAME_PACKETS
            source = back(state.backend.refs[b].point, state.backend.items[b].connection, passed_on)
            s = said[b]
            if s is not None:
                seen_as[mine, s.address, s.where] += 1
                of[mine, s.where] += 1
            else:
                seen_as[mine, source, "source address"] += 1
                of[mine, "source address"] += 1
    if not state.caused:
        for p in pairs:
            mine = front(p.client.point, p.client.id)
            source = back(p.backend.point, p.backend.id, p.basis is ConnectionBasis.SAME_PACKETS)
            seen_as[mine, source, "source address"] += 1
            of[mine, "source address"] += 1
    if not fronts:
        for point, trace in enumerate(state.client.traces):
            for connection in trace.connections:
                front(point, connection.id)
        for point, trace in enumerate(state.backend.traces):
            for connection in trace.connections:
                back(point, connection.id)
    mappings = tuple(AddressMapping(mine, seen, where, n, of[mine, where]) for (mine, seen, where), n in seen_as.most_common(200))
    return Topology(_ranked(clients), _ranked(fronts), _ranked(backs), _ranked(backends), mappings)


def _clients_own(c: Connection, hosts: Set[str]) -> bool:
    """Whether the source of packets that were passed on is the client's: its address, or how a NAT in front shows it (public, where client
    and backend are private)."""
    source = c.client.address
    return source in hosts or (is_public(source) and not is_public(c.server.address) and not any(map(is_public, hosts)))


def _ranked(counted: Counter[_T]) -> tuple[_T, ...]:
    return tuple(x for x, _ in counted.most_common())
