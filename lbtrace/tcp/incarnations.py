"""Segments of a flow → connection incarnations (RFC 9293 §3.4.1, §3.6.1: ports are reused).

A flow is a pair of endpoints; a connection is one incarnation of it. It begins with a SYN that has
an initial sequence number (ISN) of its own, or with whatever came first when the start was not
captured. Nearly every flow has one SYN and one SYN-ACK in the right place, or several such pairs,
one after the other (the ports of a busy client come round): columns alone tell these apart. Only
the SYN segments of the others are looked at one by one:

    SYN, same ISN as before                     a retransmission: the same attempt
    SYN, ISN of an older incarnation            a late packet: it goes back to that one
    SYN, a new ISN                              a new incarnation, unless it answers a bare SYN of
                                                the peer (simultaneous open), or packets that follow
                                                from it were written just before it (capture order)
    SYN-ACK that answers the SYN of this one    the same connection, whatever its own ISN
    SYN-ACK that answers an older SYN           it goes back to that one, and tells it its ISN;
                                                however near this one's ISN is
    SYN-ACK that answers no SYN seen            a new incarnation, when this one has an ISN of its
                                                own from that side

Afterwards a segment that does not lie behind the initial sequence numbers of its incarnation is
given back to the nearest older one that was answered and that it fits, else to the one before. So
SYNs that nobody answered take nothing away from the connection they stand in, however many.

Invariant: every row belongs to exactly one connection; connections are numbered in the order of
their first row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lbtrace.tables.columns import group_starts
from lbtrace.tables.packets import ACK, RST, SYN, Column, SegmentTable
from lbtrace.tables.sequence import MAX_WINDOW_BYTES, RING, add, distance, distances, sums
from lbtrace.tcp.columns import NONE, first_of, stable_order

# packets at most this far after an ISN may have been written before their SYN
_MAX_REORDERED_BYTES = 1 << 20
_MAX_TRIED = 16  # older incarnations of a flow that a segment is compared with


@dataclass(slots=True)
class Incarnations:
    """Which connection each segment belongs to: `of` per row; `flow` per connection."""

    of: Column  # i32, per row
    flow: Column  # i32, per connection
    count: int


class Incarnation:
    """One incarnation while its flow is walked: its first row and the ISN of either direction (0:
    backward, 1: forward).
    """

    __slots__ = ("first", "isn")

    def __init__(self, first: int) -> None:
        self.first = first
        self.isn: list[int | None] = [None, None]


@dataclass(slots=True)
class _OfFlows:
    """The incarnations of some flows, by flow and first row."""

    flow: Column  # i32
    first: Column  # i64, its first row
    isn: Column  # i64, (incarnations, 2): backward, forward; −1 not known
    late: list[tuple[int, int, int]]  # (row, flow, which incarnation of it the row belongs to)


def incarnations(table: SegmentTable, careful: bool = False) -> Incarnations:
    """Every segment → its connection.

    `careful` looks at the SYNs of all flows one by one; the result is the same (a law in the
    tests).
    """
    flows = len(table.flows)
    first_row = first_of(table.flow, np.arange(len(table), dtype=np.int32), flows)
    syn_rows = np.flatnonzero((table.flags & (SYN | RST)) == SYN)
    unusual = _unusual(table, syn_rows, first_row)
    if careful:
        unusual[table.flow[syn_rows]] = True
    if not unusual.any():
        return _numbered(table.flow.view(np.int32), np.arange(flows, dtype=np.int32), first_row)
    syn_rows = syn_rows[unusual[table.flow[syn_rows]]]
    syn_rows = syn_rows[stable_order(table.flow[syn_rows], flows)]
    in_turn = np.zeros(flows, bool) if careful else _in_turn(table, syn_rows, first_row)
    in_turn &= unusual
    rows = np.flatnonzero(unusual[table.flow])
    rows = rows[stable_order(table.flow[rows], flows)]
    simple = in_turn[table.flow[syn_rows]]
    found = _joined(
        _by_columns(table, syn_rows[simple]), _one_by_one(table, rows, syn_rows[~simple])
    )
    return _split(table, rows, found, flows)


def _unusual(table: SegmentTable, syn_rows: Column, first_row: Column) -> Column:
    """Of each flow whether its SYNs are not simply: none; or one SYN as the first row and at most
    one SYN-ACK, from the peer, after it and in answer to it.
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
    opened_isn = np.zeros(flows, np.uint32)
    opened_isn[flow[opening]] = table.seq[syn_rows[opening]]
    beyond = distances(sums(table.ack[syn_rows], -1), opened_isn[flow])
    bares = np.bincount(flow[bare], minlength=flows)
    lone = ~bare & (bares[flow] == 0) & (answers[flow] == 1) & (first_row[flow] == syn_rows)
    in_turn = (
        ~bare
        & opens[flow]
        & (answers[flow] == 1)
        & (table.forward[syn_rows] != opened_forward[flow])
        & (beyond >= 0)
        & (beyond < _MAX_REORDERED_BYTES)
    )
    unusual = np.zeros(flows, bool)
    unusual[flow[~(opening | lone | in_turn)]] = True
    return unusual


