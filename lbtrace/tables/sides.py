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
    LENGTH,
    OTHER,
    Exchanges,
    ExchangeTable,
    MessageTable,
    request_parts,
    status_parts,
)
from lbtrace.tables.messages import FRAMINGS, Heads, Messages
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import Words, numbers

_NO_REQUEST = Request("", "", "", (), NO_BODY, 0, 0, 0, 0, 0, 0)
_NO_RESPONSE = Response(0, "", "", (), NO_BODY, 0, 0, 0, 0, 0, 0)


def both_sides(clients: Sequence[Trace], backends: Sequence[Trace]) -> tuple[SideTable, SideTable]:
    """The traces of both sides → their tables, in one numbering."""
    words = Words()
    return side_table(clients, words), side_table(backends, words)


def side_table(traces: Sequence[Trace], words: Words) -> SideTable:
    """The traces of a side → its table."""
    sizes = [len(trace.exchanges) for trace in traces]
    lines = [len(trace.connections) for trace in traces]
    first_of, first_connection = ([sum(n[:i]) for i in range(len(n))] for n in (sizes, lines))
    held = [ConnectionTable.of(trace.connections) for trace in traces]
    addresses = [numbers(words.texts, table.addresses) for table in held]
    client, server = (
        np.concatenate(
            [of[getattr(table, end)] for of, table in zip(addresses, held, strict=True)]
            or [np.zeros(0, np.int64)]
        )
        for end in ("client", "server")
    )
    parts: list[_Part] = []
    order = [np.zeros(0, np.int64)]
    for trace, first in zip(traces, first_of, strict=True):
        exchanges = trace.exchanges
        if isinstance(exchanges, Exchanges):
            parts += (_of_rows(exchanges.table, words), _of_objects(exchanges.objects, words))
            order.append(exchanges.order + first)
        else:
            parts.append(_of_objects(exchanges, words))
            order.append(np.arange(len(exchanges)) + first)
    connection, marks, interim, requests, responses = list(
        zip(*(parts or [_of_objects((), words)]), strict=True)
    )
    at = np.concatenate(order)
    return SideTable(
        traces,
        words,
        first_of,
        first_connection,
        held,
        client,
        server,
        np.repeat(np.arange(len(traces), dtype=np.int64), sizes),
        np.concatenate(connection)[at] + np.repeat(np.array(first_connection, np.int64), sizes),
        np.concatenate(marks)[at],
        np.concatenate(interim)[at],
        Messages.joined(requests).taken(at),
        Messages.joined(responses).taken(at),
    )


_Part = tuple[
    Column, Column, Column, Messages, Messages
]  # connection, marks, whether an interim response came, requests, responses


def _of_rows(table: ExchangeTable, words: Words) -> _Part:
    """The rows of a trace: what recurs is numbered once, and no exchange is made."""
    n, heads = len(table), table.heads
    line = numbers(words.lines, heads.header_lines(np.arange(len(heads.lines)))).astype(np.int32)[
        heads.line
    ]
    shared: dict[str, str] = {}
    starts_asked, request = np.unique(
        table.request.start, return_inverse=True
    )  # of those not in use nothing is known
    starts_answered, response = np.unique(table.response.start, return_inverse=True)
    asked = [request_parts(heads.requests[i], shared) for i in starts_asked.tolist()]
    answered = [status_parts(heads.statuses[i]) for i in starts_answered.tolist()]
    method, target, version = (
        numbers(words.texts, [parts[i] for parts in asked], len(asked))[request] for i in range(3)
    )
    said = numbers(words.texts, [parts[0] for parts in answered], len(answered))
    reason = numbers(words.texts, [parts[2] for parts in answered], len(answered))
    status = np.array([parts[1] for parts in answered], np.int64)
    others = _bodies(table.others, words)
    common = {"there": np.ones(n, bool), "marks": np.zeros(n, np.int64)}
    messages = [
        Messages(
            **common,
            **starts,
            **{
                name: getattr(rows, name).astype(np.int64)
                for name in ("first_frame", "first_ns", "last_ns", "offset")
            },
            **_bodies_of_rows(rows, others, words),
            heads=Heads(heads.first, line).taken(rows.block),
        )
        for rows, starts in (
            (table.request, {"start": target, "method": method, "version": version}),
            (
                table.response,
                {
                    "start": status[response],
                    "method": reason[response],
                    "version": said[response],
                },
            ),
        )
    ]
    return (
        table.connection.astype(np.int64),
        common["marks"],
        np.zeros(n, bool),
        messages[0],
        messages[1],
    )


