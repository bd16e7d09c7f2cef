"""The traces of both sides → a SideTable of each, in one numbering of what they share.

A message that was not captured has the values of `_NO_REQUEST` or `_NO_RESPONSE`, and `there` is
False.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from lbtrace.model.http import NO_BODY, Body, Exchange, Framing, HeaderLine, Request, Response
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, running
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tables.exchanges import (
    FRAMES,
    FRAMES_LENGTH,
    LENGTH,
    MARK_SETS,
    NO_STREAM,
    OTHER,
    Exchanges,
    ExchangeTable,
    HeadTexts,
    MessageTable,
    request_lines,
    status_parts,
)
from lbtrace.tables.messages import FRAMINGS, Heads, Messages
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.table import Table, column, part, table
from lbtrace.tables.words import Words, bits_of, numbers

_NO_REQUEST = Request("", "", "", (), NO_BODY, 0, 0, 0, 0, 0, 0)
_REQUEST_LINE = ("method", "start", "version")
_MARKS_OF_ROWS = np.array([bits_of(marks) for marks in MARK_SETS], np.int64)
_NO_RESPONSE = Response(0, "", "", (), NO_BODY, 0, 0, 0, 0, 0, 0)


def both_sides(clients: Sequence[Trace], backends: Sequence[Trace]) -> tuple[SideTable, SideTable]:
    """The traces of both sides → their tables, in one numbering."""
    words = Words()
    return side_table(clients, words), side_table(backends, words)


@table
class _Part(Table):
    """The exchanges of one trace, those of ordinary shape or the others."""

    connection: Column = column("i8", "id of the connection")
    marks: Column = column("i8", "what is unusual about it", "sum of `bits_of`")
    interim: Column = column("?", "it had an interim response")
    stream: Column = column("i8", "HTTP/2 stream", none=NO_STREAM)
    requests: Messages = part("the requests")
    responses: Messages = part("the responses")


def side_table(traces: Sequence[Trace], words: Words, texts: bool = True) -> SideTable:
    """The traces of a side → its table. Without `texts` it has frames, times, lengths and statuses;
    what stands in the heads and which bodies are equal is not told of rows.
    """
    sizes = np.array([len(trace.exchanges) for trace in traces], np.int64)
    connections = [ConnectionTable.of(trace.connections) for trace in traces]
    first_of = running(sizes)[:-1]
    first_connection = running(np.array(list(map(len, connections)), np.int64))[:-1]
    client, server = _addresses(connections, words)
    parts: list[_Part] = []
    order = [np.zeros(0, np.int64)]
    for trace, first in zip(traces, first_of.tolist(), strict=True):
        exchanges = trace.exchanges
        if isinstance(exchanges, Exchanges):
            parts.append(_of_rows(exchanges.table, words, texts))
            if exchanges.objects:
                parts.append(_of_objects(exchanges.objects, words))
            order.append(exchanges.order + first)
        else:
            parts.append(_of_objects(exchanges, words))
            order.append(np.arange(len(exchanges)) + first)
    every = _in_order(_Part.joined(parts), np.concatenate(order))
    return SideTable(
        traces=traces,
        words=words,
        first_of=first_of.tolist(),
        first_connection=first_connection.tolist(),
        connections=connections,
        client_address=client,
        server_address=server,
        point=np.repeat(np.arange(len(traces)), sizes),
        connection=every.connection + np.repeat(first_connection, sizes),
        marks=every.marks,
        interim=every.interim,
        stream=every.stream,
        requests=every.requests,
        responses=every.responses,
    )


def _in_order(every: _Part, order: Column) -> _Part:
    """The rows in an order, which most captures have them in already."""
    return every if np.array_equal(order, np.arange(len(order))) else every.taken(order)


def _addresses(connections: Sequence[ConnectionTable], words: Words) -> tuple[Column, Column]:
    """Per connection the numbers of the addresses of its client and its server."""
    nothing = np.zeros(0, np.int64)
    known = [numbers(words.texts, table.addresses) for table in connections]
    of = list(zip(known, connections, strict=True))
    client = np.concatenate([nothing, *(number[table.client] for number, table in of)])
    server = np.concatenate([nothing, *(number[table.server] for number, table in of)])
    return client, server


def _of_rows(table: ExchangeTable, words: Words, texts: bool) -> _Part:
    """The rows of a trace: what recurs is numbered once, and no exchange is made."""
    n, heads = len(table), table.heads
    nothing = np.zeros(n, np.int64)
    if texts:
        known = _line_numbers(heads, words)
        lines = Heads(heads.first, known.astype(np.int32)[heads.line])
        asked = _request_lines(table, words)
    else:
        lines = Heads(np.zeros(len(heads) + 1, np.int64), np.zeros(0, np.int32))
        asked = dict.fromkeys(_REQUEST_LINE, nothing)
    answered = _status_lines(table, words)
    others = _bodies(table.others, words)
    requests, responses = (
        Messages(
            there=np.ones(n, bool),
            marks=_MARKS_OF_ROWS[rows.marks],
            **starts,
            **{
                name: getattr(rows, name).astype(np.int64)
                for name in ("first_frame", "first_ns", "last_frame", "last_ns", "offset")
            },
            **_bodies_of_rows(rows, others, words, texts),
            heads=lines.taken(rows.block),
        )
        for rows, starts in (
            (table.request, asked),
            (table.response, answered),
        )
    )
    connection = table.connection.astype(np.int64)
    return _Part(connection, nothing, np.zeros(n, bool), table.stream, requests, responses)


def _line_numbers(heads: HeadTexts, words: Words) -> Column:
    """The number of each line. One whose name begins with a colon is known as it is read."""
    names, of = heads.names
    if b"" not in names:
        return words.sent_lines.of(heads.lines)
    lines: list[bytes | HeaderLine] = list(heads.lines)
    for at in np.flatnonzero(of == names.index(b"")).tolist():
        if heads.lines[at]:
            lines[at] = heads.header_lines(np.array([at]))[0]
    return numbers(words.sent, lines, len(lines))


def _request_lines(table: ExchangeTable, words: Words) -> dict[str, Column]:
    """Method, target and version of the requests. Request lines that no row uses are not read."""
    used, which = _used(table.request.start, len(table.heads.requests))
    parts = request_lines([table.heads.requests[i] for i in used.tolist()])
    held = (numbers(words.texts, texts, len(texts))[of][which] for texts, of in parts)
    return dict(zip(_REQUEST_LINE, held, strict=True))


def _used(of: Column, count: int) -> tuple[Column, Column]:
    """Numbers below `count` → those that occur, ascending, and the place of each among these."""
    occurs = np.zeros(count, bool)
    occurs[of] = True
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[of]


def _status_lines(table: ExchangeTable, words: Words) -> dict[str, Column]:
    """Status, reason and version of the responses, likewise."""
    used, which = _used(table.response.start, len(table.heads.statuses))
    parts = [status_parts(table.heads.statuses[i]) for i in used.tolist()]
    version = numbers(words.texts, [part[0] for part in parts], len(parts))
    reason = numbers(words.texts, [part[2] for part in parts], len(parts))
    status = np.array([part[1] for part in parts], np.int64)
    return {"start": status[which], "method": reason[which], "version": version[which]}


def _bodies_of_rows(
    rows: MessageTable, others: dict[str, Column], words: Words, texts: bool
) -> dict[str, Column]:
    """The columns of `Messages` about the body, for rows of an ExchangeTable."""
    n, by_length, other = len(rows), rows.body == LENGTH, rows.body == OTHER
    framed = (rows.body == FRAMES) | (rows.body == FRAMES_LENGTH)
    digested = by_length | framed
    framing = np.full(n, FRAMINGS[Framing.NONE])
    framing[by_length], framing[framed] = (
        FRAMINGS[which] for which in (Framing.CONTENT_LENGTH, Framing.DATA_FRAMES)
    )
    out = {
        "framing": framing,
        "length": np.where(digested, rows.length, 0),
        "complete": np.ones(n, bool),
        "digest": np.zeros(n, np.int64),
        "content_digest": np.zeros(n, np.int64),
        "content_length": np.full(n, -1, np.int64),
    }
    if texts:
        out["digest"][digested] = words.digests.of(rows.digest[digested])
    for name, values in out.items():
        values[other] = others[name][rows.length[other]]
    return out


def _of_objects(exchanges: Sequence[Exchange], words: Words) -> _Part:
    """Exchanges that are objects."""
    n = len(exchanges)
    columns: list[Sequence[Any]] = list(zip(*exchanges, strict=True)) or [()] * len(
        Exchange._fields
    )
    _, connection, _, requests, responses, interim, marks, streams = columns
    return _Part(
        connection=np.fromiter(connection, np.int64, n),
        marks=np.fromiter(map(words.marks.__getitem__, marks), np.int64, n),
        interim=np.fromiter(map(bool, interim), bool, n),
        stream=_Part.declared["stream"].column(streams),
        requests=_messages(requests, _NO_REQUEST, words),
        responses=_messages(responses, _NO_RESPONSE, words),
    )


def _messages(
    held: Sequence[Request | Response | None], nothing: Request | Response, words: Words
) -> Messages:
    n = len(held)
    there = np.fromiter((m is not None for m in held), bool, n)
    if not there.all():
        held = [nothing if m is None else m for m in held]
    columns: list[Sequence[Any]] = list(zip(*held, strict=True)) or [()] * len(nothing)
    one, two, version, heads, bodies, first_frame, _, last_frame, first_ns, _, last_ns = columns[
        :11
    ]
    marks, _, offset = columns[11:]
    request = isinstance(nothing, Request)
    return Messages(
        there=there,
        start=numbers(words.texts, two, n) if request else np.fromiter(one, np.int64, n),
        method=numbers(words.texts, one if request else two, n),
        version=numbers(words.texts, version, n),
        first_frame=np.fromiter(first_frame, np.int64, n),
        first_ns=np.fromiter(first_ns, np.int64, n),
        last_frame=np.fromiter(last_frame, np.int64, n),
        last_ns=np.fromiter(last_ns, np.int64, n),
        marks=np.fromiter(map(words.marks.__getitem__, marks), np.int64, n),
        offset=np.fromiter(offset, np.int64, n),
        **_bodies(bodies, words),
        heads=_heads(heads, words),
    )


def _bodies(bodies: Sequence[Body], words: Words) -> dict[str, Column]:
    """The columns of `Messages` about the body."""
    n = len(bodies)
    framing, length, _, complete, digest, content_digest, content_length = list(
        zip(*bodies, strict=True)
    ) or [()] * len(NO_BODY)
    digests = words.digests.of_texts((*digest, *content_digest))
    return {
        "framing": np.fromiter(map(FRAMINGS.__getitem__, framing), np.int64, n),
        "length": np.fromiter(length, np.int64, n),
        "complete": np.fromiter(complete, bool, n),
        "digest": digests[:n],
        "content_digest": digests[n:],
        "content_length": np.fromiter(
            (-1 if v is None else v for v in content_length), np.int64, n
        ),
    }


def _heads(heads: Sequence[tuple[HeaderLine, ...]], words: Words) -> Heads:
    first = running(np.fromiter(map(len, heads), np.int64, len(heads)))
    line = np.fromiter(
        map(words.lines.__getitem__, chain.from_iterable(heads)), np.int32, int(first[-1])
    )
    return Heads(first, line)
