"""Streams → applications and HTTP exchanges: by the straight road where a connection is sound, by the careful one elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter

import numpy as np

from lbtrace.exchange_table import Exchanges, ExchangeTable
from lbtrace.http import straight
from lbtrace.http.connection import HTTP1, Reading
from lbtrace.model.http import Application, Exchange
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Diagnostic
from lbtrace.options import Options
from lbtrace.tables import Column, StreamTable

_STEP = 2048  # connections between two reports of progress


def exchanges(
    connections: Sequence[Connection],
    streams: StreamTable,
    options: Options,
    progress: Callable[[str, float], None],
    careful: bool = False,
) -> tuple[list[Application], Sequence[Exchange], tuple[Diagnostic, ...]]:
    """Streams → one Application per connection, and every exchange, ordered by first frame.

    `careful` sends every connection down the careful road; the result is the same (a law in the tests).
    """
    count = len(connections)
    table, sound = ExchangeTable.empty(), np.zeros(count, bool)
    reading = Reading(streams, options)
    if not careful:
        table, reading.found, sound = straight.read(
            streams, options.decode_content, lambda fraction: progress("reading HTTP", fraction), reading.unanswered
        )
    applications = [HTTP1] * count
    for done, i in enumerate(np.flatnonzero(~sound).tolist()):
        if done % _STEP == 0 and done:
            progress("reading HTTP", i / count)
        applications[i] = reading.connection(i)
    found = reading.found
    found.sort(key=_first_frame)
    ids = _ids(table, found)
    table.id = ids[: len(table)]
    make = tuple.__new__
    for i, (id_, exchange) in enumerate(zip(ids[len(table) :].tolist(), found, strict=True)):  # in place: there are never two of each
        found[i] = make(Exchange, (id_, *exchange[1:]))
    return applications, Exchanges(table, found), reading.oddities.diagnostics()


def _ids(table: ExchangeTable, found: list[Exchange]) -> Column:
    """The ids of both, one after the other, each in the order of its first frames; in the same frame by connection."""
    frames = np.fromiter(map(_first_frame, found), np.int64, len(found))
    connections = np.fromiter(map(itemgetter(1), found), np.int64, len(found))
    order = np.lexsort((np.append(table.connection, connections), np.append(table.request.first_frame, frames)))
    ids = np.empty(len(order), np.int64)
    ids[order] = np.arange(len(order))
    return ids


def _first_frame(exchange: Exchange) -> int:
    """The frame an exchange is first seen in."""
    request, response, interim = exchange[3], exchange[4], exchange[5]
    if request is not None:
        return request[5]
    return interim[0][2] if interim else response[5] if response is not None else 0
