"""The gRPC calls of a side, by the numbers of their exchanges."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.findings._names import counted
from lbtrace.http_fields import CONTENT_TYPE
from lbtrace.http_fields.content import is_grpc
from lbtrace.model.grpc import GrpcStatus, status_name
from lbtrace.model.net import FrameRef, Side
from lbtrace.tables.columns import Column
from lbtrace.tables.grpc_calls import NONE, GrpcCalls
from lbtrace.tables.messages import Messages
from lbtrace.tables.words import Words

OK = int(GrpcStatus.OK)


def calls(comparison: Comparison, side: Side) -> tuple[GrpcCalls, Column]:
    """(the calls of a side, the number of the exchange of each)."""
    table = comparison.table(side)
    each = [GrpcCalls.of(trace.calls) for trace in comparison.traces(side)]
    numbers = [c.exchange + first for c, first in zip(each, table.first_of, strict=True)]
    if len(each) == 1:
        return each[0], numbers[0]
    every = GrpcCalls.of([call for held in each for call in held])
    return every, np.concatenate([*numbers, np.zeros(0, np.int64)])


def of_exchanges(comparison: Comparison, side: Side, name: str) -> Column:
    """Per exchange of a side a column of its call; NONE where it is none."""
    held, numbers = calls(comparison, side)
    out = np.full(len(comparison.table(side)), NONE, np.int64)
    out[numbers] = getattr(held, name)
    return out


def named(statuses: Iterable[int]) -> str:
    """Statuses with their names, the most frequent first: "UNAVAILABLE (14) ×3"."""
    return counted(f"{status_name(status)} ({status})" for status in statuses)


def ends_of(comparison: Comparison, side: Side, rows: Column, most: int) -> list[FrameRef]:
    """The last frames of the responses of these exchanges: there the status is."""
    table = comparison.table(side)
    found = []
    for row in rows[:most].tolist():
        frame, ns = table.responses.last_frame[row], table.responses.last_ns[row]
        found.append(table.trace_of(row).ref(int(frame), int(ns)))
    return found


def of_grpc(words: Words, messages: Messages) -> Column:
    """Which messages have a Content-Type of gRPC."""
    kinds = words.fields_named(CONTENT_TYPE.__eq__)
    for n in np.flatnonzero(kinds).tolist():
        kinds[n] = is_grpc(words.line_list[n].value)
    return messages.heads.having(kinds)
