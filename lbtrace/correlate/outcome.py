"""The pairing as it ended → what is told of it: pairs with their attempts, and connections that
carried nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from lbtrace.correlate import attempts
from lbtrace.correlate.classes import Timeline
from lbtrace.correlate.facts import may_be_answer_each
from lbtrace.correlate.pairing import Pairing
from lbtrace.model.pairing import Confidence, ConnectionBasis, ConnectionPair, Tier
from lbtrace.tables.columns import running
from lbtrace.tables.packets import Column
from lbtrace.tables.pairs import ANSWERED, LOW, NONE, OUTCOMES, PairTable
from lbtrace.tables.sides import numbering, numbers


def pairs(state: Pairing, line: Timeline) -> PairTable:
    """Every client exchange that has backend exchanges, in order."""
    order = sorted(state.caused)
    client, backend, caused, n = state.client, state.backend, state.caused, len(state.caused)
    plain = _answered_at_once(state, order, line)
    told = {
        c: attempts.outcomes(state, c, line)
        for c, simple in zip(order, plain, strict=True)
        if not simple
    }
    tried = list(
        chain.from_iterable([b for b, _ in told[c]] if c in told else caused[c] for c in order)
    )
    sizes = np.fromiter((len(caused[c]) for c in order), np.int64, n)
    first = running(sizes)
    outcome = np.full(len(tried), ANSWERED, np.uint8)
    for at in np.flatnonzero(~np.array(plain, bool)).tolist():
        outcome[first[at] : first[at + 1]] = [
            OUTCOMES.index(ending) for _, ending in told[order[at]]
        ]
    known = numbering()
    mine, theirs = np.array(order, np.int64), np.array(tried, np.int64)
    return PairTable(
        client_point=client.point[mine],
        client=client.id[mine],
        tier=np.fromiter(map(state.tier.__getitem__, order), np.uint8, n),
        confidence=np.fromiter((state.confidence[c].rank for c in order), np.uint8, n),
        group=np.fromiter((state.group.get(c, NONE) for c in order), np.int64, n),
        reason=numbers(known, map(state.reasons.__getitem__, order), n),
        first=first,
        backend_point=backend.point[theirs],
        backend=backend.id[theirs],
        outcome=outcome,
        reasons=list(known),
    )


def _answered_at_once(state: Pairing, order: Sequence[int], line: Timeline) -> list[bool]:
    """Per client exchange, whether it had one attempt only, whose answer it got, in time: most are
    so.
    """
    client, backend = state.client, state.backend
    c = np.array(order, np.int64)
    b = np.fromiter((state.caused[i][0] for i in order), np.int64, len(c))
    single = np.fromiter((len(state.caused[i]) == 1 for i in order), bool, len(c))
    in_time = np.ones(len(c), bool)
    if line.known:
        same = np.fromiter((state.tier[i] is Tier.SAME_PACKETS for i in order), bool, len(c))
        in_time = same | (np.array(line.y, np.int64)[b] <= np.array(line.p, np.int64)[c])
    there = client.table.responses.there[c] & backend.table.responses.there[b]
    plain: list[bool] = (
        single & in_time & there & may_be_answer_each(client, backend, c, b)
    ).tolist()
    return plain


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
    left_out[[client.first_connection[p.client.point] + p.client.id for p in known]] = True
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
    return [
        ConnectionPair(
            client.connection_ref(c),
            backend.connection_ref(b),
            ConnectionBasis.EXCHANGES,
            Confidence.MEDIUM,
        )
        for c, b in zip(*(end.tolist() for end in ends), strict=True)
    ]
