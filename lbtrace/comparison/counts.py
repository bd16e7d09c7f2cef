"""Two sides → SideCounts of each. Health checks are left out and counted apart, so that the ratios
are those of the clients.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from lbtrace.comparison.checks import Checks
from lbtrace.comparison.return_path import ReturnPaths
from lbtrace.model.net import Side
from lbtrace.model.report import SideCounts
from lbtrace.tables.columns import Column
from lbtrace.tables.side_table import SideTable


class Counts(Checks, ReturnPaths):
    """Two sides, counted."""

    @cached_property
    def client_counts(self) -> SideCounts:
        """What the client side counts."""
        return self._counted(Side.CLIENT)

    @cached_property
    def backend_counts(self) -> SideCounts:
        """What the backend side counts."""
        return self._counted(Side.BACKEND)

    def counts(self, side: Side) -> SideCounts:
        """SYNs, requests and connections of one side, health checks apart.

        A connection that carried checks and other requests counts as an ordinary one; its checks
        are still left out of `requests`. One that several captures of the side show is counted
        once.
        """
        return self.client_counts if side is Side.CLIENT else self.backend_counts

    def counted(self, side: Side) -> Column:
        """Per connection of a side, whether it is counted: once, and not as a stray, which is part
        of another one.
        """
        once = counted_once(self.table(side))
        once[self.strays(side).stray] = False
        return once

    def _counted(self, side: Side) -> SideCounts:
        table, once = self.table(side), self.counted(side)
        asked, answered = (
            m.there & once[table.connection] for m in (table.requests, table.responses)
        )
        checks, check_connections = np.zeros(len(table), bool), np.zeros(len(once), bool)
        if side is Side.BACKEND:
            checks, check_connections = self.check_exchanges, self.check_connections
        ordinary = once & ~check_connections
        per_connection = np.bincount(table.connection[asked & ~checks])
        numbers, connections = np.unique(per_connection[per_connection > 0], return_counts=True)
        syns, again, opened = (
            table.of_connections(name)[ordinary]
            for name in ("syns", "syn_retransmissions", "opened")
        )
        return SideCounts(
            side=side,
            packets=sum(_sum(table.of_ends("packets", server)) for server in (False, True)),
            connections=_sum(ordinary),
            syns=_sum(syns),
            syn_retransmissions=_sum(again),
            opened=_sum(opened),
            already_open=_sum(syns == 0),
            requests=_sum(per_connection),
            responses=_sum(answered & ~checks),
            http_connections=_sum(connections),
            requests_per_connection=tuple(zip(numbers.tolist(), connections.tolist(), strict=True)),
            check_connections=_sum(once & check_connections),
            check_requests=_sum(asked & checks),
        )


def _sum(column: Column) -> int:
    return int(column.sum(dtype=np.int64))


def counted_once(table: SideTable) -> Column:
    """Per connection, whether it is counted.

    Captures at two places of one way show a connection twice, and so does a switch that does not
    know yet where a machine is. Of those with the same ends and the same initial sequence number,
    the one with the most packets counts.
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
