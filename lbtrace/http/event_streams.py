"""Responses with Content-Type text/event-stream → how many events they carry, and the longest time
for which nothing came (HTML, §9.2).

A comment keeps a stream open: it is no event, but it is something that came. Bodies of HTTP/1 are
read once more, those of HTTP/2 are counted while they pass (`EventDigest`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from lbtrace.http.cursor import Cursor, StreamPieces
from lbtrace.http.event_digest import EventCounter, longest_silence
from lbtrace.http.h1.body import feed_chunked
from lbtrace.http.h1.head import move_behind_head
from lbtrace.http_fields import CONTENT_ENCODING, CONTENT_TYPE
from lbtrace.http_fields.content import is_event_stream
from lbtrace.http_fields.lines import field_value
from lbtrace.model.event_stream import EventStream
from lbtrace.model.http import Application, Exchange, Framing, Mark
from lbtrace.tables.columns import Column
from lbtrace.tables.exchanges import ExchangeTable, HeadTexts

Counted = tuple[int | None, int | None]
UNKNOWN: Final = None, None


def event_streams(
    table: ExchangeTable,
    found: Sequence[Exchange],
    applications: Sequence[Application],
    pieces: StreamPieces,
    of_http2: Mapping[tuple[int, int], Counted],
) -> list[EventStream]:
    """The event streams among the exchanges of a capture point, in their order. `of_http2`: by
    connection and stream, those of HTTP/2.
    """
    streams = []
    for exchange in _responses(table, found):
        if exchange.stream_id is not None:
            counted = of_http2.get((exchange.connection, exchange.stream_id), UNKNOWN)
        else:
            answering = not applications[exchange.connection].reversed
            counted = _counted(Cursor(pieces, 2 * exchange.connection + answering), exchange)
        streams.append(EventStream(exchange.id, *counted))
    return sorted(streams)


def _responses(table: ExchangeTable, found: Sequence[Exchange]) -> Iterator[Exchange]:
    """The exchanges whose response is an event stream."""
    wanted = np.isin(table.response.block, _blocks(table.heads))
    yield from table.make(np.flatnonzero(wanted))
    for e in found:
        asked = e.request is None or Mark.FROM_SERVER not in e.request.marks
        if asked and e.response and is_event_stream(field_value(e.response, CONTENT_TYPE) or ""):
            yield e


def _blocks(heads: HeadTexts) -> Column:
    """The blocks of field lines that say so."""
    name = CONTENT_TYPE.encode()
    size = len(name)
    names, of = heads.names
    wanted = [number for number, each in enumerate(names) if each[:size].lower() == name]
    kinds = [
        number
        for number in np.flatnonzero(np.isin(of, wanted)).tolist()
        if is_event_stream(heads.lines[number][size:].lstrip(b" \t:").decode("latin-1"))
    ]
    block = np.repeat(np.arange(len(heads)), np.diff(heads.first))
    found: Column = block[np.isin(heads.line, kinds)]
    return found


def _counted(cursor: Cursor, exchange: Exchange) -> Counted:
    """What the body of a response of HTTP/1 carries."""
    response = exchange.response
    if response is None or not move_behind_head(cursor, response.offset):
        return UNKNOWN
    begin, counter = cursor.offset, EventCounter()
    if response.body.framing is Framing.CHUNKED:
        feed_chunked(cursor, counter)
    else:
        cursor.take(response.body.length, counter)
    if not response.body.complete and not _to_the_end(cursor):
        return UNKNOWN
    rows = slice(cursor.row_at(begin - 1), cursor.row_at(max(cursor.offset, begin) - 1) + 1)
    start, length = (np.asarray(c)[rows] for c in (cursor.pieces.start, cursor.pieces.length))
    if (start[1:] > (start + length)[:-1]).any():
        return UNKNOWN
    coded = (field_value(response, CONTENT_ENCODING) or "identity").lower() != "identity"
    return None if coded else counter.events, longest_silence(
        np.asarray(cursor.pieces.time_ns)[rows]
    )


def _to_the_end(cursor: Cursor) -> bool:
    """Whether the cursor stands behind all that was sent, as far as the capture shows."""
    stream, pieces = cursor.stream, cursor.pieces
    return cursor.ended() and cursor.offset >= max(pieces.end[stream], pieces.fin[stream])
