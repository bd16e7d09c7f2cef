"""SYN segments → the three-way handshake of each connection (RFC 9293 §3.5), as far as it was
captured, and where its streams begin.

Invariant: `base` of a stream is the sequence number of its first byte, known from its own SYN or
from the SYN-ACK that answers it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace.tables.packets import ACK, RST, SYN, Column, SegmentTable
from lbtrace.tcp.columns import CHUNK_ROWS, counted, first_of
from lbtrace.tcp.incarnations import Incarnations
from lbtrace.tcp.sequence import distances


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


def handshakes(t: SegmentTable, lives: Incarnations, stream: Column) -> Handshake:
    """The three-way handshake of each connection (RFC 9293 §3.5), as far as it was captured."""
    count = lives.count
    rows = np.flatnonzero((t.flags & (SYN | RST)) == SYN).astype(np.int32)
    bare = (t.flags[rows] & ACK) == 0
    syn_rows, synack_rows = rows[bare], rows[~bare]
    conn = lives.of
    own, repeated = _own_syns(t, stream, rows, count * 2)
    base = np.full(count * 2, -1, np.int64)
    answering = synack_rows[
        own[stream[synack_rows] ^ 1] < 0
    ]  # a SYN-ACK tells the ISN of a SYN that was not captured
    base[stream[answering] ^ 1] = t.ack[answering]
    seen = own >= 0
    base[seen] = (t.seq[own[seen]].astype(np.int64) + 1) % (1 << 32)
    synack = first_of(conn[synack_rows], synack_rows, count)

    answers = own >= 0
    answers[answers] = (t.flags[own[answers]] & ACK) != 0
    wanted = np.where(answers, t.seq[own], 0).astype(
        np.uint32
    )  # per stream: the ISN that the peer's ACK must be beyond
    acks = _completing(t, stream, answers, wanted)
    syn = first_of(conn[syn_rows], syn_rows, count)
    return Handshake(
        syn=syn,
        syns=counted(conn[syn_rows], count),
        synack=synack,
        synacks=counted(conn[synack_rows], count),
        established=first_of(conn[acks], acks, count),
        own=own,
        base=base,
        repeated=repeated,
    )


def _completing(t: SegmentTable, stream: Column, answers: Column, wanted: Column) -> Column:
    """The segments that acknowledge a SYN-ACK, CHUNK_ROWS rows at a time. `answers`: the stream
    begins with a SYN-ACK, of ISN `wanted`.
    """
    found = [np.zeros(0, np.int32)]
    for low in range(0, len(t), CHUNK_ROWS):
        part = slice(low, low + CHUNK_ROWS)
        peer = stream[part] ^ 1
        beyond = (
            answers[peer]
            & (distances(t.ack[part], wanted[peer]) > 0)
            & ((t.flags[part] & (SYN | ACK | RST)) == ACK)
        )
        found.append((np.flatnonzero(beyond) + low).astype(np.int32))
    return np.concatenate(found)


def _own_syns(t: SegmentTable, stream: Column, rows: Column, streams: int) -> tuple[Column, Column]:
    """Per stream the row of its SYN or SYN-ACK, and how many segments repeat one. `rows` are all of
    them.

    A server that answers twice with different ISNs (it forgot, or there are two) is held to the one
    its data follow.
    """
    own = first_of(stream[rows], rows, streams)
    counts = np.bincount(stream[rows], minlength=streams)
    repeated = np.zeros(streams, np.uint32)
    several = rows[counts[stream[rows]] > 1]
    if not len(several):
        return own, repeated
    _, at = np.unique(stream[several].astype(np.int64) << 32 | t.seq[several], return_index=True)
    distinct = several[at]
    isns = np.bincount(stream[distinct], minlength=streams)
    repeated = np.where(isns > 0, counts - isns, 0).astype(np.uint32)
    rivals = np.sort(distinct[isns[stream[distinct]] > 1])
    if len(rivals):
        loads = np.flatnonzero((t.wire_length > 0) & ((t.flags & (RST | SYN)) == 0))
        load = first_of(stream[loads], loads, streams)[stream[rivals]]
        ahead = distances(t.seq[load], t.seq[rivals]).astype(np.int64)
        ahead[(load < 0) | (ahead <= 0)] = 1 << 32
        order = np.lexsort((rivals, ahead, stream[rivals]))[::-1]
        own[stream[rivals[order]]] = rivals[
            order
        ]  # the last one assigned, the nearest before the data, stays
    return own, repeated
