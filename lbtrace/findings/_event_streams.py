"""Which responses are streams of server-sent events (HTML, §9.2), and what came in them."""

from __future__ import annotations

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.http_fields import CONTENT_TYPE
from lbtrace.http_fields.content import is_event_stream
from lbtrace.model.net import Side
from lbtrace.tables.columns import Column
from lbtrace.tables.messages import Messages
from lbtrace.tables.words import Words


def event_streams(words: Words, responses: Messages) -> Column:
    """Which of these responses have the Content-Type of an event stream."""
    events = words.fields_named(CONTENT_TYPE.__eq__)
    for line in np.flatnonzero(events).tolist():
        events[line] = is_event_stream(words.line_list[line].value)
    return responses.heads.having(events)


def events_in(comparison: Comparison, side: Side, exchanges: Column) -> tuple[int, int] | None:
    """(how many events, the longest silence in ns) of the event streams among these exchanges; None
    where there is none, or not all of them are known.
    """
    wanted = set(exchanges.tolist())
    table = comparison.table(side)
    held = [
        (each.events, each.silence_ns)
        for trace, first in zip(table.traces, table.first_of, strict=True)
        for each in trace.event_streams
        if each.exchange + first in wanted
    ]
    known = [(n, ns) for n, ns in held if n is not None and ns is not None]
    if not held or len(known) < len(held):
        return None
    return sum(n for n, _ in known), max(ns for _, ns in known)