def _in_turn(table: SegmentTable, syn_rows: Column, first_row: Column) -> Column:
    """Of each flow whether its SYNs (`syn_rows`, by flow) are SYN, perhaps SYN-ACK, SYN with
    another ISN, perhaps SYN-ACK, …

    from the first row on, each SYN from the same end, each SYN-ACK from its peer, in answer to the
    SYN right before it, and to no data in it.
    """
    flow, forward, isn = table.flow[syn_rows], table.forward[syn_rows], table.seq[syn_rows]
    bare = (table.flags[syn_rows] & ACK) == 0
    starts = group_starts(flow)
    opener = np.repeat(forward[starts], np.diff(np.append(starts, len(flow))))
    good = np.where(bare, forward == opener, forward != opener)
    good[starts] &= bare[starts] & (first_row[flow[starts]] == syn_rows[starts])
    answers = np.flatnonzero(~bare)
    before = np.maximum(answers - 1, 0)
    exact = sums(table.ack[syn_rows[answers]], -1) == isn[before]
    good[answers] &= bare[before] & (flow[before] == flow[answers]) & exact
    key = np.sort(flow[bare].astype(np.int64) << 32 | isn[bare])
    again = key[1:][key[1:] == key[:-1]] >> 32
    in_turn = np.zeros(len(first_row), bool)
    in_turn[flow] = True
    in_turn[flow[~good]] = False
    in_turn[again] = False
    return in_turn


def _by_columns(table: SegmentTable, syn_rows: Column) -> _OfFlows:
    """Flows whose SYNs come in turn: each SYN begins an incarnation, the SYN-ACK after it tells the
    other ISN.
    """
    begins = (table.flags[syn_rows] & ACK) == 0
    number = np.cumsum(begins) - 1
    isn = np.full((int(begins.sum()), 2), NONE, np.int64)
    isn[number, table.forward[syn_rows].astype(np.int64)] = table.seq[syn_rows]
    rows = syn_rows[begins]
    return _OfFlows(table.flow[rows].view(np.int32), rows, isn, [])


def _one_by_one(table: SegmentTable, rows: Column, syn_rows: Column) -> _OfFlows:
    """The flows of these SYNs (by flow), in the order of their flows; `rows` are those of all
    unusual flows, by flow.
    """
    flows: list[int] = []
    incarnations: list[Incarnation] = []
    late: list[tuple[int, int, int]] = []
    of = table.flow[rows]
    starts = group_starts(table.flow[syn_rows])
    wanted = table.flow[syn_rows[starts]]
    lows, highs = np.searchsorted(of, wanted), np.searchsorted(of, wanted, "right")
    ends = np.append(starts, len(syn_rows))[1:]
    columns = (wanted, lows, highs, starts, ends)
    for flow, low, high, start, end in zip(*(c.tolist() for c in columns), strict=True):
        found, strays = _incarnations_of(table, rows[low:high], syn_rows[start:end])
        flows += [flow] * len(found)
        incarnations += found
        late += [(row, flow, number) for row, number in strays]
    isns = [[NONE if isn is None else isn for isn in one.isn] for one in incarnations]
    return _OfFlows(
        np.array(flows, np.int32),
        np.array([one.first for one in incarnations], np.int64),
        np.array(isns, np.int64).reshape(-1, 2),
        late,
    )


