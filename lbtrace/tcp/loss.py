"""Streams and what their peers acknowledged → what the capture lost, and what was sent again before
the peer had it.

    lost      bytes that the peer acknowledged and no captured segment holds: nothing else is
              missing from a capture
    repeated  a segment sent again though the capture already shows its bytes acknowledged tells
              nothing of loss: its sender had not seen the acknowledgement, or waits for data
              (a deferred accept repeats its SYN-ACK). Nor does what a SYN carried and its
              server did not take (TCP Fast Open, RFC 7413 §4.2): it is sent once more

A segment that lies beyond all that its receiver ever offered to take, and that the receiver did not
acknowledge though it spoke later, is no part of the stream (RFC 9293 §3.10.7.4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace.tables.columns import among, distinct, highest_so_far
from lbtrace.tables.packets import SYN, Column, SegmentTable
from lbtrace.tcp.acknowledged import Acknowledged, AckOffsets
from lbtrace.tcp.columns import counted, first_of, last_of
from lbtrace.tcp.delays import Delays, delays
from lbtrace.tcp.fingerprint import syn_options
from lbtrace.tcp.handshake import Handshake
from lbtrace.tcp.reassemble import Assembly, Pieces

_MAX_WINDOW_SCALE = 14  # RFC 7323 §2.3
_MIN_GAP_BYTES = 1 << 16  # the largest window without a scale


@dataclass(slots=True)
class Losses:
    """Per stream."""

    lost: Column  # i64, bytes acknowledged by the peer that are in no captured segment
    repeats: Column  # u32, segments sent again before an acknowledgement of them was captured
    repeat: Column  # i32, row of the first of these; NONE without
    delays: Delays  # how long what was lost held streams up
    deferred: Column  # i32, row of the first SYN-ACK sent again though it was acknowledged; NONE


def losses(
    table: SegmentTable,
    stream: Column,
    handshake: Handshake,
    assembly: Assembly,
    acked: Acknowledged,
) -> Losses:
    """What was lost, and what was sent again."""
    streams = len(assembly.base)
    rows, known = _repeats(table, stream, handshake, assembly)
    known_rows = rows[known]
    deferred = distinct(known_rows[among(known_rows, handshake.again)])
    rows = rows[~known]
    return Losses(
        _lost(stream, assembly, acked),
        counted(stream[rows], streams),
        first_of(stream[rows], rows, streams),
        delays(table, stream, assembly, rows),
        first_of(stream[deferred], deferred, streams),
    )


def _lost(stream: Column, assembly: Assembly, acked: Acknowledged) -> Column:
    """Per stream the bytes that were acknowledged and are in no segment."""
    streams, gaps = len(assembly.base), assembly.gaps
    size = np.minimum(gaps.end, acked.end[gaps.stream]) - gaps.start
    lost = np.bincount(gaps.stream, np.maximum(size, 0), minlength=streams).astype(np.int64)
    # one byte acknowledged beyond the last one seen is a FIN, seen or not; of a direction of which
    # nothing was captured it is not known where it began
    beyond = (acked.end > assembly.end + 1) & (counted(stream, streams) > 0)
    lost[beyond] += (acked.end - assembly.end - (assembly.fin >= 0))[beyond]
    return lost


def _repeats(
    table: SegmentTable, stream: Column, handshake: Handshake, assembly: Assembly
) -> tuple[Column, Column]:
    """The segments that were sent again, in capture order, and of each whether the capture shows
    all of it acknowledged before.
    """
    rows = np.concatenate((assembly.repeat_row, handshake.again)).astype(np.int64)
    end = np.concatenate((assembly.repeat_end, np.zeros(len(handshake.again), np.int64)))
    order = np.argsort(rows, kind="stable")
    rows, end = rows[order], end[order]
    if not len(rows):
        return rows, np.zeros(0, bool)
    several = np.zeros(len(assembly.base), bool)
    several[stream[rows]] = True
    acks = np.flatnonzero(several[stream ^ 1])
    offset, usable = AckOffsets(table, stream, assembly).offsets(acks)
    acks, offset = acks[usable], offset[usable]
    # the highest acknowledgement of each stream so far, by (stream, row)
    of = (stream[acks] ^ 1).astype(np.int64)
    by_stream = np.lexsort((acks, of))
    of, acks, offset = of[by_stream], acks[by_stream], offset[by_stream]
    highest = highest_so_far(of, offset)
    places = of * len(table) + acks
    at = np.searchsorted(places, stream[rows].astype(np.int64) * len(table) + rows) - 1
    there = at >= 0
    there[there] = of[at[there]] == stream[rows][there]
    known = np.zeros(len(rows), bool)
    known[there] = highest[at[there]] >= end[there]
    return rows, known | _refused_by_syn(table, stream, handshake, rows, end)


def _refused_by_syn(
    table: SegmentTable, stream: Column, handshake: Handshake, rows: Column, end: Column
) -> Column:
    """Which of these repeats are the first of what the SYN of their stream carried."""
    own = handshake.own
    carried = np.where(own >= 0, table.wire_length[own], 0)[stream[rows]]
    which = np.flatnonzero((end > 0) & (end <= carried))
    first = np.zeros(len(rows), bool)
    first[which[np.unique(stream[rows[which]], return_index=True)[1]]] = True
    return first


def drop_unacceptable(
    table: SegmentTable,
    stream: Column,
    handshake: Handshake,
    assembly: Assembly,
    acked: Acknowledged,
) -> None:
    """Take segments out of the assembly that their receiver never could take."""
    gaps, pieces = assembly.gaps, assembly.pieces
    far = (gaps.end - gaps.start > _MIN_GAP_BYTES) & (
        gaps.end - acked.end[gaps.stream] > _MIN_GAP_BYTES
    )
    if not far.any():
        return
    streams = len(assembly.base)
    suspect = np.zeros(streams, bool)
    suspect[gaps.stream[far]] = True
    suspect &= acked.end >= 0
    peers = np.flatnonzero(suspect[stream ^ 1])
    of = stream[peers] ^ 1
    spoke_last = last_of(of, peers, streams)
    window = _windows(table, handshake, peers, of, streams)
    limit = acked.end + window
    beyond = suspect[pieces.stream] & (pieces.start > limit[pieces.stream])
    beyond &= pieces.row < spoke_last[pieces.stream]
    if not beyond.any():
        return
    gone = pieces.stream[beyond]
    assembly.implausible += distinct(pieces.row[beyond]).tolist()
    kept = ~beyond
    assembly.pieces = Pieces(
        pieces.stream[kept],
        pieces.row[kept],
        pieces.start[kept],
        pieces.skip[kept],
        pieces.length[kept],
        pieces.repeated[kept],
    )
    acked.of_piece = acked.of_piece[kept]
    left, touched = assembly.pieces, distinct(gone)
    dropped = np.bincount(gone, pieces.length[beyond], minlength=streams).astype(np.int64)
    assembly.captured -= dropped
    end = np.zeros(streams, np.int64)
    np.maximum.at(end, left.stream, _wire_end(table, left))
    assembly.end[touched] = np.maximum(end, np.minimum(assembly.end, np.maximum(acked.end, 0)))[
        touched
    ]
    sent = np.maximum(assembly.sent - dropped - _tails(table, pieces, beyond, streams), 0)
    assembly.sent[touched] = np.clip(sent, assembly.captured, assembly.end)[touched]
    assembly.fin[touched] = np.where(assembly.fin > limit, -1, assembly.fin)[touched]


def _wire_end(table: SegmentTable, pieces: Pieces) -> Column:
    """Per piece the offset after the last byte that its segment had on the wire."""
    end: Column = pieces.start - pieces.skip + table.wire_length[pieces.row]
    return end


def _tails(table: SegmentTable, pieces: Pieces, beyond: Column, streams: int) -> Column:
    """Per stream the bytes that the snapshot length cut from segments of which no piece is left."""
    last = beyond & ~np.isin(pieces.row, pieces.row[~beyond])
    rows, first = np.unique(pieces.row[last], return_index=True)
    cut = table.wire_length[rows].astype(np.int64) - table.length[rows]
    return np.bincount(pieces.stream[last][first], cut, minlength=streams).astype(np.int64)


def _windows(
    table: SegmentTable, handshake: Handshake, rows: Column, of: Column, streams: int
) -> Column:
    """Per stream the largest window its peer offered in these rows, in bytes; the scale is the
    largest there is where the SYN of the peer was not captured. The window of a SYN itself is never
    scaled (RFC 7323 §2.2).
    """
    raw, unscaled = np.zeros(streams, np.int64), np.zeros(streams, np.int64)
    opens, window = (table.flags[rows] & SYN) != 0, table.window[rows].astype(np.int64)
    np.maximum.at(raw, of[~opens], window[~opens])
    np.maximum.at(unscaled, of[opens], window[opens])
    seen = np.flatnonzero(handshake.own >= 0)
    scale = np.full(streams, _MAX_WINDOW_SCALE, np.int64)
    # a SYN without the option means that no window is scaled
    scale[seen] = np.maximum(syn_options(table, handshake.own[seen]).window_scale, 0)
    shift: Column = raw << np.minimum(scale[np.arange(streams) ^ 1], _MAX_WINDOW_SCALE)
    return np.maximum(shift, unscaled)
