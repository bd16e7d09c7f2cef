"""FINs, RSTs and last segments of streams → when each was sent at the earliest.

    ──▶ FIN, ack 501      stamped first, for it waited in another queue
    ◀── seq 1:501

Packets of two directions, or of two processors, may be stamped in another order than they crossed
the wire in. A segment that acknowledges bytes was sent after they were (RFC 9293 §3.4), so that an
end which acknowledges an answer by its FIN did not close before it, whatever the times say. The
other way round the FIN of a server that acknowledges a request was no FIN before that request.

What is corrected is the time of these segments alone: it is that of the latest byte that they
acknowledge, where that was stamped later. Of bytes that were sent twice the copy that was captured
first counts. A RST without ACK was sent after what its end had acknowledged before.
"""

from __future__ import annotations

import numpy as np

from lbtrace.tables.columns import highest_so_far
from lbtrace.tables.connections import NEVER, NONE
from lbtrace.tables.packets import ACK, Column, SegmentTable
from lbtrace.tables.sequence import distances
from lbtrace.tcp.columns import taken
from lbtrace.tcp.reassemble import Assembly


def earliest_times(table: SegmentTable, stream: Column, assembly: Assembly, rows: Column) -> Column:
    """A row of each stream, NONE without → its time in ns, NEVER without. `stream` is per row."""
    out = taken(table.time_ns, rows, NEVER)
    rows = _acknowledging(table, stream, rows)
    mine = np.flatnonzero(rows >= 0)
    mine = mine[assembly.base[mine ^ 1] >= 0]
    peer, end = mine ^ 1, assembly.end[mine ^ 1]
    edge = (assembly.base[peer] + end).astype(np.uint32)
    acked = end + distances(table.ack[rows[mine]], edge)
    last = _pieces_before(assembly, peer, acked)
    mine, last = mine[last >= 0], last[last >= 0]
    out[mine] = np.maximum(out[mine], _latest_so_far(table, assembly)[last])
    return out


def _acknowledging(table: SegmentTable, stream: Column, rows: Column) -> Column:
    """The same rows, but in place of one without ACK (a RST) the segment with ACK that its end sent
    before it, NONE without.
    """
    bare = (rows >= 0) & ((table.flags[rows] & ACK) == 0)
    if not bare.any():
        return rows
    out = np.where(bare, np.int32(NONE), rows)
    own = np.flatnonzero(bare[stream] & ((table.flags & ACK) != 0))
    own = own[own < rows[stream[own]]]
    np.maximum.at(out, stream[own], own.astype(out.dtype))
    return out


def _latest_so_far(table: SegmentTable, assembly: Assembly) -> Column:
    """Per piece the latest time of the pieces of its stream up to it."""
    stream, time_ns = assembly.pieces.stream, table.time_ns[assembly.pieces.row]
    back = (time_ns[1:] < time_ns[:-1]) & (stream[1:] == stream[:-1])
    return highest_so_far(stream, time_ns) if back.any() else time_ns


def _pieces_before(assembly: Assembly, stream: Column, offset: Column) -> Column:
    """The last piece of each of these streams that begins before an offset; −1 without."""
    pieces = assembly.pieces
    first, low, high = (
        np.searchsorted(pieces.stream, stream, side) for side in ("left", "left", "right")
    )
    while (low < high).any():
        middle = np.minimum((low + high) >> 1, len(pieces.start) - 1)
        before = (low < high) & (pieces.start[middle] < offset)
        high = np.where(before | (low >= high), high, middle)
        low = np.where(before, middle + 1, low)
    return np.where(low > first, low - 1, -1)
