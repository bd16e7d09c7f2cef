"""SegmentTable → ConnectionTable and StreamTable (RFC 9293): the TCP stage, step by step.

    1. which connection each segment belongs to          incarnations
    2. which end is the client                           roles
    3. the three-way handshake                           handshake
    4. where streams without a SYN begin                 already_open
    5. the payload of each direction, in stream order    reassemble
    6. what the other side acknowledged                  acknowledged
    7. what was lost, and what was sent again            loss
    8. what was never acknowledged                       unacknowledged
    9. what was held back until an acknowledgement came  ack_waits
   10. what each connection and direction did            summary

Invariant: connection c has two streams: 2c is what its client sent, 2c + 1 what its server sent.
"""

from __future__ import annotations

import numpy as np

from lbtrace.model.trace import Diagnostic
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tables.packets import FIN, RST, Column, SegmentTable, StreamTable
from lbtrace.tcp.ack_waits import ack_waits
from lbtrace.tcp.acknowledged import Acknowledged, acknowledged, told_by_resets
from lbtrace.tcp.already_open import missing_in_front
from lbtrace.tcp.columns import counted, first_of
from lbtrace.tcp.handshake import handshakes
from lbtrace.tcp.incarnations import incarnations
from lbtrace.tcp.loss import drop_unacceptable, losses
from lbtrace.tcp.reassemble import Assembly, Pieces, reassemble
from lbtrace.tcp.roles import OtherEnds, roles
from lbtrace.tcp.summary import summary
from lbtrace.tcp.unacknowledged import unacknowledged


def connections(
    segments: SegmentTable, careful: bool = False, others: OtherEnds | None = None
) -> tuple[ConnectionTable, StreamTable]:
    """Segments → connection incarnations, in order of their first frame, and their streams.

    `careful` treats every stream as one with damage; the result is the same (a law in the tests).
    `others`: what the connections of the capture show that are not in these segments.
    """
    return placed(segments, careful, others)[:2]


def placed(
    segments: SegmentTable, careful: bool = False, others: OtherEnds | None = None
) -> tuple[ConnectionTable, StreamTable, Column, Pieces]:
    """`connections`, with the stream of each segment, and the segment that each piece is of."""
    numbered = incarnations(segments)
    roles_found = roles(segments, numbered, others)
    by_server = segments.forward != roles_found.client_forward[numbered.of]
    stream = (numbered.of << 1) + by_server
    handshake = handshakes(segments, numbered, stream)
    in_front = missing_in_front(segments, stream, handshake.base)
    assembly = reassemble(segments, stream, numbered.count * 2, handshake.base, in_front, careful)
    acked = acknowledged(segments, stream, assembly)
    drop_unacceptable(segments, stream, handshake, assembly, acked)
    lost = losses(segments, stream, handshake, assembly, acked)
    unacked = unacknowledged(segments, stream, assembly, acked)
    streams = _stream_table(segments, stream, assembly.known & handshake.begun, assembly, acked)
    waits = ack_waits(segments, stream, numbered.count * 2)
    table = summary(
        segments, numbered, stream, roles_found, handshake, assembly, streams, lost, unacked, waits
    )
    return table, streams, stream, assembly.pieces


def _stream_table(
    table: SegmentTable, stream: Column, known: Column, assembly: Assembly, acked: Acknowledged
) -> StreamTable:
    streams = len(assembly.base)
    pieces = assembly.pieces
    row = pieces.row
    end, fin = assembly.end.copy(), assembly.fin.copy()
    # One byte acknowledged beyond the last one seen is a FIN, seen or not; more are bytes the
    # capture lost.
    beyond = acked.end > end + 1
    end[beyond] = acked.end[beyond] - (fin[beyond] >= 0)
    unseen = (fin < 0) & (acked.end == end + 1)
    fin[unseen] = end[unseen]
    end = np.maximum(end, told_by_resets(table, stream, assembly.base, end, fin))
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
        fin=fin,
        reset=_reset(table, stream, assembly, unseen),
        buffers=table.buffers,
        diagnostics=_diagnostics(table, assembly),
    )


def _reset(table: SegmentTable, stream: Column, assembly: Assembly, unseen: Column) -> Column:
    """Per stream: its sender sent RST, or the other end did before the sender had sent a FIN. What
    was sent up to a FIN is all there is, whatever the other end says of it. `unseen`: its FIN was
    acknowledged, and is not in the capture.
    """
    count = len(assembly.base)
    resets, fins = np.flatnonzero(table.flags & RST), np.flatnonzero(table.flags & FIN)
    own = first_of(stream[resets], resets, count)
    others = first_of(stream[resets] ^ 1, resets, count)
    fin = first_of(stream[fins], fins, count)
    closed = unseen | ((assembly.fin >= 0) & (fin < others))
    found: Column = (own >= 0) | ((others >= 0) & ~closed)
    return found


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
