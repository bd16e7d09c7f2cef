"""ExchangeTables of connections that were read apart → one ExchangeTable.

Invariant: each message keeps its head and its body; only their numbers change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from lbtrace.tables.columns import Column, running
from lbtrace.tables.exchanges import OTHER, ExchangeTable, HeadTexts, MessageTable

# lists of texts → one list, and per list the numbers that its texts have there
TextsTogether: TypeAlias = Callable[
    [Sequence[Sequence[bytes]]], tuple[list[bytes], Sequence[Column]]
]


def merged(tables: Sequence[ExchangeTable]) -> ExchangeTable:
    """The rows of all tables, ordered by first frame, then by connection; ids count from 0. The
    tables are of one capture point, and no connection is in two of them.
    """
    if len(tables) == 1:
        return tables[0]
    joined = ExchangeTable.joined(with_heads_of_all(tables, _one_behind_the_other))
    order = np.argsort(
        joined.request.first_frame.astype(np.int64) << 32 | joined.connection, kind="stable"
    )
    return joined.taken(order).with_columns(id=np.arange(len(order)))


def with_heads_of_all(
    tables: Sequence[ExchangeTable], together: TextsTogether
) -> list[ExchangeTable]:
    """The tables, each with the heads and the unusual bodies of all of them."""
    held = [table.heads for table in tables]
    lines, by_line = together([each.lines for each in held])
    requests, by_request = together([each.requests for each in held])
    statuses, by_status = together([each.statuses for each in held])
    each_by_line = list(zip(held, by_line, strict=True))
    heads = HeadTexts(
        lines=lines,
        loose=frozenset(int(own[line]) for each, own in each_by_line for line in each.loose),
        first=running(np.concatenate([np.diff(each.first) for each in held])),
        line=np.concatenate([own[each.line].astype(np.int32) for each, own in each_by_line]),
        requests=requests,
        statuses=statuses,
    )
    others = [body for table in tables for body in table.others]
    block = other = 0
    found = []
    for table, by_start in zip(tables, zip(by_request, by_status, strict=True), strict=True):
        asked, answered = (
            _moved(messages, start, block, other)
            for messages, start in zip((table.request, table.response), by_start, strict=True)
        )
        found.append(
            table.with_columns(request=asked, response=answered, heads=heads, others=others)
        )
        block, other = block + len(table.heads), other + len(table.others)
    return found


def _one_behind_the_other(
    texts: Sequence[Sequence[bytes]],
) -> tuple[list[bytes], Sequence[Column]]:
    """A text that several lists have is there several times: to look for it costs more."""
    bounds = running(np.array([len(held) for held in texts], np.int64))
    numbers = np.split(np.arange(bounds[-1]), bounds[1:-1])
    return [text for held in texts for text in held], numbers


def _moved(messages: MessageTable, start: Column, block: int, other: int) -> MessageTable:
    """Messages with the new numbers of their start lines, whose header blocks and unusual bodies
    stand behind so many others.
    """
    return messages.with_columns(
        start=start[messages.start].astype(np.int32),
        block=(messages.block + block).astype(np.int32),
        length=np.where(messages.body == OTHER, messages.length + other, messages.length),
    )