def _joined(some: _OfFlows, others: _OfFlows) -> _OfFlows:
    flow = np.concatenate((some.flow, others.flow))
    order = np.argsort(flow, kind="stable")
    first, isn = np.concatenate((some.first, others.first)), np.concatenate((some.isn, others.isn))
    return _OfFlows(flow[order], first[order], isn[order], others.late)


def _split(table: SegmentTable, rows: Column, found: _OfFlows, flows: int) -> Incarnations:
    """Rows of the unusual flows (by flow) → their incarnations, each counted from its first row on,
    less what is given back.
    """
    of = table.flow[rows].astype(np.int64)
    begins = np.zeros(len(rows), np.int64)
    begins[np.searchsorted(of << 32 | rows, found.flow.astype(np.int64) << 32 | found.first)] = 1
    which = np.cumsum(begins) - 1
    _give_back(table, rows, found, which)
    number = table.flow.astype(np.int32)
    number[rows] = flows + which
    for row, flow, place in found.late:
        number[row] = flows + int(np.searchsorted(found.flow, flow)) + place
    flow_of = np.concatenate((np.arange(flows, dtype=np.int32), found.flow))
    return _numbered(
        number, flow_of, first_of(number, np.arange(len(number), dtype=np.int32), len(flow_of))
    )


def _numbered(number: Column, flow_of: Column, first_row: Column) -> Incarnations:
    """Provisional numbers → numbers in the order of the first row; provisional ones without a row
    fall away.
    """
    used = np.flatnonzero(first_row >= 0)
    if len(used) == len(first_row) and bool((first_row[1:] > first_row[:-1]).all()):
        return Incarnations(number, flow_of, len(used))
    used = used[np.argsort(first_row[used], kind="stable")]
    rank = np.empty(len(first_row), np.int32)
    rank[used] = np.arange(len(used))
    return Incarnations(rank[number], flow_of[used], len(used))


class _FlowRows:
    """The rows of a flow, in order. Those of a kind among them are looked for when they are first
    asked for.
    """

    def __init__(self, table: SegmentTable, rows: Column) -> None:
        self.table, self.rows = table, rows

    @cached_property
    def sent(self) -> tuple[Column, Column]:
        """Those of either direction (0: backward, 1: forward)."""
        forward = self.table.forward[self.rows]
        return self.rows[~forward], self.rows[forward]

    @cached_property
    def acks(self) -> Column:
        """Those that acknowledge something."""
        found: Column = self.rows[(self.table.flags[self.rows] & ACK) != 0]
        return found

    @cached_property
    def others(self) -> Column:
        """Those that are no SYN and no SYN-ACK."""
        found: Column = self.rows[(self.table.flags[self.rows] & (SYN | RST)) != SYN]
        return found


def _first_between(rows: Column, low: int, high: int) -> int:
    """The first of some rows from `low` on, and before `high`; NONE without."""
    at = int(np.searchsorted(rows, low))
    return int(rows[at]) if at < len(rows) and rows[at] < high else NONE


