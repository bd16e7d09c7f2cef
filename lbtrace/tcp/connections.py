"""SegmentTable → ConnectionTable and StreamTable: the TCP stage, in the order it thinks.

    1. which connection each segment belongs to          incarnations
    2. which end is the client                           roles
    3. the payload of each direction, in stream order    reassemble
    4. what the other side acknowledged                  here
    5. what each direction did                           summary

A connection has two streams: 2c is what its client sent, 2c + 1 what its server sent. Everything is counted in columns, one
entry per stream or connection. RFC 9293.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace.connection_table import ConnectionTable
from lbtrace.model.trace import Diagnostic
from lbtrace.tables import ACK, RST, Column, SegmentTable, StreamTable
from lbtrace.tcp.columns import last_of
from lbtrace.tcp.handshake import Handshake, handshakes
from lbtrace.tcp.incarnations import Incarnations, incarnations
from lbtrace.tcp.reassemble import Assembly, reassemble
from lbtrace.tcp.roles import roles
from lbtrace.tcp.sequence import PLAUSIBLE, distances, unwrap
from lbtrace.tcp.summary import summary

_ACK_REORDERED = 1 << 20  # bytes by which the last ACK captured may lie below the highest, when they changed places on the way


def connections(segments: SegmentTable, careful: bool = False) -> tuple[ConnectionTable, StreamTable]:
    """Segments → connection incarnations, in order of their first frame, and their streams.

    `careful` takes the slow road for every stream; the result is the same (a law in the tests).
    """
    lives = incarnations(segments)
    client_forward, sources = roles(segments, lives)
    by_server = segments.forward != client_forward[lives.of]
    stream = lives.of * 2 + by_server
    shake = handshakes(segments, lives, stream)
    assembly = reassemble(segments, stream, lives.count * 2, shake.base, careful)
    acked = _acknowledged(segments, stream, assembly)
    table = _stream_table(segments, lives, stream, shake, assembly, acked)
    return summary(segments, lives, stream, client_forward, sources, shake, assembly, table), table


@dataclass(slots=True)
class Acknowledged:
    """What the ACK fields say, as offsets in the opposite stream."""

    of_row: Column  # i64 per segment, −1 when it says nothing usable
    end: Column  # i64 per stream: the offset up to which the peer acknowledged it (a FIN counts one), −1 without


def _acknowledged(t: SegmentTable, stream: Column, assembly: Assembly) -> Acknowledged:
    """ACK numbers → offsets in the opposite stream. One before offset 0 says only that nothing captured was acknowledged: −1."""
    opposite = stream ^ 1
    base = assembly.base[opposite]
    usable = ((t.flags & (ACK | RST)) == ACK) & (base >= 0)
    offset = distances(t.ack, base.astype(np.uint32)).astype(np.int64)
    long = np.flatnonzero(assembly.end > PLAUSIBLE)
    for other in long.tolist():  # longer than an ACK number can tell: follow it as it grows
        rows = np.flatnonzero((opposite == other) & usable)
        if len(rows):
            offset[rows] = unwrap(t.ack[rows], np.zeros(len(rows), np.int64)) + offset[rows[0]]
    usable &= (offset > -PLAUSIBLE) & (offset <= assembly.end[opposite] + PLAUSIBLE)
    of_row = np.where(usable & (offset >= 0), offset, -1)
    offset = np.maximum(offset, 0)
    rows = np.flatnonzero(usable)
    streams = len(assembly.base)
    end = np.full(streams, -1, np.int64)
    np.maximum.at(end, opposite[rows], offset[rows])
    last = last_of(opposite[rows], rows, streams)
    final = np.where(last >= 0, offset[last], -1)
    taken_back = end - final > _ACK_REORDERED  # ACKs never retreat: one far above the last was damaged
    end[taken_back] = final[taken_back]
    return Acknowledged(of_row, end)


def _stream_table(
    t: SegmentTable, lives: Incarnations, stream: Column, shake: Handshake, assembly: Assembly, acked: Acknowledged
) -> StreamTable:
    streams = lives.count * 2
    pieces = assembly.pieces
    row = pieces.row
    end = assembly.end.copy()
    # One byte acknowledged beyond the last one seen is a FIN, seen or not; more are bytes the capture lost. A direction of which
    # nothing was captured has no end to speak of.
    beyond = (acked.end > end + 1) & (np.bincount(stream, minlength=streams) > 0)
    end[beyond] = acked.end[beyond] - (assembly.fin[beyond] >= 0)
    known = assembly.known
    resets = np.bincount(stream[(t.flags & RST) != 0] >> 1, minlength=lives.count) > 0
    return StreamTable(
        first=np.concatenate(([0], np.cumsum(np.bincount(pieces.stream, minlength=streams)))).astype(np.int64),
        start=pieces.start,
        length=pieces.length.astype(np.uint32),
        payload=t.payload[row].astype(np.int64) + pieces.skip,
        buffer=t.buffer[row],
        frame=t.frame[row],
        time_ns=t.time_ns[row],
        ack=acked.of_row[row],
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
        text = "TCP segments carry other bytes than were captured before for the same sequence numbers; the first ones are kept"
        found.append(Diagnostic("tcp-overlap-differs", text, len(rows), int(t.frame[min(rows)])))
    if assembly.implausible:
        rows = assembly.implausible
        text = "TCP segments have sequence numbers nowhere near their stream; their bytes are left out"
        found.append(Diagnostic("tcp-sequence-implausible", text, len(rows), int(t.frame[min(rows)])))
    return tuple(found)
