"""SYN segments → the three-way handshake of each connection (RFC 9293 §3.5), as far as it was
captured, and where its streams begin.

Invariant: `base` of a stream is the sequence number of its first byte, known from its own SYN or
from the SYN-ACK that answers it. A stream of which no payload was captured begins at what its peer
acknowledged first, or at the first segment of its own if that lies before: what the peer
acknowledges later was sent, and is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace.tables.columns import among
from lbtrace.tables.packets import ACK, RST, SYN, Column, SegmentTable
from lbtrace.tables.sequence import RING, distances, sums
from lbtrace.tcp.columns import CHUNK_ROWS, counted, first_of
from lbtrace.tcp.incarnations import Incarnations


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
    begun: Column  # per stream: that number was stated by a SYN or a SYN-ACK
    repeated: Column  # per stream, how many segments repeat its SYN
    again: Column  # these segments


def handshakes(table: SegmentTable, incarnations: Incarnations, stream: Column) -> Handshake:
    """The three-way handshake of each connection. `stream` is per row."""
    count = incarnations.count
    rows = np.flatnonzero((table.flags & (SYN | RST)) == SYN).astype(np.int32)
    bare = (table.flags[rows] & ACK) == 0
    syns, synacks = rows[bare], rows[~bare]
    connection = incarnations.of
    own, again = _own_syns(table, stream, rows, count * 2)
    acks = _completing(table, stream, own)
    base = _bases(table, stream, own, synacks)
    begun = base >= 0
    _acknowledged_first(table, stream, base)
    return Handshake(
        syn=first_of(connection[syns], syns, count),
        syns=counted(connection[syns], count),
        synack=first_of(connection[synacks], synacks, count),
        synacks=counted(connection[synacks], count),
        established=first_of(connection[acks], acks, count),
        own=own,
        base=base,
        begun=begun,
        repeated=counted(stream[again], count * 2),
        again=again,
    )


def _bases(table: SegmentTable, stream: Column, own: Column, synacks: Column) -> Column:
    """Per stream the sequence number after its SYN; −1 unknown."""
    base = np.full(len(own), -1, np.int64)
    # a SYN-ACK tells the ISN of a SYN that was not captured
    answering = synacks[own[stream[synacks] ^ 1] < 0]
    base[stream[answering] ^ 1] = table.ack[answering]
    seen = own >= 0
    base[seen] = sums(table.seq[own[seen]], 1)
    return base


def _acknowledged_first(table: SegmentTable, stream: Column, base: Column) -> None:
    """Fill in where streams of which no payload was captured begin."""
    silent = base < 0
    silent[stream[table.wire_length > 0]] = False
    unseen = np.flatnonzero(silent)
    if not len(unseen):
        return
    acks = np.flatnonzero((table.flags & (ACK | RST)) == ACK).astype(np.int32)
    first = first_of(stream[acks] ^ 1, acks, len(base))[unseen]
    told = unseen[first >= 0]
    base[told] = table.ack[first[first >= 0]]
    sent = np.flatnonzero((table.flags & RST) == 0).astype(np.int32)
    mine = first_of(stream[sent], sent, len(base))[told]
    told, mine = told[mine >= 0], mine[mine >= 0]
    before = distances(table.seq[mine], base[told].astype(np.uint32)) < 0
    base[told[before]] = table.seq[mine[before]]


def _completing(table: SegmentTable, stream: Column, own: Column) -> Column:
    """The segments that acknowledge the SYN-ACK their peer's stream begins with."""
    answers = own >= 0
    answers[answers] = (table.flags[own[answers]] & ACK) != 0
    isn = np.where(answers, table.seq[own], 0).astype(np.uint32)
    found = [np.zeros(0, np.int32)]
    for low in range(0, len(table), CHUNK_ROWS):
        part = slice(low, low + CHUNK_ROWS)
        peer = stream[part] ^ 1
        beyond = (
            answers[peer]
            & (distances(table.ack[part], isn[peer]) > 0)
            & ((table.flags[part] & (SYN | ACK | RST)) == ACK)
        )
        found.append((np.flatnonzero(beyond) + low).astype(np.int32))
    return np.concatenate(found)


def _own_syns(
    table: SegmentTable, stream: Column, rows: Column, streams: int
) -> tuple[Column, Column]:
    """Per stream the row of its SYN or SYN-ACK; and the segments that repeat one. `rows` are all of
    them.

    If a server answers twice with different ISNs (it forgot, or there are two), the one that its
    data follow counts.
    """
    own = first_of(stream[rows], rows, streams)
    counts = np.bincount(stream[rows], minlength=streams)
    several = rows[counts[stream[rows]] > 1]
    if not len(several):
        return own, several
    _, at = np.unique(
        stream[several].astype(np.int64) << 32 | table.seq[several], return_index=True
    )
    distinct = several[at]
    isns = np.bincount(stream[distinct], minlength=streams)
    rivals = np.sort(distinct[isns[stream[distinct]] > 1])
    if len(rivals):
        loads = np.flatnonzero((table.wire_length > 0) & ((table.flags & (RST | SYN)) == 0))
        load = first_of(stream[loads], loads, streams)[stream[rivals]]
        ahead = distances(table.seq[load], table.seq[rivals]).astype(np.int64)
        ahead[(load < 0) | (ahead <= 0)] = RING  # farther than any distance
        # the last one assigned stays: the nearest before the data
        nearest_last = rivals[np.lexsort((rivals, ahead, stream[rivals]))[::-1]]
        own[stream[nearest_last]] = nearest_last
    return own, np.sort(several[~among(several, distinct)])
