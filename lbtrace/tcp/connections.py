"""SegmentTable → list[Connection] and StreamTable: the TCP stage, in the order it thinks.

    1. which connection each segment belongs to          incarnations
    2. which end is the client                           roles
    3. the payload of each direction, in stream order    reassemble
    4. what the other side acknowledged                  here
    5. what each direction did, as columns, then as values

A connection has two streams: 2c is what its client sent, 2c + 1 what its server sent. Everything is counted in columns (one
entry per stream or connection) and turned into NamedTuples once, from lists. RFC 9293.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace.model.stream import Connection, Direction, RoleSource
from lbtrace.model.trace import Diagnostic
from lbtrace.tables import ACK, FIN, RST, SYN, Column, SegmentTable, StreamTable
from lbtrace.tcp.columns import first_of, last_of, optional, rows_of
from lbtrace.tcp.fingerprint import fingerprints
from lbtrace.tcp.incarnations import Incarnations, incarnations
from lbtrace.tcp.reassemble import Assembly, reassemble
from lbtrace.tcp.roles import roles
from lbtrace.tcp.sequence import PLAUSIBLE, distances, unwrap

_ACK_REORDERED = 1 << 20  # bytes by which the last ACK captured may lie below the highest, when they changed places on the way


@dataclass(slots=True)
class Handshake:
    """The SYN segments per connection and stream: rows, NONE without."""

    syn: Column  # per connection, first SYN of the client
    syns: Column  # per connection, how many SYNs without ACK
    synack: Column  # per connection, first SYN-ACK
    synacks: Column
    established: Column  # per connection, the ACK that completed the handshake
    own: Column  # per stream, the SYN or SYN-ACK that set its ISN
    base: Column  # per stream, i64: the sequence number after the SYN; −1 unknown
    repeated: Column  # per stream, how many segments repeat its SYN


def connections(segments: SegmentTable, careful: bool = False) -> tuple[list[Connection], StreamTable]:
    """Segments → connection incarnations, in order of their first frame, and their streams.

    `careful` takes the slow road for every stream; the result is the same (a law in the tests).
    """
    lives = incarnations(segments)
    client_forward, sources = roles(segments, lives)
    by_server = segments.forward != client_forward[lives.of]
    stream = lives.of * 2 + by_server
    shake = _handshakes(segments, lives, stream)
    assembly = reassemble(segments, stream, lives.count * 2, shake.base, careful)
    acked = _acknowledged(segments, stream, assembly)
    table = _stream_table(segments, lives, stream, shake, assembly, acked)
    return _values(segments, lives, stream, client_forward, sources, shake, assembly, table), table


def _handshakes(t: SegmentTable, lives: Incarnations, stream: Column) -> Handshake:
    """The three-way handshake of each connection (RFC 9293 §3.5), as far as it was captured."""
    count = lives.count
    rows = np.flatnonzero((t.flags & (SYN | RST)) == SYN)
    bare = (t.flags[rows] & ACK) == 0
    syn_rows, synack_rows = rows[bare], rows[~bare]
    conn = lives.of
    own, repeated = _own_syns(t, stream, rows, count * 2)
    base = np.full(count * 2, -1, np.int64)
    answering = synack_rows[own[stream[synack_rows] ^ 1] < 0]  # a SYN-ACK tells the ISN of a SYN that was not captured
    base[stream[answering] ^ 1] = t.ack[answering]
    seen = own >= 0
    base[seen] = (t.seq[own[seen]].astype(np.int64) + 1) % (1 << 32)
    synack = first_of(conn[synack_rows], synack_rows, count)

    answered = own[stream ^ 1]  # per row: the SYN-ACK it may answer
    acks = np.flatnonzero(((t.flags & (SYN | ACK | RST)) == ACK) & (answered >= 0))
    answer = answered[acks]
    completes = ((t.flags[answer] & ACK) != 0) & (distances(t.ack[acks], t.seq[answer]) > 0)
    acks = acks[completes]
    syn = first_of(conn[syn_rows], syn_rows, count)
    return Handshake(
        syn=syn,
        syns=np.bincount(conn[syn_rows], minlength=count),
        synack=synack,
        synacks=np.bincount(conn[synack_rows], minlength=count),
        established=first_of(conn[acks], acks, count),
        own=own,
        base=base,
        repeated=repeated,
    )


def _own_syns(t: SegmentTable, stream: Column, rows: Column, streams: int) -> tuple[Column, Column]:
    """Per stream the row of its SYN or SYN-ACK, and how many segments repeat one. `rows` are all of them.

    A server that answers twice with different ISNs (it forgot, or there are two) is held to the one its data follow.
    """
    own = first_of(stream[rows], rows, streams)
    counts = np.bincount(stream[rows], minlength=streams)
    repeated = np.zeros(streams, np.int64)
    several = rows[counts[stream[rows]] > 1]
    if not len(several):
        return own, repeated
    _, at = np.unique(stream[several].astype(np.int64) << 32 | t.seq[several], return_index=True)
    distinct = several[at]
    isns = np.bincount(stream[distinct], minlength=streams)
    repeated = np.where(isns > 0, counts - isns, 0)
    rivals = np.sort(distinct[isns[stream[distinct]] > 1])
    if len(rivals):
        loads = np.flatnonzero((t.wire_length > 0) & ((t.flags & (RST | SYN)) == 0))
        load = first_of(stream[loads], loads, streams)[stream[rivals]]
        ahead = distances(t.seq[load], t.seq[rivals]).astype(np.int64)
        ahead[(load < 0) | (ahead <= 0)] = 1 << 32
        order = np.lexsort((rivals, ahead, stream[rivals]))[::-1]
        own[stream[rivals[order]]] = rivals[order]  # the last one assigned, the nearest before the data, stays
    return own, repeated


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
    captured = np.bincount(pieces.stream, pieces.length, minlength=streams).astype(np.int64)
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
        clean=known & ~assembly.dirty & (captured == end),
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


def _values(
    t: SegmentTable,
    lives: Incarnations,
    stream: Column,
    client_forward: Column,
    sources: list[RoleSource],
    shake: Handshake,
    assembly: Assembly,
    table: StreamTable,
) -> list[Connection]:
    count = lives.count
    both = _directions(t, stream, count * 2, shake, assembly, table)
    rows = np.arange(len(t))
    first, last = first_of(lives.of, rows, count), last_of(lives.of, rows, count)
    ends = [(a, b) if f else (b, a) for (a, b), f in zip((t.flows[i] for i in lives.flow.tolist()), client_forward.tolist(), strict=True)]
    networks = [t.networks[i] for i in t.flow_network[lives.flow].tolist()]
    opened = (shake.syn >= 0) & (shake.synack >= 0) & (shake.established >= 0)
    columns = (
        range(count),
        [e[0] for e in ends],
        [e[1] for e in ends],
        networks,
        sources,
        (shake.syns > 0).astype(np.int64).tolist(),
        np.maximum(shake.syns - 1, 0).tolist(),
        shake.synacks.tolist(),
        opened.tolist(),
        optional(t.frame, shake.syn),
        optional(t.time_ns, shake.syn),
        optional(t.time_ns, shake.synack),
        optional(t.time_ns, shake.established),
        t.frame[first].tolist(),
        t.time_ns[first].tolist(),
        t.frame[last].tolist(),
        t.time_ns[last].tolist(),
        both[0::2],
        both[1::2],
    )
    return rows_of(Connection, columns)


def _directions(t: SegmentTable, stream: Column, streams: int, shake: Handshake, assembly: Assembly, table: StreamTable) -> list[Direction]:
    pieces = assembly.pieces
    captured = np.bincount(pieces.stream, pieces.length, minlength=streams).astype(np.int64)
    fins = np.flatnonzero((t.flags & FIN) != 0)
    rsts = np.flatnonzero((t.flags & RST) != 0)
    closed = np.flatnonzero((t.window == 0) & ((t.flags & (SYN | FIN | RST)) == 0))
    loads = np.flatnonzero((t.length > 0) & ((t.flags & RST) == 0))
    fin_row, rst_row = first_of(stream[fins], fins, streams), first_of(stream[rsts], rsts, streams)
    first_load, last_load = first_of(stream[loads], loads, streams), last_of(stream[loads], loads, streams)
    own = shake.own
    seen = np.flatnonzero(own >= 0)
    prints: list[object] = [None] * streams
    for s, mark in zip(seen.tolist(), fingerprints(t, own[seen]), strict=True):
        prints[s] = mark
    columns = (
        np.bincount(stream, minlength=streams).tolist(),
        captured.tolist(),
        np.maximum(table.end - captured, 0).tolist(),
        np.maximum(assembly.sent - captured, 0).tolist(),
        (assembly.retransmissions + shake.repeated).tolist(),
        assembly.out_of_order.tolist(),
        np.bincount(stream[closed], minlength=streams).tolist(),
        np.bincount(stream[fins], minlength=streams).tolist(),
        np.bincount(stream[rsts], minlength=streams).tolist(),
        optional(t.seq, own),
        optional(t.frame, fin_row),
        optional(t.time_ns, fin_row),
        optional(t.frame, rst_row),
        optional(t.time_ns, rst_row),
        optional(t.frame, first_load),
        optional(t.time_ns, first_load),
        optional(t.time_ns, last_load),
        prints,
        [n if n >= 0 else None for n in assembly.base.tolist()],
    )
    return rows_of(Direction, columns)