def _incarnations_of(
    table: SegmentTable, rows: Column, syns: Column
) -> tuple[list[Incarnation], list[tuple[int, int]]]:
    """The incarnations of one flow, and the late SYN segments that belong to an older one as (row,
    which).
    """
    found = [Incarnation(int(rows[0]))]
    of_flow = _FlowRows(table, rows)
    known: dict[tuple[int, int], int] = {}  # (direction, ISN) → the latest incarnation that has it
    late: list[tuple[int, int]] = []
    columns = (syns, table.forward[syns], table.seq[syns], table.ack[syns], table.flags[syns])
    for row, forward, isn, ack, flags in zip(*(c.tolist() for c in columns), strict=True):
        way = int(forward)
        answered = add(ack, -1) if flags & ACK else None
        which = len(found) - 1
        current = found[-1]
        if _belongs(of_flow, current, known, row, way, isn, answered):
            if current.isn[way] is None or answered is not None:
                current.isn[way] = isn
            if answered is not None and current.isn[1 - way] is None:
                current.isn[1 - way] = answered
        elif (older := _older(known, way, isn, answered)) is not None:
            which = older
            late.append((row, which))
            if answered is not None and found[which].isn[way] is None:
                found[which].isn[way] = isn
        else:
            found.append(Incarnation(row))
            which += 1
            found[which].isn[way] = isn
            found[which].isn[1 - way] = answered
        known.update({(w, n): which for w, n in enumerate(found[which].isn) if n is not None})
    return found, late


def _older(
    known: dict[tuple[int, int], int], way: int, isn: int, answered: int | None
) -> int | None:
    """The incarnation that a SYN segment carries the ISN of, or answers; None for none."""
    found = [known[way, isn]] if (way, isn) in known else []
    if answered is not None and (1 - way, answered) in known:
        found.append(known[1 - way, answered])
    return max(found, default=None)


def _belongs(
    of_flow: _FlowRows,
    current: Incarnation,
    known: Mapping[tuple[int, int], int],
    row: int,
    way: int,
    isn: int,
    answered: int | None,
) -> bool:
    """Whether a SYN (or a SYN-ACK, when `answered` is the ISN it answers) at `row` belongs to the
    incarnation `current`. `known`: (direction, ISN) of all there are.
    """
    peer = current.isn[1 - way]
    if row == current.first or current.isn[way] == isn:
        return True
    if answered is not None and peer is not None:
        if answered != peer and (1 - way, answered) in known:
            return False
        # beyond the ISN itself: data in the SYN was accepted (RFC 7413)
        return 0 <= distance(answered, peer) < _MAX_REORDERED_BYTES
    if current.isn[way] is not None:
        return False
    return _may_follow(of_flow, current.first, row, way, isn, bare=answered is None)


def _may_follow(of_flow: _FlowRows, first: int, row: int, way: int, isn: int, bare: bool) -> bool:
    """Whether the packets of an incarnation, from `first` on, that stand before a SYN segment in
    the capture may have been sent after it, or are a SYN of the peer that crossed it.
    """
    table = of_flow.table
    sent = _first_between(of_flow.sent[way], first, row)
    if sent != NONE:
        return 0 < distance(int(table.seq[sent]), isn) <= _MAX_REORDERED_BYTES
    if not bare:
        return True
    ack = _first_between(of_flow.acks, first, row)  # of the peer: this end sent nothing
    if ack != NONE:
        return 0 < distance(int(table.ack[ack]), isn) <= _MAX_REORDERED_BYTES
    return _first_between(of_flow.others, first, row) == NONE  # simultaneous open


def _give_back(table: SegmentTable, rows: Column, found: _OfFlows, which: Column) -> None:
    """Move rows that do not fit the ISNs of their incarnation to an older one, in place."""
    follows = np.zeros(len(found.flow), bool)
    follows[1:] = found.flow[1:] == found.flow[:-1]
    no_syn = (table.flags[rows] & SYN) == 0
    answered = (found.isn[:, 0] >= 0) & (found.isn[:, 1] >= 0)
    late = no_syn & follows[which] & _before(table, rows, found.isn[which])
    loose = np.flatnonzero(late | (no_syn & follows[which] & ~answered[which]))
    if not len(loose):
        return
    isns, taken = _with_headless(table, rows, found, which)
    place = which[loose]
    near = _distance(table, rows[loose], isns[place])
    near[late[loose]] = RING
    which[late] -= 1
    older = _nearest(found.flow, answered | taken)
    at = _older_of(older, found.flow, place)
    for _ in range(_MAX_TRIED):
        some = np.flatnonzero(at >= 0)
        if not len(some):
            break
        there = at[some]
        fits = _distance(table, rows[loose[some]], isns[there]) < near[some]
        which[loose[some[fits]]] = there[fits]
        at[some] = np.where(fits, NONE, _older_of(older, found.flow, there))


