"""Segments of a stream, as they were captured → its pieces in stream order (RFC 9293 §3.4, §3.10).

Only segments that occupy sequence space count: SYN, FIN and payload (a RST's payload is a text for
people, RFC 9293 §3.5.3). In nearly every stream each segment begins exactly where the one before
ended: one comparison of columns shows it, and offsets are running sums. The segments of the others
(*dirty*) are placed by their offsets and sorted; `lbtrace.tcp.overlap` decides where they overlap.

Invariants: the pieces of a stream are ordered by `start`, never overlap, are never empty; every
captured byte in sequence space is in exactly one piece; where segments disagree the first one
captured wins. Both ways give the same pieces.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from lbtrace import compiled
from lbtrace.tables.columns import distinct, group_starts, highest_before
from lbtrace.tables.packets import FIN, RST, SYN, Column, SegmentTable
from lbtrace.tables.sequence import (
    MAX_WINDOW_BYTES,
    RING,
    add,
    distance,
    distances,
    sums,
    unwrap,
)
from lbtrace.tcp.columns import stable_order
from lbtrace.tcp.overlap import Conflict, Gaps, Placed, resolve_overlaps

_MIN_STRAY_BYTES = 1 << 24  # bytes; windows on real paths stay well below
_LEFT_OUT = -RING  # an offset that no segment of a stream can have
_MAX_TRACKS = 8  # far-apart groups of sequence numbers one stream is followed in


@dataclass(slots=True)
class Pieces:
    """The pieces of all streams, by stream and start: `row` is the segment each came from."""

    stream: Column  # i32
    row: Column  # i32
    start: Column  # i64
    skip: Column  # u32, bytes of the row's payload before the piece
    length: Column  # u32
    repeated: Column  # bool


@dataclass(slots=True)
class Assembly:
    """The pieces, and per stream what was counted on the way."""

    pieces: Pieces
    # i64, sequence number of offset 0, −1 when the stream sent nothing that occupies sequence space
    base: Column
    known: Column  # bool: offset 0 is the byte after the SYN
    dirty: Column  # bool
    end: Column  # i64, offset after the last byte seen on the wire
    captured: Column  # i64, bytes in the pieces
    sent: Column  # i64, distinct bytes seen on the wire (some may be cut by the snapshot length)
    fin: Column  # i64, offset, −1 without
    retransmissions: Column  # u32
    out_of_order: Column  # u32
    gaps: Gaps
    # the segments that `retransmissions` counts, and the offset each ends at (a FIN counts one)
    repeat_row: Column
    repeat_end: Column
    conflicts: list[Conflict]
    implausible: list[int]  # rows whose sequence number is nowhere near their stream


@dataclass(slots=True)
class _Segments:
    """Segments that occupy sequence space, by stream, in capture order."""

    row: Column
    stream: Column
    flags: Column
    seq: Column  # u32, of the first byte of payload (or of the FIN)
    wire: Column  # bytes of payload on the wire

    def only(self, which: Column) -> _Segments:
        """These of the segments."""
        return _Segments(*(getattr(self, column.name)[which] for column in fields(_Segments)))

    @property
    def is_syn(self) -> Column:
        """Which carry SYN."""
        syn: Column = (self.flags & SYN) != 0
        return syn

    @property
    def is_fin(self) -> Column:
        """Which carry FIN."""
        fin: Column = (self.flags & FIN) != 0
        return fin


def reassemble(
    table: SegmentTable,
    stream: Column,
    streams: int,
    base: Column,
    in_front: Column,
    careful: bool = False,
) -> Assembly:
    """Segments → Assembly. `stream` is per row, `base` per stream: the sequence number after the
    SYN, −1 when not known. `in_front`: bytes missing in front of the first one captured, where the
    SYN was not.

    `careful` treats every stream as dirty; the result is the same (a law in the tests).
    """
    result = Assembly(
        pieces=_nothing(),
        base=base.copy(),
        known=base >= 0,
        dirty=np.ones(streams, bool) if careful else in_front > 0,
        end=np.zeros(streams, np.int64),
        captured=np.zeros(streams, np.int64),
        sent=np.zeros(streams, np.int64),
        fin=np.full(streams, -1, np.int64),
        retransmissions=np.zeros(streams, np.uint32),
        out_of_order=np.zeros(streams, np.uint32),
        gaps=Gaps(*(np.zeros(0, np.int64) for _ in range(3))),
        repeat_row=np.zeros(0, np.int64),
        repeat_end=np.zeros(0, np.int64),
        conflicts=[],
        implausible=[],
    )
    if compiled.core is not None:
        easy = _compiled(compiled.core, table, stream, result)
        hard = _occupying(table, stream, streams, result.dirty) if result.dirty.any() else None
    else:
        easy, hard = _told_apart(table, stream, streams, result)
    if hard is None:
        result.pieces = easy
    else:
        by_offset = _by_offset(table, hard, in_front, result)
        result.pieces = _merged(easy, by_offset, streams)
        captured = np.bincount(by_offset.stream, by_offset.length, minlength=streams)
        result.captured += captured.astype(np.int64)
    return result


def _told_apart(
    table: SegmentTable, stream: Column, streams: int, result: Assembly
) -> tuple[Pieces, _Segments | None]:
    """The pieces of the streams that are in order, and the segments of the dirty ones, None where
    there is none. What is known of the former is noted, and which the latter are.
    """
    segments = _occupying(table, stream, streams)
    base = result.base
    result.dirty |= _dirty(segments, base, streams)
    first = group_starts(segments.stream)
    headless = first[base[segments.stream[first]] < 0]
    base[segments.stream[headless]] = segments.seq[headless]
    if not result.dirty.any():
        return _in_order(table, segments, result), None
    hard = result.dirty[segments.stream]
    return _in_order(table, segments.only(~hard), result), segments.only(hard)


def _compiled(core: compiled.Core, table: SegmentTable, stream: Column, result: Assembly) -> Pieces:
    """`_told_apart` by the compiled core, but for the segments of the dirty streams."""
    room = len(table)
    pieces = tuple(np.empty(room, kind) for kind in (np.int32, np.int32, np.int64, np.uint32))
    columns = stream, table.flags, table.seq, table.wire_length, table.length
    given = tuple(map(np.ascontiguousarray, columns))
    streams = result.base, result.dirty, result.end, result.fin, result.captured
    count = core.reassembled(given, streams, pieces)
    result.sent[:] = result.end
    of, row, start, length = (column[:count] for column in pieces)
    return Pieces(of, row, start, np.zeros(count, np.uint32), length, np.zeros(count, bool))


def _occupying(
    table: SegmentTable, stream: Column, streams: int, which: Column | None = None
) -> _Segments:
    """The segments that occupy sequence space; `which`: those of these streams (bool each)."""
    occupies = (table.wire_length > 0) | ((table.flags & (SYN | FIN)) != 0)
    occupies &= (table.flags & RST) == 0
    if which is not None:
        occupies &= which[stream]
    rows = np.flatnonzero(occupies).astype(np.int32)
    del occupies
    rows = rows[stable_order(stream[rows], streams)]
    flags = table.flags[rows]
    seq = sums(table.seq[rows], (flags & SYN) != 0)  # a SYN is in front of its payload
    return _Segments(rows, stream[rows], flags, seq, table.wire_length[rows])


def _nothing() -> Pieces:
    return Pieces(
        *(np.zeros(0, kind) for kind in (np.int32, np.int32, np.int64, np.uint32, np.uint32, bool))
    )


def _dirty(segments: _Segments, base: Column, streams: int) -> Column:
    """Streams with a segment that does not begin exactly where the one before it ended, or anything
    after a FIN.
    """
    dirty = np.zeros(streams, bool)
    stream, seq = segments.stream, segments.seq
    if not len(stream):
        return dirty
    first = group_starts(stream)
    follows = stream[1:] == stream[:-1]
    expected = sums(seq[:-1], segments.wire[:-1])
    odd = follows & ((seq[1:] != expected) | segments.is_fin[:-1])
    dirty[stream[1:][odd]] = True
    begun = first[base[stream[first]] >= 0]
    dirty[stream[begun][seq[begun] != base[stream[begun]]]] = True
    return dirty


def _in_order(table: SegmentTable, segments: _Segments, result: Assembly) -> Pieces:
    """The streams that are not dirty: offsets are running sums."""
    rows, stream, wire = segments.row, segments.stream, segments.wire
    if not len(rows):
        return _nothing()
    first = group_starts(stream)
    end = np.cumsum(wire, dtype=np.int64)
    before = end[first] - wire[first]
    end -= np.repeat(before, np.diff(np.append(first, len(rows))))
    last = np.append(first[1:], len(rows)) - 1
    result.end[stream[last]] = end[last]
    result.sent[stream[last]] = end[last]
    finished = last[segments.is_fin[last]]
    result.fin[stream[finished]] = end[finished]
    length = np.minimum(table.length[rows], wire)
    captured = np.bincount(stream, length, minlength=len(result.captured))
    result.captured += captured.astype(np.int64)
    some = length > 0
    end -= wire
    count = int(some.sum())
    return Pieces(
        stream[some],
        rows[some],
        end[some],
        np.zeros(count, np.uint32),
        length[some],
        np.zeros(count, bool),
    )


def _by_offset(
    table: SegmentTable, segments: _Segments, in_front: Column, result: Assembly
) -> Pieces:
    """The dirty streams: place each segment by its offset, then decide where segments overlap."""
    segments, start = _started(segments, in_front, result)
    stream, wire, is_fin = segments.stream, segments.wire.astype(np.int64), segments.is_fin
    end = start + wire
    reached = _reached(stream, end)
    _count_fins(segments, end, result)
    keep_alive = (wire <= 1) & ~is_fin & (start == reached - 1)  # RFC 9293 §3.8.4
    data = ~keep_alive & (wire > 0) & (end > 0)
    # bytes before offset 0 cannot be: they are dropped
    cut = np.where(start < 0, np.minimum(-start, wire), 0)
    captured = np.minimum(table.length[segments.row].astype(np.int64), wire)
    placed = Placed(
        segments.row, stream, start + cut, end, cut, np.maximum(captured - cut, 0)
    ).only(data)
    resolved = resolve_overlaps(table, placed)
    np.maximum.at(result.end, placed.stream, placed.end)
    again = resolved.seen_before
    np.add.at(result.retransmissions, placed.stream[again], 1)
    result.repeat_row = np.concatenate((result.repeat_row, placed.row[again]))
    result.repeat_end = np.concatenate((result.repeat_end, placed.end[again]))
    result.gaps = resolved.gaps
    late = (placed.start < reached[data]) & ~resolved.seen_before
    np.add.at(result.out_of_order, placed.stream[late], 1)
    sent = np.bincount(placed.stream, resolved.fresh, minlength=len(result.sent))
    result.sent += sent.astype(np.int64)
    result.conflicts += resolved.conflicts
    who = resolved.index
    return Pieces(
        placed.stream[who],
        placed.row[who],
        resolved.start,
        (placed.cut[who] + resolved.skip).astype(np.uint32),
        resolved.length.astype(np.uint32),
        resolved.shared | late[who],
    )


def _started(segments: _Segments, in_front: Column, result: Assembly) -> tuple[_Segments, Column]:
    """The segments whose offsets can be trusted, and these offsets."""
    start = _offsets(segments, result)
    # a bare SYN has shown where the stream begins; it carries nothing else
    bare = segments.is_syn & (segments.wire == 0) & ~segments.is_fin
    keep = (start > -MAX_WINDOW_BYTES) & ~bare
    segments, start = segments.only(keep), start[keep]
    stray = _stray(segments.stream, start, segments.wire)
    if stray.any():
        result.implausible += segments.row[stray].tolist()
        segments, start = segments.only(~stray), start[~stray]
    _shift_headless(segments.stream, start, in_front, result)
    return segments, start


def _count_fins(segments: _Segments, end: Column, result: Assembly) -> None:
    """Where streams end; and FINs without data that come after one at the same place or farther."""
    stream, is_fin = segments.stream, segments.is_fin
    alone = np.flatnonzero(is_fin & (segments.wire == 0))
    again = alone[_reached_fin(stream, end, is_fin)[alone] >= end[alone]]
    np.add.at(result.retransmissions, stream[again], 1)
    result.repeat_row = segments.row[again].astype(np.int64)
    result.repeat_end = end[again] + 1
    np.maximum.at(result.fin, stream[is_fin], end[is_fin])


def _offsets(segments: _Segments, result: Assembly) -> Column:
    """Each segment's offset in its stream; −2³¹ or less where its sequence number cannot be of the
    stream.
    """
    stream, seq = segments.stream, segments.seq
    steps = unwrap(seq, stream)
    first = group_starts(stream)
    jump = np.zeros(len(stream), bool)
    jump[1:] = np.abs(np.diff(steps)) > MAX_WINDOW_BYTES
    jump[first] = False
    lead = np.zeros(len(first), np.int64)
    begun = result.known[stream[first]]
    lead[begun] = distances(seq[first[begun]], result.base[stream[first[begun]]].astype(np.uint32))
    jump[first[np.abs(lead) > MAX_WINDOW_BYTES]] = True
    start = steps + np.repeat(lead, np.diff(np.append(first, len(stream))))
    for number in distinct(stream[jump]).tolist():
        lo, hi = np.searchsorted(stream, [number, number + 1]).tolist()
        origin = int(result.base[number]) if result.known[number] else None
        found = _followed(seq[lo:hi].tolist(), segments.is_syn[lo:hi].tolist(), origin)
        start[lo:hi] = found.offsets
        if not found.from_origin:
            result.known[number] = False
            result.base[number] = int(seq[lo + found.offsets.index(0)])
        result.implausible += segments.row[lo:hi][found.left_out].tolist()
    return start


class _Followed(NamedTuple):
    """The offsets of a stream's segments (LEFT_OUT for those left out), the places of those left
    out, and whether the offsets count from the origin given.
    """

    offsets: list[int]
    left_out: list[int]
    from_origin: bool


class _Track:
    """Segments of a stream whose sequence numbers lie near each other, counted from `zero`."""

    __slots__ = ("at", "offsets", "places", "zero")

    def __init__(self, zero: int) -> None:
        self.zero, self.at = zero, 0
        self.places: list[int] = []
        self.offsets: list[int] = []

    def take(self, place: int, number: int) -> bool:
        """Follow the track to a sequence number; whether that is near enough."""
        step = distance(number, add(self.zero, self.at))
        if abs(step) > MAX_WINDOW_BYTES:
            return False
        self.at += step
        self.places.append(place)
        self.offsets.append(self.at)
        return True


def _followed(numbers: list[int], is_syn: list[bool], origin: int | None) -> _Followed:
    """A stream with sequence numbers far apart: follow each neighbourhood by itself, and keep the
    one with the SYN, else the one with most segments.
    """
    tracks = [_Track(origin)] if origin is not None else []
    for place, number in enumerate(numbers):
        if not any(track.take(place, number) for track in tracks) and len(tracks) < _MAX_TRACKS:
            tracks.append(_Track(number))
            tracks[-1].take(place, number)
    carried = [sum(not is_syn[i] for i in track.places) for track in tracks]
    best = 0 if origin is not None and carried[0] else carried.index(max(carried))
    offsets = [_LEFT_OUT] * len(numbers)
    for place, offset in zip(tracks[best].places, tracks[best].offsets, strict=True):
        offsets[place] = offset
    left_out = [place for place, offset in enumerate(offsets) if offset == _LEFT_OUT]
    return _Followed(offsets, left_out, origin is not None and best == 0)


def _stray(of: Column, start: Column, wire: Column) -> Column:
    """Rows that lie far from both neighbours in capture order while these lie close together: a
    damaged sequence number.
    """
    stray = np.zeros(len(of), bool)
    if len(of) > 2:
        before = start[:-2] + wire[:-2]
        alone = (np.abs(start[1:-1] - before) > _MIN_STRAY_BYTES) & (
            np.abs(start[2:] - before) < _MIN_STRAY_BYTES
        )
        stray[1:-1] = alone & (of[1:-1] == of[:-2]) & (of[1:-1] == of[2:])
    return stray


def _shift_headless(of: Column, start: Column, in_front: Column, result: Assembly) -> None:
    """Where the SYN was not captured, offset 0 is the first byte captured, or the first one known
    to be missing in front of it: shift, in place.

    The same where all data lie before the SYN that was seen: it is that of another connection.
    """
    first = group_starts(of)
    if not len(first):
        return
    streams = of[first]
    foreign = result.known[streams] & (np.maximum.reduceat(start, first) < -1)
    result.known[streams[foreign]] = False
    lowest = np.minimum(np.minimum.reduceat(start, first), -in_front[streams])
    lowest[result.known[streams]] = 0
    start -= np.repeat(lowest, np.diff(np.append(first, len(of))))
    result.base[streams] = sums(result.base[streams].astype(np.uint32), lowest)


def _reached(of: Column, end: Column) -> Column:
    """For each row the highest end of the rows before it in its stream (0 for the first): the next
    byte expected.
    """
    return np.maximum(highest_before(of, end, 0), 0)


def _reached_fin(of: Column, end: Column, is_fin: Column) -> Column:
    """For each row the highest FIN before it in its stream, −1 without."""
    return _reached(of, np.where(is_fin, end + 1, 0)) - 1


def _merged(easy: Pieces, hard: Pieces, streams: int) -> Pieces:
    columns = ("stream", "row", "start", "skip", "length", "repeated")
    both = {name: np.concatenate((getattr(easy, name), getattr(hard, name))) for name in columns}
    order = stable_order(both["stream"], streams)
    return Pieces(**{name: column[order] for name, column in both.items()})
