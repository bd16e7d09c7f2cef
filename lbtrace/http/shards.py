"""Connections, read in shards: several processes can each read some of them.

    streams ─▶ costs ─▶ several(read) ─▶ Shard, Shard, … ─▶ joined ─▶ Shard

A shard is a range of connections. What HTTP, HPACK and WebSockets keep is kept per connection.
Connections share two limits: the spare exchanges of `budget`, and the different details of a weird.
A capture that reaches one of them is read in one piece (`can_be_joined`).

Invariant: the shards of any ranges that cover all connections, joined, are the shard of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np

from lbtrace.http import budget
from lbtrace.http.bulk.bulk_connections import BulkConnections
from lbtrace.http.connection import HTTP1, LIMITED, ConnectionReader
from lbtrace.http.weirds import Weirds
from lbtrace.model.http import Application, Exchange
from lbtrace.model.http2 import WindowStall
from lbtrace.model.tunnel import Tunnel
from lbtrace.model.websocket import WebSocket
from lbtrace.options import Options, Progress
from lbtrace.tables.columns import Column, running
from lbtrace.tables.control_frames import ControlFrames
from lbtrace.tables.exchanges import ExchangeTable
from lbtrace.tables.merging import merged
from lbtrace.tables.packets import StreamTable

_T = TypeVar("_T")
_STEP = 2048  # connections between two reports of progress
_PIECE = 200  # bytes that cost as much to read as a piece does beside its bytes
_ByStream: TypeAlias = dict[tuple[int, int], tuple[int | None, int | None]]


@dataclass(slots=True)
class Shard:
    """What some connections carry, and what is unusual about it. Their applications stand in order
    of the connections. Exchanges have no ids yet. `counts`, `events` and `parts` are of streams of
    HTTP/2: (connection, stream) → messages of gRPC, event streams, and in how many parts they came.
    `spent`: how many of the spare exchanges were used.
    """

    applications: list[Application]
    table: ExchangeTable
    found: list[Exchange]
    weirds: Weirds
    control: ControlFrames
    stalls: list[WindowStall]
    counts: _ByStream
    events: _ByStream
    parts: dict[tuple[int, int], tuple[int, int]]
    web_sockets: list[WebSocket]
    tunnels: list[Tunnel]
    spent: int


# (read the connections from one up to another, the cost of each connection, whom to tell) → shards
Several: TypeAlias = Callable[
    [Callable[[int, int, Progress], Shard], Column, Progress], Sequence[Shard]
]


def one_shard(
    read: Callable[[int, int, Progress], Shard], costs: Column, progress: Progress
) -> Sequence[Shard]:
    """All connections in one."""
    return [read(0, len(costs), progress)]


def costs(streams: StreamTable) -> Column:
    """What it costs to read each connection, as a number of bytes."""
    first = streams.first[::2]
    found: Column = np.diff(running(streams.length)[first]) + _PIECE * np.diff(first)
    return found


def read_shard(
    streams: StreamTable,
    by_port: Column,
    which: range,
    options: Options,
    progress: Progress,
    careful: bool = False,
) -> Shard:
    """Some of the connections → what they carry. `by_port`: per connection, whether only its ports
    say who is the client. `careful`: nothing is read in bulk.
    """
    count, begin = len(which), which.start
    some = _of(streams, which)
    bulk = BulkConnections(
        some,
        options.decode_content,
        lambda fraction: progress("reading HTTP", fraction),
        careful,
    )
    reading = ConnectionReader(
        some, options, bulk.ready(), by_port[begin : which.stop].tolist(), careful
    )
    applications = [HTTP1] * count
    for done, i in enumerate(np.flatnonzero(~bulk.complete).tolist()):
        if done % _STEP == 0 and done:
            progress("reading HTTP", i / count)
        applications[i] = reading.connection(i)
    reading.finish()
    table = bulk.table(reading.rows)
    table = merged([table, *reading.stream_tables()])
    shard = Shard(
        applications,
        table,
        reading.found + bulk.unanswered(reading.pieces, reading.context.caches),
        reading.weirds,
        reading.control(),
        reading.stalls,
        reading.counts,
        reading.events,
        reading.parts,
        reading.web_sockets,
        reading.tunnels,
        reading.budget.spent,
    )
    return moved(shard, begin) if begin else shard


def _of(streams: StreamTable, which: range) -> StreamTable:
    """The streams of some connections; none of their columns is copied."""
    first = streams.first[2 * which.start : 2 * which.stop + 1]
    if len(first) == len(streams.first):
        return streams
    held = {}
    for name, declared in StreamTable.declared.items():
        value = getattr(streams, name)
        if declared.role == "column":
            value = value[2 * which.start : 2 * which.stop]
        elif declared.role == "item":
            value = value[int(first[0]) : int(first[-1])]
        held[name] = value
    return StreamTable(**held | {"first": first - first[0]})


def moved(shard: Shard, begin: int) -> Shard:
    """The same with the numbers that its connections, counted from 0, have among all."""

    def by_stream(held: dict[tuple[int, int], _T]) -> dict[tuple[int, int], _T]:
        return {(connection + begin, stream): of for (connection, stream), of in held.items()}

    table, control = shard.table, shard.control
    shard.table = table.with_columns(connection=(table.connection + begin).astype(np.int32))
    shard.control = control.with_columns(connection=(control.connection + begin).astype(np.int32))
    shard.found = [e._replace(connection=e.connection + begin) for e in shard.found]
    shard.stalls = [s._replace(connection=s.connection + begin) for s in shard.stalls]
    shard.web_sockets = [w._replace(connection=w.connection + begin) for w in shard.web_sockets]
    shard.tunnels = [t._replace(connection=t.connection + begin) for t in shard.tunnels]
    shard.counts, shard.events = by_stream(shard.counts), by_stream(shard.events)
    shard.parts = by_stream(shard.parts)
    return shard


def can_be_joined(shards: Sequence[Shard]) -> bool:
    """Whether they say together what one reader of all connections would say: what they share has
    sufficed for all of them.
    """
    return len(shards) == 1 or shares_suffice([(s.spent, is_limited(s)) for s in shards])


def is_limited(shard: Shard) -> bool:
    """Whether a limit was reached that connections share."""
    return shard.weirds.limited or shard.weirds.has(LIMITED)


def shares_suffice(used: Sequence[tuple[int, bool]]) -> bool:
    """Whether connections that were read apart, each with limits of its own, would not have reached
    them together. `used`: the spare exchanges spent, and whether a limit was reached.
    """
    return not any(limited for _, limited in used) and sum(n for n, _ in used) <= budget.SPARE


def joined(shards: Sequence[Shard]) -> Shard:
    """The shards of ranges that follow each other → that of all."""
    if len(shards) == 1:
        return shards[0]
    weirds = Weirds()
    for shard in shards:
        weirds.take(shard.weirds)
    return Shard(
        [application for shard in shards for application in shard.applications],
        merged([shard.table for shard in shards]),
        [exchange for shard in shards for exchange in shard.found],
        weirds,
        ControlFrames.together([shard.control for shard in shards]),
        [stall for shard in shards for stall in shard.stalls],
        {key: of for shard in shards for key, of in shard.counts.items()},
        {key: of for shard in shards for key, of in shard.events.items()},
        {key: of for shard in shards for key, of in shard.parts.items()},
        [each for shard in shards for each in shard.web_sockets],
        [each for shard in shards for each in shard.tunnels],
        sum(shard.spent for shard in shards),
    )
