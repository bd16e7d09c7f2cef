"""Pairs and connections → who is who: clients, the balancer's listening endpoints, the addresses it
speaks from, the backends, and NATs in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from lbtrace.comparison.straight import went_straight
from lbtrace.http_fields.addresses import is_public
from lbtrace.match.connections import Stated
from lbtrace.match.pairing import Pairing
from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import AddressMapping, ConnectionBasis, ConnectionPair, Tier, Topology
from lbtrace.tables.columns import among, distinct
from lbtrace.tables.packets import Column
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import joint


def topology(
    state: Pairing, pairs: Sequence[ConnectionPair], said: Sequence[Stated | None]
) -> Topology:
    """Addresses by how often they occur, most frequent first; from pairs where there are any, else
    from all connections.
    """
    front, back = state.client.table, state.backend.table
    stated: Sequence[Stated | None] = ()
    passed_on = np.zeros(0, bool)
    if state.caused:
        c, b = state.every_attempt()
        once = np.concatenate(
            [[True], c[1:] != c[:-1]]
        )  # an exchange is counted once, its attempts each
        mine, theirs = state.client.connection[c], state.backend.connection[b]
        told = front.requests.whole_heads[
            c
        ].tolist()  # of the others it is not known what they said of themselves
        fronts, stated = (
            mine[once],
            [said[j] if whole else None for j, whole in zip(b.tolist(), told, strict=True)],
        )
        passed_on = np.repeat(state.tiers() == Tier.SAME_PACKETS, state.flat()[1])
    elif pairs:
        mine, theirs = (
            t.numbers_of_connections(refs)
            for t, refs in ((front, [p.client for p in pairs]), (back, [p.backend for p in pairs]))
        )
        fronts, stated = mine, [None] * len(pairs)
        passed_on = np.fromiter(
            (p.basis is ConnectionBasis.SAME_PACKETS for p in pairs), bool, len(pairs)
        )
    else:
        fronts, theirs = np.arange(len(front.client_address)), np.arange(len(back.client_address))
        mine, passed_on = fronts[:0], np.zeros(len(theirs), bool)
    balancers = fronts
    if state.caused and passed_on.any():
        balancers = mine[once & ~went_straight(front, back, mine, theirs, passed_on)]
    addresses = state.client.table.words.text_list
    backs = theirs[~(passed_on & _clients_own(front, back)[theirs])] if passed_on.any() else theirs
    return Topology(
        tuple(addresses[i] for i in _ranked(front.client_address[fronts])),
        _endpoints(front, balancers),
        tuple(addresses[i] for i in _ranked(back.client_address[backs])),
        _endpoints(back, theirs),
        _mappings(
            addresses, front.client_address[mine], back.client_address[theirs][: len(mine)], stated
        ),
    )


def _clients_own(front: SideTable, back: SideTable) -> Column:
    """Per backend connection, whether its source, of packets that were passed on, is the client's:
    its address, or how a NAT in front shows it (public, where client and backend are private).
    """
    hosts = distinct(front.client_address)
    known = among(back.client_address, hosts)
    if known.all() or _public(front, hosts).any():
        return known
    return known | (_public(back, back.client_address) & ~_public(back, back.server_address))


def _public(table: SideTable, addresses: Column) -> Column:
    """Which of these addresses are routed on the internet."""
    distinct, place = np.unique(addresses, return_inverse=True)
    return np.fromiter(
        (is_public(table.words.text_list[i]) for i in distinct.tolist()), bool, len(distinct)
    )[place]


def _endpoints(table: SideTable, connections: Column) -> tuple[Endpoint, ...]:
    """The servers of connections, most frequent first."""
    return tuple(map(table.endpoint, _ranked(table.servers[connections])))


def _mappings(
    addresses: Sequence[str], mine: Column, source: Column, stated: Sequence[Stated | None]
) -> tuple[AddressMapping, ...]:
    """Client addresses, and what is seen or stated for each → the most frequent mappings."""
    which = np.fromiter(map(id, stated), np.int64, len(stated))
    rows = joint(mine, np.where(which == id(None), source, -1), which)
    seen_as: Counter[tuple[str, str, str | None]] = Counter()
    of: Counter[tuple[str, str | None]] = Counter()
    _, first, times = np.unique(rows, return_index=True, return_counts=True)
    for i in np.argsort(first).tolist():
        at, n = int(first[i]), int(times[i])
        client, s = addresses[mine[at]], stated[at]
        told = (s.address, s.where) if s is not None else (addresses[source[at]], None)
        seen_as[client, *told] += n
        of[client, told[1]] += n
    return tuple(
        AddressMapping(client, seen, where, n, of[client, where])
        for (client, seen, where), n in seen_as.most_common(200)
    )


def _ranked(values: Column) -> list[int]:
    """Distinct values, the most frequent first, and of equal ones the first seen."""
    distinct, first, times = np.unique(values, return_index=True, return_counts=True)
    ranked: list[int] = distinct[np.lexsort((first, -times))].tolist()
    return ranked
