"""One capture alone → where it was passed on what was asked: then the capture was taken on a
balancer, and holds both of its sides.

Who passes a request on asks another server for the same thing while its own client waits. A client
that asks two servers for the same thing at the same time does not: both requests are its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from functools import cached_property
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np

from lbtrace.comparison.sides import Sides
from lbtrace.model.trace import PacketDirection, Trace
from lbtrace.tables.columns import Column, distinct
from lbtrace.tables.connections import LATER, NO_FRAME, NONE, ConnectionTable
from lbtrace.tables.side_table import SideTable

FIRST: Final = 2000  # exchanges that are looked at: what a balancer does, it does from the start
MOST: Final = 8  # servers in front that are looked at
NEARLY_ALL: Final = 0.8  # of what a server behind was asked, and the one in front as well
FEW: Final = 3  # requests that are alike, one inside the other, are no chance


class PassedOn(NamedTuple):
    """What one server was asked, and whom it asked for that, by their numbers in
    `SideTable.servers`.
    """

    front: int
    behind: tuple[int, ...]
    asked: int  # number of the exchange in front that is the first example
    passed_on: int  # number of the one behind that is inside it


class PassedOnSides(Sides):
    """Two sides, and whether the only one that was captured holds both sides of a balancer."""

    @cached_property
    def passed_on(self) -> PassedOn | None:
        """Who passed on what, of the only capture: the server in front that has most servers
        behind it.
        """
        (side,) = self.captured
        table = self.table(side)
        if len(distinct(table.servers[table.connection])) < 2:
            return None
        rows = np.flatnonzero(table.requests.there & table.requests.from_client)
        rows = rows[np.argsort(table.requests.first_ns[rows], kind="stable")][:FIRST]
        fronts = Counter(table.servers[table.connection[rows]].tolist())
        found = [_behind(table, rows, front) for front, _ in fronts.most_common(MOST)]
        return max(filter(None, found), key=lambda p: len(p.behind), default=None)

    @cached_property
    def takes_and_opens(self) -> bool:
        """Whether the host of the only capture took connections and opened others itself, as a
        balancer does, and a server that asks others in turn.
        """
        (side,) = self.captured
        table = self.table(side)
        return any(
            {PacketDirection.RECEIVED, PacketDirection.SENT} <= _ways(trace, connections)
            for trace, connections in zip(table.traces, table.connections, strict=True)
        )


def _ways(trace: Trace, connections: ConnectionTable) -> set[int]:
    """Which way the SYNs went, of connections with another host."""
    if not trace.packet_directions:
        return set()
    ways = np.frombuffer(trace.packet_directions, np.uint8)
    known = (connections.syn_frame != NO_FRAME) & (connections.client != connections.server)
    return set(ways[connections.syn_frame[known] - 1].tolist())


def _behind(table: SideTable, rows: Column, front: int) -> PassedOn | None:
    """Whom a server asked for what it was asked, if anybody."""
    q, r, held = table.requests, table.responses, table.connection
    server = table.servers[held]
    outer = rows[server[rows] == front]
    ends = np.where(r.there, r.last_ns, LATER)[outer]
    spans: dict[tuple[int, int], list[_Span]] = defaultdict(list)
    for row, begin, end in zip(
        outer.tolist(), q.first_ns[outer].tolist(), ends.tolist(), strict=True
    ):
        spans[int(q.method[row]), int(q.start[row])].append(_Span(begin, end, row))
    begins = {key: [span.begin_ns for span in those] for key, those in spans.items()}
    latest = {key: list(accumulate(those, _later)) for key, those in spans.items()}
    own = _Askers.of(table, outer)
    examples: dict[int, list[tuple[int, int]]] = defaultdict(list)
    asked: Counter[int] = Counter()
    for row in rows[server[rows] != front].tolist():
        key, where = (int(q.method[row]), int(q.start[row])), int(server[row])
        if key not in begins:
            continue  # a health check, or another service
        asked[where] += 1
        at = bisect_right(begins[key], int(q.first_ns[row])) - 1
        end = int(r.last_ns[row]) if r.there[row] else int(q.last_ns[row])
        if at >= 0 and latest[key][at].end_ns >= end and not own.ask(table, int(held[row])):
            examples[where].append((latest[key][at].row, row))
    behind = tuple(
        where
        for where, pairs in examples.items()
        if len(pairs) >= NEARLY_ALL * asked[where]
        and (len(pairs) >= FEW or _through(table, *pairs[0]))
    )
    return PassedOn(front, behind, *examples[behind[0]][0]) if behind else None


class _Span(NamedTuple):
    """From when to when somebody waited for an answer."""

    begin_ns: int
    end_ns: int
    row: int


def _later(one: _Span, other: _Span) -> _Span:
    return max(one, other, key=lambda span: span.end_ns)


class _Askers(NamedTuple):
    """Who asked the server in front."""

    addresses: set[int]
    packets: set[tuple[int, int]]  # the initial sequence numbers of their connections

    @classmethod
    def of(cls, table: SideTable, exchanges: Column) -> _Askers:
        held = distinct(table.connection[exchanges])
        return cls(
            set(table.client_address[held].tolist()), {_isns(table, n) for n in held.tolist()}
        )

    def ask(self, table: SideTable, connection: int) -> bool:
        """Whether a connection is one that they opened themselves: it comes from one of them, and
        its packets are no translated ones of theirs.
        """
        isns = _isns(table, connection)
        translated = NONE not in isns and isns in self.packets
        return int(table.client_address[connection]) in self.addresses and not translated


def _isns(table: SideTable, connection: int) -> tuple[int, int]:
    client, server = (int(table.of_ends("isn", server)[connection]) for server in (False, True))
    return client, server


def _through(table: SideTable, asked: int, passed_on: int) -> bool:
    """Whether the host that was asked, or the machine that captured, is shown to have asked in
    turn. Without that, a few requests may be alike by chance.
    """
    held = table.connection
    if table.client_address[held[passed_on]] == table.server_address[held[asked]]:
        return True
    directions = table.trace_of(asked).packet_directions
    frames = (table.exchange(row).first_frame for row in (asked, passed_on))
    return bool(directions) and [directions[frame - 1] for frame in frames] == [
        PacketDirection.RECEIVED,
        PacketDirection.SENT,
    ]
