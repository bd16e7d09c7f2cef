"""Messages → how they came: in how many parts, and over what time, at their capture point."""

from __future__ import annotations

import numpy as np

from lbtrace.model.http import Framing
from lbtrace.tables.columns import Column
from lbtrace.tables.messages import FRAMINGS, Messages
from lbtrace.tables.pace import PAUSE_NS
from lbtrace.tables.side_table import SideTable

UNKNOWN = 0  # parts
# streams of HTTP/2 take turns on a connection: a pause in it is not a pause in each of them
_INTERLEAVED = FRAMINGS[Framing.DATA_FRAMES]


def spread_ns(messages: Messages, rows: Column) -> Column:
    """From the first byte to the last one."""
    spread: Column = messages.last_ns[rows] - messages.first_ns[rows]
    return spread


def parts(table: SideTable, messages: Messages, rows: Column) -> Column:
    """In how many parts, with a pause between each two; UNKNOWN where the capture does not tell."""
    out = np.full(len(rows), UNKNOWN, np.int64)
    first, last = messages.first_frame[rows], messages.last_frame[rows]
    there, on_stream = messages.there[rows], messages.framing[rows] == _INTERLEAVED
    for point, trace in enumerate(table.traces):
        pauses = np.asarray(trace.pauses, np.int64)
        mine = there & (table.point[rows] == point)
        here = np.flatnonzero(mine & ~on_stream & (last < len(pauses)))
        out[here] = 1 + pauses[last[here]] - pauses[first[here]]
        streams = np.flatnonzero(mine & on_stream)
        if len(streams):
            half = "request" if messages is table.requests else "response"
            known = {each.exchange: getattr(each, half) for each in trace.parts}
            slow = spread_ns(messages, rows[streams]) >= PAUSE_NS
            ids = (rows[streams] - table.first_of[point]).tolist()
            out[streams] = [
                known.get(n, UNKNOWN) if late else 1
                for n, late in zip(ids, slow.tolist(), strict=True)
            ]
    return out
