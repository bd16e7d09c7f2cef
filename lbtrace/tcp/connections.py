"""SegmentTable → ConnectionTable and StreamTable (RFC 9293): the TCP stage, step by step.

    1. which connection each segment belongs to          incarnations
    2. which end is the client                           roles
    3. the three-way handshake                           handshake
    4. the payload of each direction, in stream order    reassemble
    5. what the other side acknowledged                  here
    6. what each connection and direction did            summary

Invariant: connection c has two streams: 2c is what its client sent, 2c + 1 what its server sent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace.model.trace import Diagnostic
from lbtrace.tables.columns import group_starts
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tables.packets import ACK, RST, Column, SegmentTable, StreamTable
from lbtrace.tables.sequence import MAX_WINDOW_BYTES, distances, unwrap
from lbtrace.tcp.columns import CHUNK_ROWS, counted, stable_order
from lbtrace.tcp.handshake import handshakes
from lbtrace.tcp.incarnations import incarnations
from lbtrace.tcp.reassemble import Assembly, reassemble
from lbtrace.tcp.roles import roles
from lbtrace.tcp.summary import summary

# by which the last ACK captured may lie below the highest, when they changed places on the way
_MAX_ACK_REORDERED_BYTES = 1 << 20


def connections(
    segments: SegmentTable, careful: bool = False
) -> tuple[ConnectionTable, StreamTable]:
    """Segments → connection incarnations, in order of their first frame, and their streams.

    `careful` treats every stream as one with damage; the result is the same (a law in the tests).
    """
    numbered = incarnations(segments)
    roles_found = roles(segments, numbered)
    by_server = segments.forward != roles_found.client_forward[numbered.of]
    stream = (numbered.of << 1) + by_server
    handshake = handshakes(segments, numbered, stream)
    assembly = reassemble(segments, stream, numbered.count * 2, handshake.base, careful)
    acked = _acknowledged(segments, stream, assembly)
    streams = _stream_table(segments, stream, assembly, acked)
    table = summary(segments, numbered, stream, roles_found, handshake, assembly, streams)
    return table, streams


@dataclass(slots=True)
class Acknowledged:
    """ACK numbers as offsets in the opposite stream."""

    of_piece: Column  # i64 per piece, −1 when its segment says nothing usable
    # i64 per stream: the offset up to which the peer acknowledged it (a FIN counts one), −1 without
    end: Column


def _acknowledged(table: SegmentTable, stream: Column, assembly: Assembly) -> Acknowledged:
    """ACK numbers → offsets in the opposite stream. One before offset 0 says only that nothing
    captured was acknowledged: −1.
    """
    streams = len(assembly.base)
    acks = _AckOffsets(table, stream, assembly)
    end = np.full(streams, -1, np.int64)
    final = np.full(streams, -1, np.int64)
    for low in range(0, len(table), CHUNK_ROWS):
        rows = np.arange(low, min(low + CHUNK_ROWS, len(table)))
        offset, usable = acks.offsets(rows)
        peer, offset = (stream[rows] ^ 1)[usable], np.maximum(offset[usable], 0)
        np.maximum.at(end, peer, offset)
        final[peer] = offset  # the last one assigned stays
    # ACKs never retreat: one far above the last was damaged
    damaged = end - final > _MAX_ACK_REORDERED_BYTES
    end[damaged] = final[damaged]
    of_piece = np.empty(len(assembly.pieces.row), np.int64)
    for low in range(0, len(of_piece), CHUNK_ROWS):
        part = slice(low, low + CHUNK_ROWS)
        offset, usable = acks.offsets(assembly.pieces.row[part])
        of_piece[part] = np.where(usable & (offset >= 0), offset, -1)
    return Acknowledged(of_piece, end)


class _AckOffsets:
    """ACK numbers of some rows → offsets in the opposite stream. Where that stream is longer than a
    distance on the ring can tell, its ACK numbers are followed from the first on.
    """

    def __init__(self, table: SegmentTable, stream: Column, assembly: Assembly) -> None:
        self.table, self.stream = table, stream
        self.base = assembly.base
        self.origin = assembly.base.astype(np.uint32)
        self.limit = assembly.end + MAX_WINDOW_BYTES
        self.rows = np.zeros(0, np.int64)  # those whose offset was followed
        self.followed = np.zeros(0, np.int64)
        long = assembly.end > MAX_WINDOW_BYTES
        if long.any():
            self._follow(long & (assembly.base >= 0))

    def _follow(self, long: Column) -> None:
        acks, peer = self.table.ack, self.stream ^ 1
        rows = np.flatnonzero(long[peer] & self._acknowledges(slice(None)))
        rows = rows[stable_order(peer[rows], len(long))]
        peer = peer[rows]
        first = group_starts(peer)
        begin = distances(acks[rows[first]], self.origin[peer[first]]).astype(np.int64)
        offset = unwrap(acks[rows], peer) + np.repeat(begin, np.diff(np.append(first, len(rows))))
        order = np.argsort(rows)
        self.rows, self.followed = rows[order], offset[order]

    def _acknowledges(self, rows: Column | slice) -> Column:
        """Whether the ACK number of a row counts."""
        counts: Column = (self.table.flags[rows] & (ACK | RST)) == ACK
        return counts

    def offsets(self, rows: Column) -> tuple[Column, Column]:
        """i64 offsets, and whether they are to be believed."""
        peer = self.stream[rows] ^ 1
        offset = distances(self.table.ack[rows], self.origin[peer]).astype(np.int64)
        if len(self.rows):
            at = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
            known = self.rows[at] == rows
            offset[known] = self.followed[at[known]]
        usable = self._acknowledges(rows) & (self.base[peer] >= 0)
        usable &= (offset > -MAX_WINDOW_BYTES) & (offset <= self.limit[peer])
        return offset, usable


def _stream_table(
    table: SegmentTable, stream: Column, assembly: Assembly, acked: Acknowledged
) -> StreamTable:
    streams = len(assembly.base)
    pieces = assembly.pieces
    row = pieces.row
    end = assembly.end.copy()
    # One byte acknowledged beyond the last one seen is a FIN, seen or not; more are bytes the
    # capture lost. A direction of which nothing was captured has no end to speak of.
    beyond = (acked.end > end + 1) & (counted(stream, streams) > 0)
    end[beyond] = acked.end[beyond] - (assembly.fin[beyond] >= 0)
    known = assembly.known
    resets = counted(stream[(table.flags & RST) != 0] >> 1, streams // 2) > 0
    return StreamTable(
        first=np.concatenate(([0], np.cumsum(counted(pieces.stream, streams), dtype=np.int64))),
        start=pieces.start,
        length=pieces.length,
        payload=table.payload[row] + pieces.skip,
        buffer=table.buffer[row],
        frame=table.frame[row],
        time_ns=table.time_ns[row],
        ack=acked.of_piece,
        repeated=pieces.repeated,
        clean=known & ~assembly.dirty & (assembly.captured == end),
        known_start=known,
        end=end,
        fin=assembly.fin,
        reset=np.repeat(resets, 2),
        buffers=table.buffers,
        diagnostics=_diagnostics(table, assembly),
    )


def _diagnostics(table: SegmentTable, assembly: Assembly) -> tuple[Diagnostic, ...]:
    found: list[Diagnostic] = []
    if assembly.conflicts:
        rows = [c.row for c in assembly.conflicts]
        text = (
            "TCP segments carry other bytes than were captured before for the same sequence "
            "numbers; the first ones are kept"
        )
        found.append(
            Diagnostic("tcp-overlap-differs", text, len(rows), int(table.frame[min(rows)]))
        )
    if assembly.implausible:
        rows = assembly.implausible
        text = (
            "TCP segments have sequence numbers nowhere near their stream; their bytes are left out"
        )
        found.append(
            Diagnostic("tcp-sequence-implausible", text, len(rows), int(table.frame[min(rows)]))
        )
    return tuple(found)
