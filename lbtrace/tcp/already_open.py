"""Streams of connections that were open before the capture → where their captured part begins.

Without a SYN, the first byte that was captured need not be the first one that was sent while the
capture ran. Two segments in front of it tell what should have come:

    a segment of the same end without payload      its sequence number is that of the next byte
                                                   (RFC 9293 §3.4)
    a request, before the first bytes of the       acknowledges all up to the first byte of its
    server                                         answer, if the bytes captured answer it; the
                                                   client may have sent more before the capture

What lies between is missing from the capture. One byte is none: a keep-alive is sent with the
number before the next byte (RFC 9293 §3.8.4). Far more is a damaged number.
"""

from __future__ import annotations

import numpy as np

from lbtrace.tables.packets import ACK, FIN, RST, SYN, Column, SegmentTable
from lbtrace.tables.sequence import distances, sums
from lbtrace.tcp.columns import NONE, first_of

CLIENT = 0  # the streams of clients have even numbers
_MOST_BYTES = 1 << 20


def missing_in_front(table: SegmentTable, stream: Column, base: Column) -> Column:
    """Per stream how many bytes were sent in front of the first one captured, as far as a segment
    tells; 0 where none does, and where the SYN was captured (`base` is known).
    """
    streams = len(base)
    missing = np.zeros(streams, np.int64)
    plain = (table.flags & (SYN | RST | ACK)) == ACK
    ends = (table.flags & FIN) != 0
    heard = np.flatnonzero(plain & ((table.wire_length > 0) | ends)).astype(np.int32)
    first = first_of(stream[heard], heard, streams)
    open_before = (base < 0) & (first != NONE)
    if not open_before.any():
        return missing
    first[~open_before] = 0
    bare = np.flatnonzero(plain & (table.wire_length == 0) & ~ends)
    bare = bare[open_before[stream[bare]] & (bare < first[stream[bare]])].astype(np.int32)
    own = first_of(stream[bare], bare, streams)
    loads = heard[(table.wire_length[heard] > 0) & (stream[heard] % 2 == CLIENT)]
    peers = loads[open_before[stream[loads] ^ 1] & (loads < first[stream[loads] ^ 1])]
    peer = first_of(stream[peers] ^ 1, peers, streams)
    peer[(own != NONE) | ~_answers(table, first, peer)] = NONE
    for row, number in ((own, table.seq), (peer, table.ack)):
        told = row != NONE
        missing[told] = distances(table.seq[first[told]], number[row[told]])
    missing[(missing <= 1) | (missing > _MOST_BYTES)] = 0
    return missing


def _answers(table: SegmentTable, first: Column, peer: Column) -> Column:
    """Whether the rows `first` acknowledge the payload of the rows `peer` (bool each)."""
    end = sums(table.seq[peer], table.wire_length[peer])
    answers: Column = distances(table.ack[first], end) >= 0
    return answers
