"""Streams → applications and HTTP exchanges (RFC 9110, RFC 9112, RFC 9113).

Messages are read in bulk first (`bulk/`); every connection that does not consist of such messages
alone is read byte by byte (`connection`, `h1/`, `h2/`). Invariant: bulk reading changes no result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import NamedTuple

import numpy as np

from lbtrace.http.cursor import StreamPieces
from lbtrace.http.event_streams import event_streams
from lbtrace.http.grpc import calls
from lbtrace.http.roles import guessed, settled
from lbtrace.http.shards import (
    Several,
    Shard,
    can_be_joined,
    costs,
    is_limited,
    joined,
    one_shard,
    read_shard,
    shares_suffice,
)
from lbtrace.http.stated_reasons import stated_reasons
from lbtrace.model.event_stream import EventStream
from lbtrace.model.http import Application, Exchange
from lbtrace.model.http2 import StreamParts
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Diagnostic
from lbtrace.model.tunnel import Tunnel
from lbtrace.model.websocket import WebSocket
from lbtrace.options import Options, Progress
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tables.control_frames import ControlFrames, WindowStalls
from lbtrace.tables.exchanges import Exchanges, ExchangeTable
from lbtrace.tables.grpc_calls import GrpcCalls
from lbtrace.tables.packets import Column, StreamTable

__all__ = [
    "Carried",
    "Several",
    "Shard",
    "exchanges",
    "one_shard",
    "settled",
    "shares_suffice",
    "stated_reasons",
]


class Carried(NamedTuple):
    """What the streams of a capture point carry: one Application per connection, every exchange,
    ordered by first frame, what HTTP/2 says beside them,
    which of them are gRPC calls, what WebSockets carried, which exchanges are event streams, in how
    many parts those on slow streams came, and what was sent in tunnels. `spent` and `limited` say
    how much of the limits that all connections of a capture share was used (`shards`).
    """

    applications: list[Application]
    exchanges: Sequence[Exchange]
    diagnostics: tuple[Diagnostic, ...]
    control: ControlFrames
    stalls: WindowStalls
    calls: GrpcCalls
    web_sockets: list[WebSocket]
    event_streams: list[EventStream]
    parts: list[StreamParts]
    tunnels: list[Tunnel]
    spent: int
    limited: bool


def exchanges(
    connections: Sequence[Connection],
    streams: StreamTable,
    options: Options,
    progress: Progress,
    careful: bool = False,
    several: Several = one_shard,
) -> Carried:
    """Streams → what they carry.

    An Application that is `reversed` says that the end taken for the server is the client.
    `careful`: nothing is read in bulk; the result is the same (a law in the tests). `several` reads
    connections in shards; the result is the same, too.
    """
    by_port = guessed(ConnectionTable.of(connections))

    def read(low: int, high: int, progress: Progress) -> Shard:
        return read_shard(streams, by_port, range(low, high), options, progress, careful)

    shards = several(read, costs(streams), progress)
    shard = joined(shards) if can_be_joined(shards) else read(0, len(connections), progress)
    table, found = shard.table, shard.found
    table.id, ids = _ids(table, found)
    found = [found[k] for k in np.argsort(ids).tolist()]
    make = tuple.__new__
    for i, (id_, exchange) in enumerate(
        zip(np.sort(ids).tolist(), found, strict=True)
    ):  # in place: there are never two of each
        found[i] = make(Exchange, (id_, *exchange[1:]))
    pieces = StreamPieces(streams)
    return Carried(
        shard.applications,
        Exchanges(table, found),
        shard.weirds.diagnostics(),
        shard.control,
        WindowStalls.of(shard.stalls),
        GrpcCalls.of(list(calls(found, shard.counts))),
        shard.web_sockets,
        event_streams(table, found, shard.applications, pieces, shard.events),
        list(_parts(found, shard.parts)),
        shard.tunnels,
        shard.spent,
        is_limited(shard),
    )


def _parts(
    found: list[Exchange], by_stream: Mapping[tuple[int, int], tuple[int, int]]
) -> Iterator[StreamParts]:
    """In how many parts the exchanges on streams came. `by_stream`: by connection and stream, of
    request and response.
    """
    for exchange in found if by_stream else ():
        if exchange.stream_id is not None:
            parts = by_stream.get((exchange.connection, exchange.stream_id))
            if parts is not None:
                yield StreamParts(exchange.id, *parts)


def _ids(table: ExchangeTable, found: list[Exchange]) -> tuple[Column, Column]:
    """The ids of both, in the order of their first frames; in the same frame by connection, and by
    their order on it.
    """
    count = len(table) + len(found)
    if not found:
        return np.arange(count), np.zeros(0, np.int64)
    own = (
        np.fromiter(map(key, found), np.int64, len(found))
        for key in (itemgetter(2), itemgetter(1), attrgetter("first_frame"))
    )
    of_table = table.ordinal, table.connection, table.request.first_frame
    order = np.lexsort([np.append(one, other) for one, other in zip(of_table, own, strict=True)])
    ids = np.empty(count, np.int64)
    ids[order] = np.arange(count)
    return ids[: len(table)], ids[len(table) :]