def _bodies_of_rows(
    rows: MessageTable, others: dict[str, Column], words: Words
) -> dict[str, Column]:
    """The columns of `Messages` that tell of the body, of the messages of an ExchangeTable."""
    n, by_length, other = len(rows.body), rows.body == LENGTH, rows.body == OTHER
    hexes = rows.digest[by_length].tobytes().hex()
    out = {
        "framing": np.where(by_length, FRAMINGS[Framing.CONTENT_LENGTH], FRAMINGS[Framing.NONE]),
        "length": np.where(by_length, rows.length, 0),
        "complete": np.ones(n, bool),
        "digest": np.zeros(n, np.int64),
        "content_digest": np.zeros(n, np.int64),
        "content_length": np.full(n, -1, np.int64),
    }
    out["digest"][by_length] = numbers(
        words.texts, [hexes[k : k + 32] for k in range(0, len(hexes), 32)]
    )
    for name, column in out.items():
        column[other] = others[name][rows.length[other]]
    return out


def _of_objects(exchanges: Sequence[Exchange], words: Words) -> _Part:
    """Exchanges that are objects."""
    n = len(exchanges)
    columns: list[Sequence[Any]] = list(zip(*exchanges, strict=True)) or [()] * len(
        Exchange._fields
    )
    _, connection, _, requests, responses, interim, marks, _ = columns
    return (
        np.fromiter(connection, np.int64, n),
        np.fromiter(map(words.marks.__getitem__, marks), np.int64, n),
        np.fromiter(map(bool, interim), bool, n),
        _messages(requests, _NO_REQUEST, words),
        _messages(responses, _NO_RESPONSE, words),
    )


def _messages(
    held: Sequence[Request | Response | None], nothing: Request | Response, words: Words
) -> Messages:
    n = len(held)
    there = np.fromiter((m is not None for m in held), bool, n)
    if not there.all():
        held = [nothing if m is None else m for m in held]
    columns: list[Sequence[Any]] = list(zip(*held, strict=True)) or [()] * len(nothing)
    one, two, version, heads, bodies, first_frame, _, _, first_ns, _, last_ns, marks, _, offset = (
        columns
    )
    request = isinstance(nothing, Request)
    return Messages(
        there=there,
        start=numbers(words.texts, two, n) if request else np.fromiter(one, np.int64, n),
        method=numbers(words.texts, one if request else two, n),
        version=numbers(words.texts, version, n),
        first_frame=np.fromiter(first_frame, np.int64, n),
        first_ns=np.fromiter(first_ns, np.int64, n),
        last_ns=np.fromiter(last_ns, np.int64, n),
        marks=np.fromiter(map(words.marks.__getitem__, marks), np.int64, n),
        offset=np.fromiter(offset, np.int64, n),
        **_bodies(bodies, words),
        heads=_heads(heads, words),
    )


def _bodies(bodies: Sequence[Body], words: Words) -> dict[str, Column]:
    """The columns of `Messages` that tell of the body."""
    n = len(bodies)
    framing, length, _, complete, digest, content_digest, content_length = list(
        zip(*bodies, strict=True)
    ) or [()] * len(NO_BODY)
    return {
        "framing": np.fromiter(map(FRAMINGS.__getitem__, framing), np.int64, n),
        "length": np.fromiter(length, np.int64, n),
        "complete": np.fromiter(complete, bool, n),
        "digest": numbers(words.texts, digest, n),
        "content_digest": numbers(words.texts, content_digest, n),
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
