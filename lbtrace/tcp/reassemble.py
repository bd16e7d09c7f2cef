"""Segments of a stream, as they were captured → its pieces in stream order (RFC 9293 §3.4, §3.10).

Only segments that occupy sequence space count: SYN, FIN and payload (a RST's payload is a text for
people, RFC 9293 §3.5.3). A stream whose segments follow each other exactly is settled by one
comparison of columns; that is nearly every stream. The others (*dirty*) are placed by their
offsets, sorted, and where segments overlap, swept: see `lbtrace.tcp.overlap`.

Invariants: the pieces of a stream are ordered by `start`, never overlap, are never empty; every
captured byte in sequence space is in exactly one piece; where segments disagree the first one
captured wins. Both roads give the same pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace.tables.packets import FIN, RST, SYN, Column, SegmentTable
from lbtrace.tcp.columns import stable_order
from lbtrace.tcp.overlap import Conflict, settle
from lbtrace.tcp.sequence import MAX_WINDOW_BYTES, distance, distances, group_starts, unwrap

_MIN_STRAY_BYTES = 1 << 24  # bytes; windows on real paths stay well below
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
    conflicts: list[Conflict]
    implausible: list[int]  # rows whose sequence number is nowhere near their stream


def reassemble(
    table: SegmentTable, stream: Column, streams: int, base: Column, careful: bool = False
) -> Assembly:
    """Segments → Assembly. `stream` is per row, `base` per stream: the sequence number after the
    SYN, −1 when not known.

    `careful` sends every stream down the slow road (for the law that both roads agree).
    """
    occupies = ((table.wire_length > 0) | ((table.flags & (SYN | FIN)) != 0)) & (
        (table.flags & RST) == 0
    )
    rows = np.flatnonzero(occupies).astype(np.int32)
    del occupies
    rows = rows[stable_order(stream[rows], streams)]
    of = stream[rows]
    flags = table.flags[rows]
    seq = table.seq[rows] + ((flags & SYN) != 0).astype(np.uint32) * np.uint32(1)
    wire = table.wire_length[rows]
    first = group_starts(of)

    known = base >= 0
    base = base.copy()
    headless = first[base[of[first]] < 0]
    dirty = (
        _dirty(of, seq, wire, flags, first, base, streams)
        if not careful
        else np.ones(streams, bool)
    )
    base[of[headless]] = seq[headless]
    result = Assembly(
        pieces=_nothing(),
        base=base,
        known=known,
        dirty=dirty,
        end=np.zeros(streams, np.int64),
        captured=np.zeros(streams, np.int64),
        sent=np.zeros(streams, np.int64),
        fin=np.full(streams, -1, np.int64),
        retransmissions=np.zeros(streams, np.uint32),
        out_of_order=np.zeros(streams, np.uint32),
        conflicts=[],
        implausible=[],
    )
    easy = _in_order(table, rows, of, wire, flags, dirty, result)
    if not dirty.any():
        result.pieces = easy
    else:
        pick = dirty[of]
        hard = _placed(
            table, rows[pick], of[pick], seq[pick], wire[pick].astype(np.int64), flags[pick], result
        )
        result.pieces = _merged(easy, hard, streams)
    result.captured = np.bincount(
        result.pieces.stream, result.pieces.length, minlength=streams
    ).astype(np.int64)
    return result


def _nothing() -> Pieces:
    return Pieces(
        *(np.zeros(0, kind) for kind in (np.int32, np.int32, np.int64, np.uint32, np.uint32, bool))
    )


def _dirty(
    of: Column, seq: Column, wire: Column, flags: Column, first: Column, base: Column, streams: int
) -> Column:
    """Streams with a segment that does not begin exactly where the one before it ended, or anything
    after a FIN.
    """
    dirty = np.zeros(streams, bool)
    if not len(of):
        return dirty
    follows = of[1:] == of[:-1]
    expected = seq[:-1] + wire[:-1]
    odd = follows & ((seq[1:] != expected) | ((flags[:-1] & FIN) != 0))
    dirty[of[1:][odd]] = True
    begun = first[base[of[first]] >= 0]
    dirty[of[begun][seq[begun] != base[of[begun]]]] = True
    return dirty


def _in_order(
    table: SegmentTable,
    rows: Column,
    of: Column,
    wire: Column,
    flags: Column,
    dirty: Column,
    result: Assembly,
) -> Pieces:
    """The streams that need no thought: offsets are running sums."""
    if dirty.any():
        keep = ~dirty[of]
        rows, of, wire, flags = rows[keep], of[keep], wire[keep], flags[keep]
    if not len(rows):
        return _nothing()
    first = group_starts(of)
    end = np.cumsum(wire, dtype=np.int64)
    before = end[first] - wire[first]
    end -= np.repeat(before, np.diff(np.append(first, len(rows))))
    last = np.append(first[1:], len(rows)) - 1
    result.end[of[last]] = end[last]
    result.sent[of[last]] = end[last]
    finished = (flags[last] & FIN) != 0
    result.fin[of[last][finished]] = end[last][finished]
    length = np.minimum(table.length[rows], wire)
    some = length > 0
    end -= wire
    count = int(some.sum())
    return Pieces(
        of[some],
        rows[some],
        end[some],
        np.zeros(count, np.uint32),
        length[some],
        np.zeros(count, bool),
    )


def _placed(
    table: SegmentTable,
    rows: Column,
    of: Column,
    seq: Column,
    wire: Column,
    flags: Column,
    result: Assembly,
) -> Pieces:
    """Dirty streams: place each segment by its offset, then settle overlaps."""
    start = _offsets(of, seq, flags, result, rows)
    is_syn = (flags & SYN) != 0
    is_fin = (flags & FIN) != 0
    keep = (start > -MAX_WINDOW_BYTES) & ~(
        is_syn & (wire == 0) & ~is_fin
    )  # a bare SYN has told the base; nothing else
    rows, of, start, wire, is_fin = rows[keep], of[keep], start[keep], wire[keep], is_fin[keep]
    stray = _stray(of, start, wire)
    if stray.any():
        result.implausible += rows[stray].tolist()
        rows, of, start, wire, is_fin = (
            rows[~stray],
            of[~stray],
            start[~stray],
            wire[~stray],
            is_fin[~stray],
        )
    _shift_headless(of, start, result)
    end = start + wire
    reached = _reached(of, end)

    probe = (wire <= 1) & ~is_fin & (start == reached - 1)  # keep-alive (RFC 9293 §3.8.4)
    old = (start < 0) & ~probe
    again = np.flatnonzero(
        is_fin & (wire == 0)
    )  # a FIN alone, after one at the same place or farther
    np.add.at(
        result.retransmissions, of[again[_reached_fin(of, end, is_fin)[again] >= end[again]]], 1
    )
    np.maximum.at(result.fin, of[is_fin], end[is_fin])
    data = ~probe & (wire > 0)
    cut = np.where(
        old & data, np.minimum(-start, wire), 0
    )  # bytes before offset 0 cannot be: they are dropped
    captured = np.minimum(table.length[rows].astype(np.int64), wire)
    data &= end > 0
    rows, of, start, end, reached, cut, captured = (
        c[data] for c in (rows, of, start, end, reached, cut, captured)
    )
    start += cut
    captured = np.maximum(captured - cut, 0)
    settled = settle(table, rows, of, start, end, cut, captured)
    np.maximum.at(result.end, of, end)
    np.add.at(result.retransmissions, of[settled.seen_before], 1)
    late = (start < reached) & ~settled.seen_before
    np.add.at(result.out_of_order, of[late], 1)
    result.sent[:] += np.bincount(of, settled.fresh, minlength=len(result.sent)).astype(np.int64)
    result.conflicts += settled.conflicts
    who = settled.index
    skip = (cut[who] + settled.skip).astype(np.uint32)
    return Pieces(
        of[who],
        rows[who],
        settled.start,
        skip,
        settled.length.astype(np.uint32),
        settled.shared | late[who],
    )


def _offsets(of: Column, seq: Column, flags: Column, result: Assembly, rows: Column) -> Column:
    """Each row's offset in its stream; −2³¹ or less for rows whose sequence number cannot be of
    this stream.
    """
    steps = unwrap(seq, of)
    first = group_starts(of)
    sizes = np.diff(np.append(first, len(of)))
    jump = np.zeros(len(of), bool)
    jump[1:] = np.abs(np.diff(steps)) > MAX_WINDOW_BYTES
    jump[first] = False
    lead = np.zeros(len(first), np.int64)
    has_base = result.known[of[first]]
    lead[has_base] = distances(
        seq[first[has_base]], result.base[of[first[has_base]]].astype(np.uint32)
    )
    jump[first[np.abs(lead) > MAX_WINDOW_BYTES]] = True
    start = steps + np.repeat(lead, sizes)
    for stream in np.unique(of[jump]).tolist():
        lo, hi = np.searchsorted(of, [stream, stream + 1]).tolist()
        origin = int(result.base[stream]) if result.known[stream] else None
        found, strange, home = _followed(
            seq[lo:hi].tolist(), ((flags[lo:hi] & SYN) != 0).tolist(), origin
        )
        start[lo:hi] = found
        if not home:
            result.known[stream] = False
            result.base[stream] = int(seq[lo + found.index(0)])
        result.implausible += rows[lo:hi][strange].tolist()
    return start


def _followed(
    numbers: list[int], is_syn: list[bool], origin: int | None
) -> tuple[list[int], list[int], bool]:
    """A stream with sequence numbers far apart: follow each neighbourhood by itself, keep the one
    with the SYN, else the fullest.

    Returns the offsets (−2³² for rows left out), the indices left out, and whether the offsets
    count from `origin`.
    """
    tracks: list[tuple[list[int], list[int]]] = (
        [([], [])] if origin is not None else []
    )  # (rows, offsets)
    at: list[int] = [0] if origin is not None else []
    zero: list[int] = [origin] if origin is not None else []
    for i, number in enumerate(numbers):
        for t, (rows, offsets) in enumerate(tracks):
            step = distance(number, (zero[t] + at[t]) % (1 << 32))
            if abs(step) <= MAX_WINDOW_BYTES:
                at[t] += step
                rows.append(i)
                offsets.append(at[t])
                break
        else:
            if len(tracks) < _MAX_TRACKS:
                tracks.append(([i], [0]))
                at.append(0)
                zero.append(number)
    best = max(range(len(tracks)), key=lambda t: sum(not is_syn[i] for i in tracks[t][0]))
    home = origin is not None and any(not is_syn[i] for i in tracks[0][0])
    if home:
        best = 0
    found = [-(1 << 32)] * len(numbers)
    for i, offset in zip(*tracks[best], strict=True):
        found[i] = offset
    return (
        found,
        [i for i, offset in enumerate(found) if offset == -(1 << 32)],
        home or (origin is not None and best == 0),
    )


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


def _shift_headless(of: Column, start: Column, result: Assembly) -> None:
    """Where the SYN was not captured, offset 0 is the first byte captured: shift, in place.

    The same where all data lie before the SYN that was seen: it is not theirs.
    """
    first = group_starts(of)
    if not len(first):
        return
    streams = of[first]
    foreign = result.known[streams] & (np.maximum.reduceat(start, first) < -1)
    result.known[streams[foreign]] = False
    lowest = np.minimum.reduceat(start, first)
    lowest[result.known[streams]] = 0
    start -= np.repeat(lowest, np.diff(np.append(first, len(of))))
    result.base[streams] = (result.base[streams] + lowest) % (1 << 32)


def _reached(of: Column, end: Column) -> Column:
    """For each row the highest end of the rows before it in its stream (0 for the first): the next
    byte expected.
    """
    if not len(of):
        return np.zeros(0, np.int64)
    first = group_starts(of)
    span = np.int64(max(int(end.max()), 0) - min(int(end.min()), 0) + 1)
    lift = np.repeat(
        np.arange(len(first), dtype=np.int64) * span, np.diff(np.append(first, len(of)))
    )
    before = np.zeros(len(of), np.int64)
    before[1:] = (np.maximum.accumulate(end + lift) - lift)[:-1]
    before[first] = 0
    return np.maximum(before, 0)


def _reached_fin(of: Column, end: Column, is_fin: Column) -> Column:
    """For each row the highest FIN before it in its stream, −1 without."""
    return _reached(of, np.where(is_fin, end + 1, 0)) - 1


def _merged(easy: Pieces, hard: Pieces, streams: int) -> Pieces:
    columns = ("stream", "row", "start", "skip", "length", "repeated")
    both = {name: np.concatenate((getattr(easy, name), getattr(hard, name))) for name in columns}
    order = stable_order(both["stream"], streams)
    return Pieces(**{name: column[order] for name, column in both.items()})
