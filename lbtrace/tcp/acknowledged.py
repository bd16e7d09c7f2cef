"""ACK numbers → offsets in the opposite stream (RFC 9293 §3.4): how far the peer got, and what it
knew when.

A RST acknowledges nothing here. Its receiver ends the connection by its sequence number and does
not look at its ACK number (RFC 9293 §3.10.7.4), and a host on the way that sends a RST may write
any number. But an end that resets a connection writes the number that it expects next, as in every
segment (§3.1). So the numbers of a RST prove nothing, and forbid much: where they lie beyond what
was captured, it is not known that nothing more was sent.

Invariant: an offset is only given where the ACK number is near what the stream sent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace import compiled
from lbtrace.tables.columns import group_starts
from lbtrace.tables.packets import ACK, RST, Column, SegmentTable
from lbtrace.tables.sequence import MAX_WINDOW_BYTES, distances, unwrap
from lbtrace.tcp.columns import CHUNK_ROWS, stable_order
from lbtrace.tcp.reassemble import Assembly

# by which the last ACK captured may lie below the highest, when they changed places on the way
_MAX_ACK_REORDERED_BYTES = 1 << 20
# numbers of a RST farther beyond a stream are those of no end: no more is sent at a time
_MOST_IN_FLIGHT_BYTES = 1 << 24


@dataclass(slots=True)
class Acknowledged:
    """ACK numbers as offsets in the opposite stream."""

    of_piece: Column  # i64 per piece, −1 when its segment says nothing usable
    # i64 per stream: the offset up to which the peer acknowledged it (a FIN counts one), −1 without
    end: Column


def acknowledged(table: SegmentTable, stream: Column, assembly: Assembly) -> Acknowledged:
    """ACK numbers → offsets in the opposite stream. One before offset 0 says only that nothing
    captured was acknowledged: −1.
    """
    streams = len(assembly.base)
    acks = AckOffsets(table, stream, assembly)
    end = np.full(streams, -1, np.int64)
    final = np.full(streams, -1, np.int64)
    of_piece = np.empty(len(assembly.pieces.row), np.int64)
    if compiled.core is not None and not len(acks.rows):
        given = tuple(map(np.ascontiguousarray, (stream, table.ack, table.flags)))
        pieces = np.ascontiguousarray(assembly.pieces.row), of_piece
        of_streams = acks.base, acks.limit, end, final
        compiled.core.acknowledged(given, of_streams, pieces, MAX_WINDOW_BYTES)
    else:
        _walked(acks, assembly.pieces.row, end, final, of_piece)
    # ACKs never retreat: one far above the last was damaged
    damaged = end - final > _MAX_ACK_REORDERED_BYTES
    end[damaged] = final[damaged]
    return Acknowledged(of_piece, end)


def _walked(acks: AckOffsets, piece: Column, end: Column, final: Column, of_piece: Column) -> None:
    """Fill the columns: per stream the highest offset acknowledged, and the last one; per piece, of
    these rows, what it acknowledged.
    """
    stream = acks.stream
    for low in range(0, len(stream), CHUNK_ROWS):
        rows = np.arange(low, min(low + CHUNK_ROWS, len(stream)))
        offset, usable = acks.offsets(rows)
        peer, offset = (stream[rows] ^ 1)[usable], np.maximum(offset[usable], 0)
        np.maximum.at(end, peer, offset)
        final[peer] = offset  # the last one assigned stays
    for low in range(0, len(of_piece), CHUNK_ROWS):
        part = slice(low, low + CHUNK_ROWS)
        offset, usable = acks.offsets(piece[part])
        of_piece[part] = np.where(usable & (offset >= 0), offset, -1)


def told_by_resets(
    table: SegmentTable, stream: Column, base: Column, end: Column, fin: Column
) -> Column:
    """Per stream the offset up to which a RST of either end tells that bytes were sent: i64, 0
    where none tells of more than is known. Known are the SEQ number of the first byte, −1 without,
    the offset behind the last one, and that of the FIN, −1 without.
    """
    found = np.zeros(len(base), np.int64)
    rows = np.flatnonzero(table.flags & RST)
    acks = rows[(table.flags[rows] & ACK) != 0]
    of = np.concatenate((stream[rows], stream[acks] ^ 1))
    numbers = np.concatenate((table.seq[rows], table.ack[acks]))
    ahead = distances(numbers, (base[of] + end[of]).astype(np.uint32)).astype(np.int64)
    ahead -= fin[of] >= 0  # it counts one
    usable = (base[of] >= 0) & (ahead > 0) & (ahead <= _MOST_IN_FLIGHT_BYTES)
    np.maximum.at(found, of[usable], (end[of] + ahead)[usable])
    return found


class AckOffsets:
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
