"""Segments of a flow → connection incarnations (RFC 9293 §3.4.1, §3.6.1: ports are reused).

A flow is a pair of endpoints; a connection is one incarnation of it, begun by a SYN with an initial sequence number (ISN) of
its own, or by whatever came first when the start was not captured. Nearly every flow has one SYN and one SYN-ACK in the right
place: those are settled by columns alone. Only the SYN segments of the others are looked at one by one:

    SYN, same ISN as before                     a retransmission: the same attempt
    SYN, ISN of an older incarnation            a late packet: it goes back to that one
    SYN, a new ISN                              a new incarnation, unless it answers a bare SYN of the peer (simultaneous
                                                open), or packets it explains were written just before it (capture order)
    SYN-ACK that answers the SYN of this one    the same connection, whatever its own ISN
    SYN-ACK that answers an older SYN           a late packet
    SYN-ACK that answers no SYN seen            a new incarnation, when this one has an ISN of its own from that side

Afterwards a segment that lies before the initial sequence numbers of its incarnation is given back to the one before.
Invariant: every row belongs to exactly one connection; connections are numbered in the order of their first row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace.tables import ACK, RST, SYN, Column, SegmentTable
from lbtrace.tcp.columns import first_of, stable_order
from lbtrace.tcp.sequence import PLAUSIBLE, distance, distances

_REORDERED = 1 << 20  # packets at most this far after an ISN may have been written before their SYN
_REMEMBERED = 16  # older incarnations of a flow that a late SYN is compared with


@dataclass(slots=True)
class Incarnations:
    """Which connection each segment belongs to: `of` per row; `flow` per connection."""

    of: Column  # i32, per row
    flow: Column  # i32, per connection
    count: int


class _Life:
    """One incarnation while its flow is walked: its first row and the ISN of either direction (0: backward, 1: forward)."""

    __slots__ = ("first", "isn", "number")

    def __init__(self, number: int, first: int) -> None:
        self.number = number
        self.first = first
        self.isn: list[int | None] = [None, None]


def incarnations(table: SegmentTable) -> Incarnations:
    """Every segment → its connection."""
    flows = len(table.flows)
    rows = len(table)
    first_row = first_of(table.flow, np.arange(rows, dtype=np.int32), flows)
    syn_rows = np.flatnonzero((table.flags & (SYN | RST)) == SYN)
    unusual = _unusual(table, syn_rows, first_row)
    if not len(unusual):
        return _numbered(table.flow.view(np.int32), np.arange(flows, dtype=np.int32), first_row)
    return _walked(table, syn_rows, first_row, unusual)


def _unusual(table: SegmentTable, syn_rows: Column, first_row: Column) -> Column:
    """The flows whose SYNs are not simply: none; or one SYN as the first row and at most one SYN-ACK, from the peer, after it."""
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
    in_turn = ~bare & opens[flow] & (answers[flow] == 1) & (table.forward[syn_rows] != opened_forward[flow])
    odd = ~(opening | lone | in_turn)
    return np.unique(flow[odd])


def _numbered(life: Column, flow_of_life: Column, first_row: Column) -> Incarnations:
    """Provisional numbers → numbers in the order of the first row; provisional ones without a row fall away."""
    used = np.flatnonzero(first_row >= 0)
    if len(used) == len(first_row) and bool((first_row[1:] > first_row[:-1]).all()):
        return Incarnations(life, flow_of_life, len(used))
    used = used[np.argsort(first_row[used], kind="stable")]
    rank = np.empty(len(first_row), np.int32)
    rank[used] = np.arange(len(used))
    return Incarnations(rank[life], flow_of_life[used], len(used))


def _walked(table: SegmentTable, syn_rows: Column, first_row: Column, unusual: Column) -> Incarnations:
    flows = len(first_row)
    is_unusual = np.zeros(flows, bool)
    is_unusual[unusual] = True
    life = table.flow.astype(np.int32)
    flow_of_life = list(range(flows))

    rows = np.flatnonzero(is_unusual[table.flow])
    rows = rows[stable_order(table.flow[rows], flows)]
    bounds = [*np.searchsorted(table.flow[rows], unusual).tolist(), len(rows)]
    is_syn = np.zeros(len(table), bool)
    is_syn[syn_rows] = True
    for i, flow in enumerate(unusual.tolist()):
        mine = rows[bounds[i] : bounds[i + 1]]
        lives, late = _lives(table, mine, mine[is_syn[mine]], flow, len(flow_of_life))
        flow_of_life += [flow] * (len(lives) - 1)
        if len(lives) == 1:
            continue
        which = np.searchsorted(np.array([a.first for a in lives]), mine, "right") - 1
        which = np.maximum(which, 0)
        _give_back(table, mine, lives, which)
        life[mine] = np.array([a.number for a in lives])[which]
        for row, number in late:
            life[row] = number
    flow_of = np.array(flow_of_life, np.int32)
    return _numbered(life, flow_of, first_of(life, np.arange(len(life), dtype=np.int32), len(flow_of)))


def _lives(table: SegmentTable, rows: Column, syns: Column, flow: int, number: int) -> tuple[list[_Life], list[tuple[int, int]]]:
    """The incarnations of one flow, and the late SYN segments that belong to an older one as (row, its number)."""
    lives = [_Life(flow, int(rows[0]))]
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
        older = next((a for a in reversed(lives[-_REMEMBERED - 1 : -1]) if _is_of(a, way, isn, answered)), None)
        if older is not None:
            late.append((row, older.number))
            continue
        fresh = _Life(number, row)
        number += 1
        fresh.isn[way] = isn
        fresh.isn[1 - way] = answered
        lives.append(fresh)
    return lives, late


def _is_of(life: _Life, way: int, isn: int, answered: int | None) -> bool:
    """A SYN segment carries the ISN this incarnation is known by, or answers it."""
    return life.isn[way] == isn or (answered is not None and life.isn[1 - way] == answered)


def _belongs(table: SegmentTable, rows: Column, now: _Life, row: int, way: int, isn: int, answered: int | None) -> bool:
    """Whether a SYN (or a SYN-ACK, when `answered` is the ISN it answers) at `row` belongs to the incarnation `now`."""
    peer = now.isn[1 - way]
    if row == now.first or now.isn[way] == isn:
        return True
    if answered is not None and peer is not None and 0 <= distance(answered, peer) < _REORDERED:
        return True  # beyond the ISN itself: data in the SYN was accepted (RFC 7413)
    if now.isn[way] is not None or (answered is not None and peer is not None):
        return False
    before = rows[np.searchsorted(rows, now.first) : np.searchsorted(rows, row)]
    said = table.seq[before[table.forward[before] == bool(way)]]
    heard = before[table.forward[before] != bool(way)]
    if len(said):  # this end spoke before its SYN was written: believable only when those packets come right after the SYN
        return 0 < distance(int(said[0]), isn) <= _REORDERED
    if answered is not None or not len(heard):
        return True
    if bool((table.flags[heard] & ACK).any()):
        acks = table.ack[heard[(table.flags[heard] & ACK) != 0]]
        return 0 < distance(int(acks[0]), isn) <= _REORDERED
    return bool(((table.flags[heard] & (SYN | RST)) == SYN).all())  # simultaneous open


def _give_back(table: SegmentTable, rows: Column, lives: list[_Life], which: Column) -> None:
    """Move rows that come before the ISNs of their incarnation to the one before it (late packets), in place."""
    known = np.array([[-1 if n is None else n for n in life.isn] for life in lives], np.int64)
    way = table.forward[rows].astype(np.int64)
    own, peer = known[which, way], known[which, 1 - way]
    seq_off = distances(table.seq[rows], own.astype(np.uint32))
    ack_off = distances(table.ack[rows], peer.astype(np.uint32))
    acks = (table.flags[rows] & ACK) != 0
    no_syn = (table.flags[rows] & SYN) == 0
    seq_is_old = (own >= 0) & ((seq_off < 0) | (seq_off > PLAUSIBLE))
    ack_is_old = (peer >= 0) & acks & ((ack_off <= 0) | (ack_off > PLAUSIBLE))
    ack_is_new = (peer >= 0) & acks & ~ack_is_old
    late = no_syn & (which > 0) & ((seq_is_old & ~ack_is_new) | ((own < 0) & ack_is_old))
    which[late] -= 1
