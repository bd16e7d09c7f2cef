"""Connections that are one conversation → the exchanges on them, paired: the same packets, the same
ClientHello, a stated address.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lbtrace.match import connections
from lbtrace.match.pairing import Pairing
from lbtrace.match.same_packets import by_offset
from lbtrace.model.pairing import (
    Clue,
    Confidence,
    ConnectionBasis,
    ConnectionPair,
    Reason,
    Ref,
    Tier,
)
from lbtrace.tables.columns import Column, group_starts, running
from lbtrace.tables.side_table import SideTable

SAID_OF = {
    ConnectionBasis.SAME_PACKETS: Reason(Clue.SEQUENCE_NUMBERS),
    ConnectionBasis.TLS_CLIENT_HELLO: Reason(Clue.CLIENT_HELLO),
}


def same_packets(state: Pairing, pairs: Sequence[ConnectionPair]) -> None:
    """Pair the exchanges of connections whose packets, or ClientHello, are the same: by their place
    in the stream, else by content.
    """
    client, backend = state.client.table, state.backend.table
    fronts = client.numbers_of_connections([p.client for p in pairs])
    backs = backend.numbers_of_connections([p.backend for p in pairs])
    place, c, b = by_offset(state.client, state.backend, (fronts, backs))
    first = running(np.bincount(place, minlength=len(pairs)))
    begun = _begun(client, fronts) & _begun(backend, backs)
    plain = begun & (np.diff(first) > 0)
    plain[place[np.bincount(b, minlength=len(backend))[b] > 1]] = False  # found twice
    for low, high in pairwise([*group_starts(plain).tolist(), len(pairs)]):
        here = slice(int(first[low]), int(first[high]))
        if plain[low]:
            _add_plain(state, [pairs[i] for i in place[here].tolist()], c[here], b[here])
            continue
        for i in range(low, high):
            alike = c[first[i] : first[i + 1]].tolist(), b[first[i] : first[i + 1]].tolist()
            exact = list(zip(*alike, strict=True)) if begun[i] else None
            _add_one_by_one(state, pairs[i], (int(fronts[i]), int(backs[i])), exact)


def _add_plain(state: Pairing, pairs: Sequence[ConnectionPair], c: Column, b: Column) -> None:
    """Enter exchanges with the same bytes, none of them twice, and the connections they are on."""
    state.add_plain(
        c.tolist(),
        [[each] for each in b.tolist()],
        [Tier.SAME_PACKETS] * len(pairs),
        [p.confidence for p in pairs],
        [(SAID_OF[p.basis],) for p in pairs],
    )
    state.strong.update(c.tolist())


def _add_one_by_one(
    state: Pairing,
    pair: ConnectionPair,
    numbers: tuple[int, int],
    exact: list[tuple[int, int]] | None,
) -> None:
    """Enter the exchanges of a pair of connections. `exact`: those with the same bytes; None where
    one of the two did not begin in its capture.
    """
    mine, theirs = (
        facts.table.by_connection[number]
        for facts, number in zip((state.client, state.backend), numbers, strict=True)
    )
    ends = (state.client, state.backend, mine, theirs)
    if exact is None:
        exact = connections.by_number(*ends)
    for c, b in exact or connections.by_content(*ends):
        if c not in state.caused and state.owner[b] < 0:
            confidence = pair.confidence if exact else Confidence.MEDIUM
            state.add(c, [b], Tier.SAME_PACKETS, confidence, (SAID_OF[pair.basis],))
            (state.strong if exact else state.weak).add(c)


def _begun(table: SideTable, connections: Column) -> Column:
    """Which of these connections began in the capture; those without any exchange do not count."""
    used = np.bincount(table.connection, minlength=len(table.client_address))
    begun: Column = ((table.of_connections("syns") > 0) | (used == 0))[connections]
    return begun


def stated_address(state: Pairing, said: Sequence[connections.Stated | None]) -> None:
    """Pair backend exchanges that name their client's connection with the exchanges of it, in
    order.
    """
    named = state.pinned = connections.by_stated_port(state.client, said)
    of: dict[Ref, list[int]] = defaultdict(list)
    for b, ref in named.items():
        if state.owner[b] < 0:
            of[ref].append(b)
    mine = connections.exchanges_of(state.client, of)
    for ref, numbers in of.items():
        if len({state.backend.point[b] for b in numbers}) > 1:
            continue  # which came first is known within a capture only
        numbers.sort()  # as they were captured, never by time: a clock may be set back
        address = state.client.traces[ref.point].connections[ref.id].client
        for c, b in connections.in_order(state.client, state.backend, mine[ref], numbers):
            told = said[b]
            if c not in state.caused and state.owner[b] < 0 and told is not None:
                exact = told.address == address.address
                confidence = Confidence.CERTAIN if exact else Confidence.HIGH
                state.add(
                    c,
                    [b],
                    Tier.STATED_ADDRESS,
                    confidence,
                    (Reason(Clue.STATED_ADDRESS, f"{told.address}:{told.port}", told.where),),
                )
                state.strong.add(c)


def stated_lines(state: Pairing, known: Sequence[ConnectionPair]) -> list[ConnectionPair]:
    """Connection pairs that a PROXY header names, one client connection each, beside those
    known.
    """
    refs = {p.backend for p in known} | {p.client for p in known}
    return [
        p
        for p in connections.by_proxy_header(state.client, state.backend)
        if p.client not in refs and p.backend not in refs
    ]
