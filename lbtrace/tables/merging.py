"""ExchangeTables of connections that were read apart → one ExchangeTable.

Texts of heads are put one behind the other: a text that several tables have is there several times.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lbtrace.tables.columns import running
from lbtrace.tables.exchanges import OTHER, ExchangeTable, HeadTexts, MessageTable


def merged(tables: Sequence[ExchangeTable]) -> ExchangeTable:
    """The rows of all tables, ordered by first frame, then by connection; ids count from 0. The
    tables are of one capture point, and no connection is in two of them.
    """
    if len(tables) == 1:
        return tables[0]
    heads = _heads([table.heads for table in tables])
    others = [body for table in tables for body in table.others]
    block, body = 0, 0
    start = [0, 0]
    moved = []
    for table in tables:
        held = table.heads
        moved.append(
            table.with_columns(
                request=_moved(table.request, start[0], block, body),
                response=_moved(table.response, start[1], block, body),
                heads=heads,
                others=others,
            )
        )
        block, body = block + len(held), body + len(table.others)
        start = [start[0] + len(held.requests), start[1] + len(held.statuses)]
    joined = ExchangeTable.joined(moved)
    order = np.argsort(
        joined.request.first_frame.astype(np.int64) << 32 | joined.connection, kind="stable"
    )
    return joined.taken(order).with_columns(id=np.arange(len(order)))


def _heads(heads: Sequence[HeadTexts]) -> HeadTexts:
    behind = running(np.array([len(held.lines) for held in heads], np.int64)).tolist()
    each = list(zip(heads, behind, strict=False))
    return HeadTexts(
        lines=[line for held in heads for line in held.lines],
        loose=frozenset(line + before for held, before in each for line in held.loose),
        first=running(np.concatenate([np.diff(held.first) for held in heads])),
        line=np.concatenate([(held.line + before).astype(np.int32) for held, before in each]),
        requests=[line for held in heads for line in held.requests],
        statuses=[line for held in heads for line in held.statuses],
    )


def _moved(messages: MessageTable, start: int, block: int, other: int) -> MessageTable:
    """Messages whose texts and bodies stand behind so many others."""
    return messages.with_columns(
        start=(messages.start + start).astype(np.int32),
        block=(messages.block + block).astype(np.int32),
        length=np.where(messages.body == OTHER, messages.length + other, messages.length),
    )
