"""Streams → applications and HTTP exchanges."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lbtrace.http.connection import Reading
from lbtrace.model.http import Application, Exchange
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Diagnostic
from lbtrace.options import Options
from lbtrace.tables import StreamTable

_STEP = 2048  # connections between two reports of progress


def exchanges(
    connections: Sequence[Connection], streams: StreamTable, options: Options, progress: Callable[[str, float], None]
) -> tuple[list[Application], list[Exchange], tuple[Diagnostic, ...]]:
    """Streams → one Application per connection, and every exchange, ordered by first frame."""
    reading = Reading(streams, options)
    count = len(connections)
    applications: list[Application] = []
    for i in range(count):
        if i % _STEP == 0 and i:
            progress("reading HTTP", i / count)
        applications.append(reading.connection(i))
    found = reading.found
    found.sort(key=_first_frame)
    make = tuple.__new__
    for i, exchange in enumerate(found):  # in place: there are never two of each
        found[i] = make(Exchange, (i, *exchange[1:]))
    return applications, found, reading.oddities.diagnostics()


def _first_frame(exchange: Exchange) -> int:
    """The frame an exchange is first seen in."""
    request, response, interim = exchange[3], exchange[4], exchange[5]
    if request is not None:
        return request[5]
    return interim[0][2] if interim else response[5] if response is not None else 0
