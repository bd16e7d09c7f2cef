"""Segments in order → how often an end sent a small segment only when the one before it was
acknowledged, and that came late: Nagle's algorithm (RFC 1122 §4.2.3.4) on one end, delayed
acknowledgements (§4.2.3.2) on the other.

    server ──▶ 64 bytes                    HTTP/1.1 200 OK …
                          41 ms later
    server ◀── ACK of them, no payload
    server ──▶ 8 bytes    at once          the body

Three segments that follow each other on their connection, all of it captured: payload, the
acknowledgement of exactly that payload and nothing else, then the next bytes of the same stream.
How long an acknowledgement takes at the quickest is the way there and back, no delay: so much is
not counted as waited, and what comes sooner than that after an acknowledgement was not sent because
of it. A segment that is not small would have been sent at once; and an end that sends a small
segment while another is not acknowledged holds none back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lbtrace import compiled
from lbtrace.tables.packets import ACK, FIN, RST, SYN, Column, SegmentTable
from lbtrace.tcp.columns import NONE, counted, stable_order

LATE_NS: Final = 30_000_000  # Linux delays by 40 ms or more, others by up to 200 ms
LATEST_NS: Final = 500_000_000  # no host may delay for longer (RFC 1122 §4.2.3.2)
AT_ONCE_NS: Final = 2_000_000  # beyond twice the way there and back
SMALL: Final = 1220  # bytes; less than any path carries (RFC 8200 §5, without headers)


@dataclass(slots=True)
class AckWaits:
    """Per stream."""

    count: Column  # u32, how often its sender waited
    longest_ns: Column  # i64, for how long at most; 0 without
    row: Column  # i32, of the segment that was sent after the longest; NONE without


def ack_waits(table: SegmentTable, stream: Column, streams: int) -> AckWaits:
    """How often, and for how long, each stream waited for acknowledgements."""
    if compiled.core is not None:
        return _compiled(compiled.core, table, stream, streams)
    order = stable_order(stream >> 1, max(streams >> 1, 1))
    before, then = order[:-1], order[1:]
    took = table.time_ns[then] - table.time_ns[before]
    answers = _acknowledges(table, stream, before, then) & (took >= 0)
    quickest = np.full(streams, LATEST_NS, np.int64)
    np.minimum.at(quickest, stream[before[answers]], took[answers])
    at = np.flatnonzero(answers & (took >= LATE_NS) & (took <= LATEST_NS))
    at = at[at + 1 < len(then)]
    sent, acked, rest = before[at], then[at], then[at + 1]
    waited = took[at] - quickest[stream[sent]]
    after, way = table.time_ns[rest] - table.time_ns[acked], quickest[stream[sent] ^ 1]
    held = (waited >= LATE_NS) & (after <= took[at] // 4)
    held &= (2 * after >= way) & (after <= 2 * way + AT_ONCE_NS)
    held &= table.wire_length[acked] == 0
    held &= _goes_on(table, stream, sent, rest)
    held &= ~_holds_nothing_back(table, stream, streams, before, then)[stream[sent]]
    sent, rest, waited = sent[held], rest[held], waited[held]
    out = _none_waited(streams)
    out.count = counted(stream[sent], streams)
    by_length = np.argsort(waited, kind="stable")  # the last one assigned is the longest
    of = stream[sent[by_length]]
    out.longest_ns[of], out.row[of] = waited[by_length], rest[by_length]
    return out


def _none_waited(streams: int) -> AckWaits:
    return AckWaits(
        np.zeros(streams, np.uint32), np.zeros(streams, np.int64), np.full(streams, NONE, np.int32)
    )


def _compiled(core: compiled.Core, table: SegmentTable, stream: Column, streams: int) -> AckWaits:
    """The same by the compiled core."""
    out = _none_waited(streams)
    columns = stream, table.time_ns, table.flags, table.seq, table.ack, table.wire_length
    given = tuple(map(np.ascontiguousarray, columns))
    found = out.count, out.longest_ns, out.row
    core.ack_waits(given, LATE_NS, LATEST_NS, AT_ONCE_NS, SMALL, found)
    return out


def _acknowledges(table: SegmentTable, stream: Column, before: Column, then: Column) -> Column:
    """Whether the next segment of a connection comes from the other end, acknowledges all of the
    one before it and goes on where its own end was known to be: nothing is missing in between.
    """
    flags, lengths = table.flags, table.wire_length
    size = lengths[before] + ((flags[before] & SYN) != 0)
    answers: Column = (stream[then] == stream[before] ^ 1) & (size > 0)
    answers &= (flags[then] & (FIN | RST | ACK)) == ACK
    answers &= (flags[before] & (FIN | RST)) == 0
    answers &= table.ack[then] == (table.seq[before] + size).astype(np.uint32)
    answers &= ((flags[before] & ACK) == 0) | (table.seq[then] == table.ack[before])
    return answers


def _goes_on(table: SegmentTable, stream: Column, sent: Column, rest: Column) -> Column:
    """Whether a segment is the small next piece of the stream of another one."""
    flags, size = table.flags, table.wire_length
    goes_on: Column = (stream[rest] == stream[sent]) & (size[sent] > 0)
    goes_on &= (size[rest] > 0) & (size[rest] < SMALL) & ((flags[rest] & (SYN | RST)) == 0)
    goes_on &= (flags[sent] & SYN) == 0
    goes_on &= table.seq[rest] == (table.seq[sent] + size[sent]).astype(np.uint32)
    goes_on &= table.ack[rest] == table.ack[sent]
    return goes_on


def _holds_nothing_back(
    table: SegmentTable, stream: Column, streams: int, before: Column, then: Column
) -> Column:
    """Per stream whether its sender sent a small segment after another one without waiting."""
    small = (table.wire_length[before] < SMALL) & _goes_on(table, stream, before, then)
    found = np.zeros(streams, bool)
    found[stream[before[small]]] = True
    return found
