"""A side → the segments that came back past the balancer: they continue a connection, and come from
another address than the one its client spoke to.

    client 192.0.2.9:40000 ─▶ 203.0.113.80:80        the connection, with its SYN
    client 192.0.2.9:40000 ◀─ 10.0.9.11:8080         segments that acknowledge what it sent

A capture reader sees two connections, the second without its start. It is none of its own: the
numbers it acknowledges are those of the first (RFC 9293 §3.4). The balancer or NAT did not
translate its source address, or the answer took another way.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from lbtrace.comparison.sides import Sides
from lbtrace.model.net import Side
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import NONE
from lbtrace.tables.sequence import RING
from lbtrace.tables.side_table import SideTable


class PastTheBalancer(NamedTuple):
    """Connections, by number: of a stray, and of the connection it continues."""

    stray: Column
    known: Column


class ReturnPaths(Sides):
    """Two sides, and what came back past the balancer on each."""

    @cached_property
    def _strays(self) -> tuple[PastTheBalancer, PastTheBalancer]:
        client, backend = self.sides
        return past_the_balancer(client), past_the_balancer(backend)

    def strays(self, side: Side) -> PastTheBalancer:
        """What came back past the balancer on a side."""
        return self._strays[0 if side is Side.CLIENT else 1]


def past_the_balancer(table: SideTable) -> PastTheBalancer:
    """The stray connections of a side, each with the one it continues."""
    begun = table.of_connections("syns") > 0
    found = [
        # the other end is taken for the server of the stray, or, by its ports, for its client
        _continued(table, begun, table.sources, table.servers, server=True),
        _continued(table, begun, table.servers, table.sources, server=False),
    ]
    return PastTheBalancer(*(np.concatenate([f[i] for f in found]) for i in (0, 1)))


def _continued(
    table: SideTable, begun: Column, near: Column, far: Column, server: bool
) -> tuple[Column, Column]:
    """`near`: per connection the end that may be the client of a connection that began; `far`: the
    end that acknowledges, the server of the stray or not.
    """
    ack = table.of_ends("first_ack", server)
    stray = np.flatnonzero(~begun & (ack != NONE))
    known = np.flatnonzero(begun)
    known = known[np.argsort(table.sources[known], kind="stable")]
    ends = table.sources[known]
    low = np.searchsorted(ends, near[stray], "left")
    high = np.searchsorted(ends, near[stray], "right")
    start = table.of_ends("start_seq", server=False)
    sent = table.of_ends("bytes", server=False) + table.of_ends("missing", server=False)
    rows: list[tuple[int, int]] = []
    for s, a, b in zip(stray.tolist(), low.tolist(), high.tolist(), strict=True):
        for k in known[a:b].tolist():
            # one more for the FIN, whose number is acknowledged too
            reached = int(ack[s] - start[k]) % RING <= int(sent[k]) + 1
            if start[k] != NONE and reached and far[s] != table.servers[k]:
                rows.append((s, k))
                break
    both = np.array(rows, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]
