"""Traces of one side → SideCounts. What health checks account for is left out and counted apart, so
the ratios speak of clients only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.model.net import Side
from lbtrace.model.pairing import Correlation
from lbtrace.model.report import SideCounts
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column
from lbtrace.tables.sides import SideTable


def count_side(
    side: Side,
    traces: Sequence[Trace],
    correlation: Correlation,
    comparison: Comparison | None = None,
) -> SideCounts:
    """SYNs, requests and connections of one side, health checks apart.

    A connection that carried checks and other requests counts as an ordinary one; its checks are
    still left out of `requests`. One that several captures of the side show is counted once.
    """
    comparison = comparison or (
        Comparison(traces, (), correlation)
        if side is Side.CLIENT
        else Comparison((), traces, correlation)
    )
    table = comparison.table(side)
    once = counted_once(table)
    asked, answered = (m.there & once[table.connection] for m in (table.requests, table.responses))
    checks, check_connections = (
        np.zeros(len(table), bool),
        np.zeros(len(table.client_address), bool),
    )
    if side is Side.BACKEND:
        checks, check_connections = comparison.check_exchanges, comparison.check_connections
    ordinary = once & ~check_connections
    per_connection = np.bincount(table.connection[asked & ~checks])
    numbers, connections = np.unique(per_connection[per_connection > 0], return_counts=True)
    syns = table.of_connections("syns")[ordinary]
    return SideCounts(
        side=side,
        packets=sum(
            int(table.of_ends("packets", server).sum(dtype=np.int64)) for server in (False, True)
        ),
        connections=int(ordinary.sum()),
        syns=int(syns.sum(dtype=np.int64)),
        syn_retransmissions=int(
            table.of_connections("syn_retransmissions")[ordinary].sum(dtype=np.int64)
        ),
        opened=int(table.of_connections("opened")[ordinary].sum()),
        already_open=int((syns == 0).sum()),
        requests=int(per_connection.sum()),
        responses=int((answered & ~checks).sum()),
        http_connections=int(connections.sum()),
        requests_per_connection=tuple(zip(numbers.tolist(), connections.tolist(), strict=True)),
        check_connections=int((once & check_connections).sum()),
        check_requests=int((asked & checks).sum()),
    )


def counted_once(table: SideTable) -> Column:
    """Per connection, whether it is counted: of those with the same ends and the same initial
    sequence number, which captures at two places of one way show (or a switch that does not know
    yet where a machine is), the one with the most packets.
    """
    count = len(table.client_address)
    if len(table.traces) < 2:
        return np.ones(count, bool)
    ends = [
        table.client_address,
        table.server_address,
        *map(table.of_connections, ("client_port", "server_port")),
    ]
    packets = table.of_ends("packets", False) + table.of_ends("packets", True)
    key = np.stack([*ends, table.of_ends("isn", False)], axis=1).astype(np.int64)
    order = np.lexsort((-packets.astype(np.int64), *key.T))
    same = np.concatenate(
        [np.zeros(min(count, 1), bool), (key[order[1:]] == key[order[:-1]]).all(axis=1)]
    ) & (key[order][:, -1] >= 0)
    out = np.ones(count, bool)
    out[order[same]] = False
    return out
