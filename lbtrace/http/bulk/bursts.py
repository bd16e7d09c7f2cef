"""What both ends of a connection sent, in the order of the capture → turns, each perhaps one HTTP/1
message: columns only, no byte copied.

A *turn* is what one end sent until the other one spoke, or until a byte was lost, repeated or late:
pieces that follow each other in the capture as in their stream. Where what the other one said is
lost, an acknowledgement tells: a piece that acknowledges more than the one before it, and begins as
a message does, begins a turn. Turns that begin as a message does are kept, each of a client with a
capital letter, each of a server with "HTTP/1."; whether one is exactly one whole message is for
`lbtrace.http.bulk.messages` to find out.

A connection is *in order* when its turns are client, server, client, server, … and nothing else:
both streams are clean and not empty, every turn was kept, and each answer was given in knowledge of
its request, as far as acknowledgements tell (`lbtrace.http.pairing`). Then the k-th turn of the
server answers the k-th of the client, if all are messages; the last one may be a client's that
nobody answered.

RFC 9112 §9.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace.tables.packets import Column, StreamTable

_ANSWER = b"HTTP/1."
_LEAST = 12  # bytes of the first piece of a turn that are looked at: "HTTP/1.1 200"


@dataclass(slots=True)
class Turns:
    """The turns of all connections, by connection and frame."""

    row: Column  # i64, rows of the StreamTable
    first: Column  # i64, turns + 1 entries: turn t is row[first[t]:first[t + 1]]
    stream: Column  # i64, per turn
    size: Column  # i64, bytes per turn
    in_order: Column  # bool, per connection: see above

    def __len__(self) -> int:
        """Turns."""
        return len(self.stream)


def turns(streams: StreamTable) -> Turns:
    """StreamTable → its turns."""
    per_stream = np.diff(streams.first)
    stream = np.repeat(np.arange(len(per_stream)), per_stream)
    row = np.argsort((stream >> 1 << 32) | streams.frame, kind="stable")
    of, start, again = stream[row], streams.start[row], streams.repeated[row]
    follows = (
        (of[1:] == of[:-1])
        & (start[1:] == (start + streams.length[row])[:-1])
        & (again[1:] == again[:-1])
    )
    learned = np.flatnonzero(follows & (np.diff(streams.ack[row]) != 0)) + 1
    follows[learned[_begin_messages(streams, row[learned], of[learned])] - 1] = False
    begins = np.flatnonzero(np.append(True, ~follows)[: len(row)])
    who = of[begins]
    kept = _begin_messages(streams, row[begins], who) & ~again[begins]

    sound = streams.clean & (per_stream > 0)
    in_order = sound[0::2] & sound[1::2]
    in_order[who[~kept] >> 1] = False
    opens = np.diff(who >> 1, prepend=-1) != 0
    in_order[who[(np.diff(who, prepend=-1) == 0) | (opens & (who & 1 != 0))] >> 1] = False
    answers = np.flatnonzero(~opens & (who & 1 != 0))
    had = streams.ack[row[begins[answers]]]
    unknowing = (had > 0) & (had <= start[begins[answers - 1]])
    in_order[who[answers[unknowing]] >> 1] = False

    sizes = np.diff(begins, append=len(row))
    row, sizes, who = row[np.repeat(kept, sizes)], sizes[kept], who[kept]
    first = np.append(0, np.cumsum(sizes))
    size = (
        np.add.reduceat(streams.length[row].astype(np.int64), first[:-1])
        if len(who)
        else np.zeros(0, np.int64)
    )
    return Turns(row, first, who, size, in_order)


def no_turns(streams: StreamTable) -> Turns:
    """As if no turn were a message."""
    nothing = np.zeros(0, np.int64)
    return Turns(
        nothing, np.zeros(1, np.int64), nothing, nothing, np.zeros(len(streams.clean) >> 1, bool)
    )


def _begin_messages(streams: StreamTable, rows: Column, who: Column) -> Column:
    """Which of these pieces of streams `who` look like the beginning of a message."""
    found = streams.length[rows] >= _LEAST
    asks, answers = (np.flatnonzero(found & (who & 1 == side)) for side in (0, 1))
    letter = _byte(streams, rows[asks], 0)
    found[asks] = (letter >= 0x41) & (letter <= 0x5A)
    for at, byte in enumerate(_ANSWER):
        answers = answers[_byte(streams, rows[answers], at) == byte]
    found[who & 1 != 0] = False
    found[answers] = True
    return found


def _byte(streams: StreamTable, rows: Column, at: int) -> Column:
    """One byte of each piece."""
    where = streams.payload[rows] + at
    found = np.zeros(len(rows), np.uint8)
    buffer = streams.buffer[rows]
    for number, data in enumerate(streams.buffers):
        these = np.flatnonzero(buffer == number)
        if len(these):
            found[these] = np.frombuffer(data, np.uint8)[where[these]]
    return found
