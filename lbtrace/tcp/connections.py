"""SegmentTable → ConnectionTable and StreamTable: the TCP stage, in the order it thinks.

    1. which connection each segment belongs to          incarnations
    2. which end is the client                           roles
    3. the payload of each direction, in stream order    reassemble
    4. what the other side acknowledged                  here
    5. what each direction did                           summary

A connection has two streams: 2c is what its client sent, 2c + 1 what its server sent. Everything is
counted in columns, one entry per stream or connection. RFC 9293.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace.model.trace import Diagnostic
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tables.packets import ACK, RST, Column, SegmentTable, StreamTable
from lbtrace.tcp.columns import CHUNK_ROWS, counted, stable_order
from lbtrace.tcp.handshake import Handshake, handshakes
from lbtrace.tcp.incarnations import Incarnations, incarnations
from lbtrace.tcp.reassemble import Assembly, reassemble
from lbtrace.tcp.roles import roles
from lbtrace.tcp.sequence import MAX_WINDOW_BYTES, distances, group_starts, unwrap
from lbtrace.tcp.summary import summary

_MAX_ACK_REORDERED_BYTES = (
    1 << 20
    # bytes by which the last ACK captured may lie below the highest, when they changed places on
    # the way
)


def connections(
    segments: SegmentTable, careful: bool = False
) -> tuple[ConnectionTable, StreamTable]:
    """Segments → connection incarnations, in order of their first frame, and their streams.

    `careful` takes the slow road for every stream; the result is the same (a law in the tests).
    """
    lives = incarnations(segments)
    client_forward, sources = roles(segments, lives)
    by_server = segments.forward != client_forward[lives.of]
    stream = (lives.of << 1) + by_server
    shake = handshakes(segments, lives, stream)
    assembly = reassemble(segments, stream, lives.count * 2, shake.base, careful)
    acked = _acknowledged(segments, stream, assembly)
    table = _stream_table(segments, lives, stream, shake, assembly, acked)
    return summary(segments, lives, stream, client_forward, sources, shake, assembly, table), table


@dataclass(slots=True)
class Acknowledged:
    """What the ACK fields say, as offsets in the opposite stream."""

    of_piece: Column  # i64 per piece, −1 when its segment says nothing usable
    # i64 per stream: the offset up to which the peer acknowledged it (a FIN counts one), −1 without
    end: Column


def _acknowledged(t: SegmentTable, stream: Column, assembly: Assembly) -> Acknowledged:
    """ACK numbers → offsets in the opposite stream. One before offset 0 says only that nothing
    captured was acknowledged: −1.
    """
    streams = len(assembly.base)
    follow = _Long(t, stream, assembly)
    end = np.full(streams, -1, np.int64)
    final = np.full(streams, -1, np.int64)
    for low in range(0, len(t), CHUNK_ROWS):
        rows = np.arange(low, min(low + CHUNK_ROWS, len(t)))
        offset, usable = follow.offsets(rows)
        peer, offset = (stream[rows] ^ 1)[usable], np.maximum(offset[usable], 0)
        np.maximum.at(end, peer, offset)
        final[peer] = offset  # the last one assigned stays
    taken_back = (
        end - final > _MAX_ACK_REORDERED_BYTES
    )  # ACKs never retreat: one far above the last was damaged
    end[taken_back] = final[taken_back]
    of_piece = np.empty(len(assembly.pieces.row), np.int64)
    for low in range(0, len(of_piece), CHUNK_ROWS):
        part = slice(low, low + CHUNK_ROWS)
        offset, usable = follow.offsets(assembly.pieces.row[part])
        of_piece[part] = np.where(usable & (offset >= 0), offset, -1)
    return Acknowledged(of_piece, end)


class _Long:
    """ACK numbers of some rows → offsets in the opposite stream, also where that is longer than
    such a number can tell.
    """

    def __init__(self, t: SegmentTable, stream: Column, assembly: Assembly) -> None:
        self.table, self.stream = t, stream
        self.base, self.end = assembly.base, assembly.end
        self.origin = assembly.base.astype(np.uint32)
        self.limit = assembly.end + MAX_WINDOW_BYTES
        self.rows = np.zeros(0, np.int64)  # those whose offset was followed as it grew
        self.followed = np.zeros(0, np.int64)
        long = assembly.end > MAX_WINDOW_BYTES
        if long.any():
            rows = np.flatnonzero(
                long[stream ^ 1]
                & ((t.flags & (ACK | RST)) == ACK)
                & (assembly.base >= 0)[stream ^ 1]
            )
            other = stream[rows] ^ 1
            order = stable_order(other, len(long))
            rows, other = rows[order], other[order]
            first = group_starts(other)
            begin = distances(t.ack[rows[first]], self.origin[other[first]]).astype(np.int64)
            offset = unwrap(t.ack[rows], other) + np.repeat(
                begin, np.diff(np.append(first, len(rows)))
            )
            order = np.argsort(rows)
            self.rows, self.followed = rows[order], offset[order]

    def offsets(self, rows: Column) -> tuple[Column, Column]:
        """i64 offsets, and whether they are to be believed."""
        t, opposite = self.table, self.stream[rows] ^ 1
        usable = ((t.flags[rows] & (ACK | RST)) == ACK) & (self.base[opposite] >= 0)
        offset = distances(t.ack[rows], self.origin[opposite]).astype(np.int64)
        if len(self.rows):
            at = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
            known = self.rows[at] == rows
            offset[known] = self.followed[at[known]]
        usable &= (offset > -MAX_WINDOW_BYTES) & (offset <= self.limit[opposite])
        return offset, usable


def _stream_table(
    t: SegmentTable,
    lives: Incarnations,
    stream: Column,
    shake: Handshake,
    assembly: Assembly,
    acked: Acknowledged,
) -> StreamTable:
    streams = lives.count * 2
    pieces = assembly.pieces
    row = pieces.row
    end = assembly.end.copy()
    # One byte acknowledged beyond the last one seen is a FIN, seen or not; more are bytes the
    # capture lost. A direction of which nothing was captured has no end to speak of.
    beyond = (acked.end > end + 1) & (counted(stream, streams) > 0)
    end[beyond] = acked.end[beyond] - (assembly.fin[beyond] >= 0)
    known = assembly.known
    resets = counted(stream[(t.flags & RST) != 0] >> 1, lives.count) > 0
    return StreamTable(
        first=np.concatenate(([0], np.cumsum(counted(pieces.stream, streams), dtype=np.int64))),
        start=pieces.start,
        length=pieces.length,
        payload=t.payload[row] + pieces.skip,
        buffer=t.buffer[row],
        frame=t.frame[row],
        time_ns=t.time_ns[row],
        ack=acked.of_piece,
        repeated=pieces.repeated,
        clean=known & ~assembly.dirty & (assembly.captured == end),
        known_start=known,
        end=end,
        fin=assembly.fin,
        reset=np.repeat(resets, 2),
        buffers=t.buffers,
        diagnostics=_diagnostics(t, assembly),
    )


def _diagnostics(t: SegmentTable, assembly: Assembly) -> tuple[Diagnostic, ...]:
    found: list[Diagnostic] = []
    if assembly.conflicts:
        rows = [c.row for c in assembly.conflicts]
        text = (
            "TCP segments carry other bytes than were captured before for the same sequence "
            "numbers; the first ones are kept"
        )
        found.append(Diagnostic("tcp-overlap-differs", text, len(rows), int(t.frame[min(rows)])))
    if assembly.implausible:
        rows = assembly.implausible
        text = (
            "TCP segments have sequence numbers nowhere near their stream; their bytes are left out"
        )
        found.append(
            Diagnostic("tcp-sequence-implausible", text, len(rows), int(t.frame[min(rows)]))
        )
    return tuple(found)