def _with_headless(
    table: SegmentTable, rows: Column, found: _OfFlows, which: Column
) -> tuple[Column, Column]:
    """The ISNs of all incarnations; of one that was open before the capture, what its first
    segments say instead. And which these are (bool each).
    """
    headless = (found.isn[:, 0] < 0) & (found.isn[:, 1] < 0)
    isns = found.isn.copy()
    if headless.any():
        mine = np.flatnonzero(headless[which])
        key = 2 * which[mine] + table.forward[rows[mine]]
        first = first_of(key, rows[mine], 2 * len(headless)).reshape(-1, 2)
        begun = first >= 0
        isns[begun] = sums(table.seq[first[begun]], -1)
    return isns, headless


def _older_of(older: Column, flow: Column, place: Column) -> Column:
    """Per incarnation the nearest one before it in its flow that `older` knows; NONE for none."""
    before = older[place - 1]
    there = (place > 0) & (before >= 0)
    there[there] = flow[before[there]] == flow[place[there]]
    found: Column = np.where(there, before, NONE)
    return found


def _before(table: SegmentTable, rows: Column, isns: Column) -> Column:
    """Which rows do not lie behind the ISNs of their incarnations (bool each)."""
    seq_off, ack_off, own, peer = _offsets(table, rows, isns)
    acks = (table.flags[rows] & ACK) != 0
    seq_is_old = (own >= 0) & ((seq_off < 0) | (seq_off > MAX_WINDOW_BYTES))
    ack_is_old = (peer >= 0) & acks & ((ack_off <= 0) | (ack_off > MAX_WINDOW_BYTES))
    ack_is_new = (peer >= 0) & acks & ~ack_is_old
    before: Column = (seq_is_old & ~ack_is_new) | ((own < 0) & ack_is_old)
    return before


def _distance(table: SegmentTable, rows: Column, isns: Column) -> Column:
    """How far behind the ISNs of an incarnation each row lies, by the nearer of its two numbers;
    RING where it does not fit.
    """
    seq_off, ack_off, own, peer = _offsets(table, rows, isns)
    acks = (table.flags[rows] & ACK) != 0
    by_seq = np.where(own >= 0, seq_off, RING)
    by_ack = np.where((peer >= 0) & acks, ack_off, RING)
    wrong = (by_seq < 0) | (by_ack <= 0)
    wrong |= ((own >= 0) & (seq_off > MAX_WINDOW_BYTES)) | (
        (peer >= 0) & acks & (ack_off > MAX_WINDOW_BYTES)
    )
    return np.where(wrong, RING, np.minimum(by_seq, by_ack))


def _offsets(
    table: SegmentTable, rows: Column, isns: Column
) -> tuple[Column, Column, Column, Column]:
    """How far the sequence number and the acknowledgement of each row lie behind the ISNs, and
    these.
    """
    way = table.forward[rows].astype(np.int64)
    each = np.arange(len(rows))
    own, peer = isns[each, way], isns[each, 1 - way]
    seq_off = distances(table.seq[rows], own.astype(np.uint32)).astype(np.int64)
    ack_off = distances(table.ack[rows], peer.astype(np.uint32)).astype(np.int64)
    return seq_off, ack_off, own, peer


def _nearest(flow: Column, wanted: Column) -> Column:
    """Per incarnation the last one up to it that is wanted, −1 for none; it may be of another
    flow.
    """
    at: Column = np.maximum.accumulate(np.where(wanted, np.arange(len(flow)), -1))
    return at
