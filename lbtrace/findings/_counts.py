"""Traces of one side → SideCounts. What health checks account for is left out and counted apart, so the ratios speak of clients only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lbtrace.case import Case
from lbtrace.model.net import Side
from lbtrace.model.pairing import Correlation, Ref
from lbtrace.model.report import SideCounts
from lbtrace.model.trace import Trace


def count_side(side: Side, traces: Sequence[Trace], correlation: Correlation) -> SideCounts:
    """SYNs, requests and connections of one side, health checks apart.

    A connection that carried checks and other requests counts as an ordinary one; its checks are still left out of `requests`.
    """
    case = Case(traces, traces, correlation)
    checks = case.check_exchanges if side is Side.BACKEND else frozenset()
    check_connections = case.check_connections if side is Side.BACKEND else frozenset()
    ordinary = [
        c
        for point, trace in enumerate(traces)
        for c in trace.connections
        if not check_connections or Ref(point, c.id) not in check_connections
    ]
    requests: Counter[tuple[int, int]] = Counter()
    responses = check_requests = 0
    for point, trace in enumerate(traces):
        asked: list[int] = []
        for exchange in trace.exchanges:
            if checks and Ref(point, exchange.id) in checks:
                check_requests += exchange.request is not None
                continue
            if exchange.request is not None:
                asked.append(exchange.connection)
            responses += exchange.response is not None
        requests.update({(point, connection): n for connection, n in Counter(asked).items()})
    return SideCounts(
        side=side,
        packets=sum(c.from_client.packets + c.from_server.packets for t in traces for c in t.connections),
        connections=len(ordinary),
        syns=sum(c.syns for c in ordinary),
        syn_retransmissions=sum(c.syn_retransmissions for c in ordinary),
        opened=sum(c.opened for c in ordinary),
        already_open=sum(c.already_open for c in ordinary),
        requests=sum(requests.values()),
        responses=responses,
        http_connections=len(requests),
        requests_per_connection=tuple(sorted(Counter(requests.values()).items())),
        check_connections=len(check_connections),
        check_requests=check_requests,
    )
