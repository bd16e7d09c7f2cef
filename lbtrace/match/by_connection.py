"""Connections that are one conversation → the exchanges on them, paired: the same packets, the same
ClientHello, a stated address.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

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
from lbtrace.tables.side_table import SideTable

SAID_OF = {
    ConnectionBasis.SAME_PACKETS: Reason(Clue.SEQUENCE_NUMBERS),
    ConnectionBasis.TLS_CLIENT_HELLO: Reason(Clue.CLIENT_HELLO),
}


def same_packets(state: Pairing, pairs: Sequence[ConnectionPair]) -> None:
    """Pair the exchanges of connections whose packets, or ClientHello, are the same: by their place
    in the stream, else by content.
    """
    mine = connections.exchanges_of(state.client, (p.client for p in pairs))
    theirs = connections.exchanges_of(state.backend, (p.backend for p in pairs))
    alike = by_offset(state.client, state.backend, pairs)
    begun = [
        _begun(state.client.table, [p.client for p in pairs]),
        _begun(state.backend.table, [p.backend for p in pairs]),
    ]
    for place, p in enumerate(pairs):
        ends = (state.client, state.backend, mine[p.client], theirs[p.backend])
        exact = (
            alike.get(place, [])
            if all(side[place] for side in begun)
            else connections.by_number(*ends)
        )
        for c, b in exact or connections.by_content(*ends):
            if c not in state.caused and state.owner[b] < 0:
                confidence = p.confidence if exact else Confidence.MEDIUM
                state.add(c, [b], Tier.SAME_PACKETS, confidence, (SAID_OF[p.basis],))
                (state.strong if exact else state.weak).add(c)


def _begun(table: SideTable, refs: Sequence[Ref]) -> list[bool]:
    """Which of these connections began in the capture; those without any exchange do not count."""
    at = table.numbers_of_connections(refs)
    used = np.bincount(table.connection, minlength=len(table.client_address))
    begun: list[bool] = ((table.of_connections("syns") > 0) | (used == 0))[at].tolist()
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
