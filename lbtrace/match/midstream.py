"""Connections whose start one side did not capture → the pairs whose messages have the same
sequence numbers on both sides.

A balancer that passes packets on leaves the numbers alone (or a NAT that shifts them is none of
this file's business). An exchange whose request and whose response both begin at equal sequence
numbers (2⁻⁶⁴ by chance) and do not contradict each other is the same packets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from lbtrace.match.exchange_times import may_be_answer, may_be_caused
from lbtrace.model.http import Exchange, Mark
from lbtrace.model.pairing import Confidence, ConnectionBasis, ConnectionPair, Ref
from lbtrace.model.trace import Trace
from lbtrace.tables import sequence


def numbers(trace: Trace, e: Exchange) -> tuple[int | None, int | None]:
    """The sequence numbers at which the request and the response of an exchange begin; None where
    that is not known.
    """
    c = trace.connections[e.connection]
    up, down = c.from_client.start_seq, c.from_server.start_seq
    if e.request is not None and Mark.FROM_SERVER in e.request.marks:
        up, down = down, up
    return (
        sequence.add(up, e.request.offset) if e.request and up is not None else None,
        sequence.add(down, e.response.offset) if e.response and down is not None else None,
    )


def pairs(
    clients: Sequence[Trace], backends: Sequence[Trace], taken: set[Ref], used: set[Ref]
) -> list[ConnectionPair]:
    """Connection pairs with an exchange at the same sequence numbers, where a side lacks the start;
    each connection is in one at most.
    """
    if all(c.syns for trace in (*clients, *backends) for c in trace.connections):
        return []
    left, right = _index(clients, taken), _index(backends, used)
    forth: dict[Ref, set[Ref]] = defaultdict(set)
    back: dict[Ref, set[Ref]] = defaultdict(set)
    for key, (mine, e) in left.items():
        if key not in right:
            continue
        theirs, other = right[key]
        headless = (
            not clients[mine.point].connections[mine.id].syns
            or not backends[theirs.point].connections[theirs.id].syns
        )
        if headless and may_be_caused(e, other) and may_be_answer(e, other):
            forth[mine].add(theirs)
            back[theirs].add(mine)
    return [
        ConnectionPair(mine, theirs, ConnectionBasis.SAME_PACKETS, Confidence.CERTAIN)
        for mine, partners in forth.items()
        if len(partners) == 1 and len(back[theirs := next(iter(partners))]) == 1
    ]


def _index(traces: Sequence[Trace], known: set[Ref]) -> dict[tuple[int, int], tuple[Ref, Exchange]]:
    """Sequence numbers → the connection and the exchange that has them; numbers that occur twice
    are left out.
    """
    out: dict[tuple[int, int], tuple[Ref, Exchange]] = {}
    twice: set[tuple[int, int]] = set()
    for point, trace in enumerate(traces):
        for e in trace.exchanges:
            ref = Ref(point, e.connection)
            up, down = numbers(trace, e)
            if up is None or down is None or ref in known:
                continue
            if (up, down) in out:
                twice.add((up, down))
            out[up, down] = ref, e
    return {key: held for key, held in out.items() if key not in twice}
