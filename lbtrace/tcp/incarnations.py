"""Segments of a flow → connection incarnations (RFC 9293 §3.4.1, §3.6.1: ports are reused).

A flow is a pair of endpoints; a connection is one incarnation of it, begun by a SYN with an initial
sequence number (ISN) of its own, or by whatever came first when the start was not captured. Nearly
every flow has one SYN and one SYN-ACK in the right place, or several such pairs, one after the
other (the ports of a busy client come round): those are settled by columns alone. Only the SYN
segments of the others are looked at one by one:

    SYN, same ISN as before                     a retransmission: the same attempt
    SYN, ISN of an older incarnation            a late packet: it goes back to that one
    SYN, a new ISN                              a new incarnation, unless it answers a bare SYN of
    the peer (simultaneous
                                                open), or packets it explains were written just
                                                before it (capture order)
    SYN-ACK that answers the SYN of this one    the same connection, whatever its own ISN
    SYN-ACK that answers an older SYN           a late packet
    SYN-ACK that answers no SYN seen            a new incarnation, when this one has an ISN of its
    own from that side

Afterwards a segment that lies before the initial sequence numbers of its incarnation is given back
to the one before. Invariant: every row belongs to exactly one connection; connections are numbered
in the order of their first row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace.tables.packets import ACK, RST, SYN, Column, SegmentTable
from lbtrace.tcp.columns import NONE, first_of, stable_order
from lbtrace.tcp.sequence import MAX_WINDOW_BYTES, distance, distances, group_starts

_MAX_REORDERED_BYTES = (
    1 << 20
)  # packets at most this far after an ISN may have been written before their SYN
_MAX_REMEMBERED = 16  # older incarnations of a flow that a late SYN is compared with


@dataclass(slots=True)
class Incarnations:
    """Which connection each segment belongs to: `of` per row; `flow` per connection."""

    of: Column  # i32, per row
    flow: Column  # i32, per connection
    count: int


class _Life:
    """One incarnation while its flow is walked: its first row and the ISN of either direction (0:
    backward, 1: forward).
    """

    __slots__ = ("first", "isn")

    def __init__(self, first: int) -> None:
        self.first = first
        self.isn: list[int | None] = [None, None]


@dataclass(slots=True)
class _Lives:
    """The incarnations of some flows, by flow and first row."""

    flow: Column  # i32
    first: Column  # i64, its first row
    isn: Column  # i64, (lives, 2): backward, forward; −1 not known
    late: list[tuple[int, int, int]]  # (row, flow, which of its lives the row belongs to)


def incarnations(table: SegmentTable, careful: bool = False) -> Incarnations:
    """Every segment → its connection.

    `careful` looks at the SYNs of reused flows one by one, too; the result is the same (a law in
    the tests).
    """
    flows = len(table.flows)
    first_row = first_of(table.flow, np.arange(len(table), dtype=np.int32), flows)
    syn_rows = np.flatnonzero((table.flags & (SYN | RST)) == SYN)
    unusual = _unusual(table, syn_rows, first_row)
    if not unusual.any():
        return _numbered(table.flow.view(np.int32), np.arange(flows, dtype=np.int32), first_row)
    syn_rows = syn_rows[unusual[table.flow[syn_rows]]]
    syn_rows = syn_rows[stable_order(table.flow[syn_rows], flows)]
    in_turn = np.zeros(flows, bool) if careful else _in_turn(table, syn_rows, first_row)
    in_turn &= unusual
    rows = np.flatnonzero(unusual[table.flow])
    rows = rows[stable_order(table.flow[rows], flows)]
    simple = in_turn[table.flow[syn_rows]]
    lives = _joined(
        _by_columns(table, syn_rows[simple]), _one_by_one(table, rows, syn_rows[~simple])
    )
    return _split(table, rows, lives, flows)


def _unusual(table: SegmentTable, syn_rows: Column, first_row: Column) -> Column:
    """Of each flow whether its SYNs are not simply: none; or one SYN as the first row and at most
    one SYN-ACK, from the peer, after it.
    """
    flows = len(first_row)
    flow = table.flow[syn_rows]
    bare = (table.flags[syn_rows] & ACK) == 0
    opening = bare & (first_row[flow] == syn_rows)
    opens = np.zeros(flows, bool)
    opens[flow[opening]] = True
    answers = np.bincount(flow[~bare], minlength=flows)
    opened_forward = np.zeros(flows, bool)
    opened_forward[flow[opening]] = table.forward[syn_rows[opening]]
    bares = np.bincount(flow[bare], minlength=flows)
    lone = ~bare & (bares[flow] == 0) & (answers[flow] == 1) & (first_row[flow] == syn_rows)
    in_turn = (
        ~bare
        & opens[flow]
        & (answers[flow] == 1)
        & (table.forward[syn_rows] != opened_forward[flow])
    )
    unusual = np.zeros(flows, bool)
    unusual[flow[~(opening | lone | in_turn)]] = True
    return unusual


def _in_turn(table: SegmentTable, syn_rows: Column, first_row: Column) -> Column:
    """Of each flow whether its SYNs (`syn_rows`, by flow) are SYN, perhaps SYN-ACK, SYN with
    another ISN, perhaps SYN-ACK, …

    from the first row on, each SYN from the same end, each SYN-ACK from its peer, in answer to the
    SYN right before it.
    """
    flow, forward, isn = table.flow[syn_rows], table.forward[syn_rows], table.seq[syn_rows]
    bare = (table.flags[syn_rows] & ACK) == 0
    starts = group_starts(flow)
    opener = np.repeat(forward[starts], np.diff(np.append(starts, len(flow))))
    good = np.where(bare, forward == opener, forward != opener)
    good[starts] &= bare[starts] & (first_row[flow[starts]] == syn_rows[starts])
    answers = np.flatnonzero(~bare)
    before = np.maximum(answers - 1, 0)
    beyond = distances(table.ack[syn_rows[answers]] - np.uint32(1), isn[before])
    good[answers] &= (
        bare[before]
        & (flow[before] == flow[answers])
        & (beyond >= 0)
        & (beyond < _MAX_REORDERED_BYTES)
    )
    key = np.sort(flow[bare].astype(np.int64) << 32 | isn[bare])
    again = key[1:][key[1:] == key[:-1]] >> 32
    in_turn = np.zeros(len(first_row), bool)
    in_turn[flow] = True
    in_turn[flow[~good]] = False
    in_turn[again] = False
    return in_turn


def _by_columns(table: SegmentTable, syn_rows: Column) -> _Lives:
    """The lives of flows whose SYNs come in turn: each SYN begins one, the SYN-ACK after it tells
    the other ISN.
    """
    begins = (table.flags[syn_rows] & ACK) == 0
    life = np.cumsum(begins) - 1
    isn = np.full((int(begins.sum()), 2), NONE, np.int64)
    isn[life, table.forward[syn_rows].astype(np.int64)] = table.seq[syn_rows]
    rows = syn_rows[begins]
    return _Lives(table.flow[rows].view(np.int32), rows, isn, [])


def _one_by_one(table: SegmentTable, rows: Column, syn_rows: Column) -> _Lives:
    """The lives of the flows of these SYNs (by flow), in the order of their flows; `rows` are those
    of all unusual flows, by flow.
    """
    flows: list[int] = []
    lives: list[_Life] = []
    late: list[tuple[int, int, int]] = []
    of = table.flow[rows]
    starts = group_starts(table.flow[syn_rows])
    wanted = table.flow[syn_rows[starts]]
    lows, highs = (
        np.searchsorted(of, wanted).tolist(),
        np.searchsorted(of, wanted, "right").tolist(),
    )
    ends = np.append(starts, len(syn_rows))[1:].tolist()
    for flow, low, high, start, end in zip(
        wanted.tolist(), lows, highs, starts.tolist(), ends, strict=True
    ):
        found, strays = _lives(table, rows[low:high], syn_rows[start:end])
        flows += [flow] * len(found)
        lives += found
        late += [(row, flow, number) for row, number in strays]
    isn = np.array(
        [[NONE if n is None else n for n in life.isn] for life in lives], np.int64
    ).reshape(-1, 2)
    return _Lives(
        np.array(flows, np.int32), np.array([life.first for life in lives], np.int64), isn, late
    )


def _joined(some: _Lives, others: _Lives) -> _Lives:
    flow = np.concatenate((some.flow, others.flow))
    order = np.argsort(flow, kind="stable")
    first, isn = np.concatenate((some.first, others.first)), np.concatenate((some.isn, others.isn))
    return _Lives(flow[order], first[order], isn[order], others.late)


def _split(table: SegmentTable, rows: Column, lives: _Lives, flows: int) -> Incarnations:
    """Rows of the unusual flows (by flow) → their lives, each counted from its first row on, less
    what is given back.
    """
    of = table.flow[rows].astype(np.int64)
    begins = np.zeros(len(rows), np.int64)
    begins[np.searchsorted(of << 32 | rows, lives.flow.astype(np.int64) << 32 | lives.first)] = 1
    which = np.cumsum(begins) - 1
    _give_back(table, rows, lives, which)
    life = table.flow.astype(np.int32)
    life[rows] = flows + which
    for row, flow, number in lives.late:
        life[row] = flows + int(np.searchsorted(lives.flow, flow)) + number
    flow_of = np.concatenate((np.arange(flows, dtype=np.int32), lives.flow))
    return _numbered(
        life, flow_of, first_of(life, np.arange(len(life), dtype=np.int32), len(flow_of))
    )


def _numbered(life: Column, flow_of_life: Column, first_row: Column) -> Incarnations:
    """Provisional numbers → numbers in the order of the first row; provisional ones without a row
    fall away.
    """
    used = np.flatnonzero(first_row >= 0)
    if len(used) == len(first_row) and bool((first_row[1:] > first_row[:-1]).all()):
        return Incarnations(life, flow_of_life, len(used))
    used = used[np.argsort(first_row[used], kind="stable")]
    rank = np.empty(len(first_row), np.int32)
    rank[used] = np.arange(len(used))
    return Incarnations(rank[life], flow_of_life[used], len(used))


def _lives(
    table: SegmentTable, rows: Column, syns: Column
) -> tuple[list[_Life], list[tuple[int, int]]]:
    """The incarnations of one flow, and the late SYN segments that belong to an older one as (row,
    which).
    """
    lives = [_Life(int(rows[0]))]
    late: list[tuple[int, int]] = []
    columns = (syns, table.forward[syns], table.seq[syns], table.ack[syns], table.flags[syns])
    for row, forward, isn, ack, flags in zip(*(c.tolist() for c in columns), strict=True):
        way = int(forward)
        now = lives[-1]
        answered = (ack - 1) % (1 << 32) if flags & ACK else None
        if _belongs(table, rows, now, row, way, isn, answered):
            if now.isn[way] is None or answered is not None:
                now.isn[way] = isn
            if answered is not None and now.isn[1 - way] is None:
                now.isn[1 - way] = answered
            continue
        remembered = range(len(lives) - 2, max(len(lives) - _MAX_REMEMBERED - 2, -1), -1)
        older = next((i for i in remembered if _is_of(lives[i], way, isn, answered)), None)
        if older is not None:
            late.append((row, older))
            continue
        fresh = _Life(row)
        fresh.isn[way] = isn
        fresh.isn[1 - way] = answered
        lives.append(fresh)
    return lives, late


def _is_of(life: _Life, way: int, isn: int, answered: int | None) -> bool:
    """A SYN segment carries the ISN this incarnation is known by, or answers it."""
    return life.isn[way] == isn or (answered is not None and life.isn[1 - way] == answered)


def _belongs(
    table: SegmentTable,
    rows: Column,
    now: _Life,
    row: int,
    way: int,
    isn: int,
    answered: int | None,
) -> bool:
    """Whether a SYN (or a SYN-ACK, when `answered` is the ISN it answers) at `row` belongs to the
    incarnation `now`.
    """
    peer = now.isn[1 - way]
    if row == now.first or now.isn[way] == isn:
        return True
    if (
        answered is not None
        and peer is not None
        and 0 <= distance(answered, peer) < _MAX_REORDERED_BYTES
    ):
        return True  # beyond the ISN itself: data in the SYN was accepted (RFC 7413)
    if now.isn[way] is not None or (answered is not None and peer is not None):
        return False
    before = rows[np.searchsorted(rows, now.first) : np.searchsorted(rows, row)]
    said = table.seq[before[table.forward[before] == bool(way)]]
    heard = before[table.forward[before] != bool(way)]
    if len(
        said
        # this end spoke before its SYN was written: believable only when those packets come right
        # after the SYN
    ):
        return 0 < distance(int(said[0]), isn) <= _MAX_REORDERED_BYTES
    if answered is not None or not len(heard):
        return True
    if bool((table.flags[heard] & ACK).any()):
        acks = table.ack[heard[(table.flags[heard] & ACK) != 0]]
        return 0 < distance(int(acks[0]), isn) <= _MAX_REORDERED_BYTES
    return bool(((table.flags[heard] & (SYN | RST)) == SYN).all())  # simultaneous open


def _give_back(table: SegmentTable, rows: Column, lives: _Lives, which: Column) -> None:
    """Move rows that come before the ISNs of their incarnation to the one before it (late packets),
    in place.
    """
    way = table.forward[rows].astype(np.int64)
    own, peer = lives.isn[which, way], lives.isn[which, 1 - way]
    seq_off = distances(table.seq[rows], own.astype(np.uint32))
    ack_off = distances(table.ack[rows], peer.astype(np.uint32))
    acks = (table.flags[rows] & ACK) != 0
    no_syn = (table.flags[rows] & SYN) == 0
    seq_is_old = (own >= 0) & ((seq_off < 0) | (seq_off > MAX_WINDOW_BYTES))
    ack_is_old = (peer >= 0) & acks & ((ack_off <= 0) | (ack_off > MAX_WINDOW_BYTES))
    ack_is_new = (peer >= 0) & acks & ~ack_is_old
    follows = np.zeros(len(lives.flow), bool)
    follows[1:] = lives.flow[1:] == lives.flow[:-1]
    late = no_syn & follows[which] & ((seq_is_old & ~ack_is_new) | ((own < 0) & ack_is_old))
    which[late] -= 1
