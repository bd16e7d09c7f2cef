"""The pairing as it ended → what is told of it: pairs with their attempts, and connections that carried nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lbtrace.columns import rows_of
from lbtrace.correlate import attempts
from lbtrace.correlate.classes import Timeline
from lbtrace.correlate.facts import may_be_answer_each
from lbtrace.correlate.pairing import Pairing
from lbtrace.model.pairing import Attempt, AttemptOutcome, Confidence, ConnectionBasis, ConnectionPair, ExchangePair, Tier
from lbtrace.tables import Column


def pairs(state: Pairing, line: Timeline) -> tuple[ExchangePair, ...]:
    """Every client exchange that has backend exchanges, in order."""
    order = sorted(state.caused)
    plain = _answered_at_once(state, order, line)
    refs, caused, new = state.backend.refs, state.caused, tuple.__new__
    tried = [
        (new(Attempt, (refs[caused[c][0]], AttemptOutcome.ANSWERED)),) if simple else attempts.outcomes(state, c, line)
        for c, simple in zip(order, plain, strict=True)
    ]
    client, tier, confidence, reasons = state.client.refs, state.tier, state.confidence, state.reasons
    columns = (
        [client[c] for c in order],
        tried,
        [tier[c] for c in order],
        [confidence[c] for c in order],
        map(state.group.get, order),
        [reasons[c] for c in order],
    )
    return tuple(rows_of(ExchangePair, columns))


def _answered_at_once(state: Pairing, order: Sequence[int], line: Timeline) -> list[bool]:
    """Per client exchange, whether it had one attempt only, whose answer it got, in time: most are so."""
    client, backend = state.client, state.backend
    c = np.array(order, np.int64)
    b = np.fromiter((state.caused[i][0] for i in order), np.int64, len(c))
    single = np.fromiter((len(state.caused[i]) == 1 for i in order), bool, len(c))
    in_time = np.ones(len(c), bool)
    if line.known:
        same = np.fromiter((state.tier[i] is Tier.SAME_PACKETS for i in order), bool, len(c))
        in_time = same | (np.array(line.y, np.int64)[b] <= np.array(line.p, np.int64)[c])
    there = client.table.responses.there[c] & backend.table.responses.there[b]
    plain: list[bool] = (single & in_time & there & may_be_answer_each(client, backend, c, b)).tolist()
    return plain


def carried(state: Pairing, found: Sequence[ExchangePair], known: Sequence[ConnectionPair]) -> list[ConnectionPair]:
    """Connections whose exchanges pair one to one, all of them, and with no other connection; those known are left out."""
    rows = [(p.client, t.backend) for p in found for t in p.attempts]
    if not rows:
        return []
    client, backend = state.client, state.backend
    mine = client.connection[np.fromiter((client.number(c) for c, _ in rows), np.int64, len(rows))]
    theirs = backend.connection[np.fromiter((backend.number(b) for _, b in rows), np.int64, len(rows))]
    doubtful = [client.number(p.client) for p in found if _is_doubtful(p)]
    left_out = np.zeros(len(client.table.client_address), bool)
    left_out[client.connection[np.array(doubtful, np.int64)]] = True
    left_out[[client.table.first_connection[p.client.point] + p.client.id for p in known]] = True
    width = len(backend.table.client_address)
    both, first = np.unique(mine * width + theirs, return_index=True)
    front, back = both // width, both % width
    alone = (np.bincount(front, minlength=1)[front] == 1) & (np.bincount(back, minlength=1)[back] == 1) & ~left_out[front]
    order = np.argsort(first[alone])
    ends: tuple[Column, Column] = front[alone][order], back[alone][order]
    return [
        ConnectionPair(client.table.connection_ref(c), backend.table.connection_ref(b), ConnectionBasis.EXCHANGES, Confidence.MEDIUM)
        for c, b in zip(*(end.tolist() for end in ends), strict=True)
    ]


def _is_doubtful(pair: ExchangePair) -> bool:
    answered = pair.attempts[-1].outcome is AttemptOutcome.ANSWERED
    return pair.group is not None or pair.confidence is Confidence.LOW or not answered
