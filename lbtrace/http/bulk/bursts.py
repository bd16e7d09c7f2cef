"""The pieces of all streams, in the order of the capture → bursts, each perhaps one HTTP/1 message:
columns only, no byte copied.

A burst: contiguous bytes from one end until the peer sends or data is lost. Bytes of the peer may
be missing from the capture; then an acknowledgement shows that the peer sent: a piece that
acknowledges more than the one before it, and begins like a message, begins a burst. A client that
pipelines sends messages without an acknowledgement between them: a piece that begins with a method
that nearly all requests have, or like a response, begins a burst, too. Only bursts that begin like
a message are kept: a client's with a capital letter, a server's with "HTTP/1.".
`lbtrace.http.bulk.messages` finds out whether a burst is exactly one whole message.

A connection is *in order* when its bursts are client, server, client, server, … and nothing else:
both streams are clean and not empty, every burst was kept, and each burst of the server
acknowledges bytes of the client's burst before it (`lbtrace.http.h1.pairing`). If all of them are
messages, the k-th burst of the server answers the k-th of the client (RFC 9112 §9.3). The last
burst may be a request without response.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace import compiled
from lbtrace.http.h1.start_line import COMMON_METHODS
from lbtrace.tables.columns import among
from lbtrace.tables.packets import Column, StreamTable

_ANSWER = b"HTTP/1."
_METHODS = np.array([list((method + b" ")[:4]) for method in COMMON_METHODS], np.uint8)
_LEAST = 12  # bytes; a burst whose first piece is shorter is left out: "HTTP/1.1 200"


@dataclass(slots=True)
class Bursts:
    """The bursts of all connections, by connection and frame."""

    row: Column  # i64, the pieces of all bursts, as rows of the StreamTable
    first: Column  # i64, bursts + 1 entries: the pieces of burst t are row[first[t]:first[t + 1]]
    stream: Column  # i64, the stream of each burst
    size: Column  # i64, bytes of each burst
    again: Column  # bool, some of a burst was sent again or came late
    in_order: Column  # bool, per connection (see the top of this module)

    def __len__(self) -> int:
        """How many bursts there are."""
        return len(self.stream)


def bursts(streams: StreamTable) -> Bursts:
    """The bursts of all streams that begin like a message."""
    if compiled.core is not None:
        return _compiled(compiled.core, streams)
    per_stream = np.diff(streams.first)
    stream = np.repeat(np.arange(len(per_stream)), per_stream)
    row = np.argsort((stream >> 1 << 32) | streams.frame, kind="stable")
    of, start = stream[row], streams.start[row]
    follows = (of[1:] == of[:-1]) & (start[1:] == (start + streams.length[row])[:-1])
    learned = np.flatnonzero(follows & (np.diff(streams.ack[row]) != 0)) + 1
    follows[learned[_begin_messages(streams, row[learned], of[learned])] - 1] = False
    rest = np.flatnonzero(follows) + 1
    follows[rest[_surely_begin_messages(streams, row[rest], of[rest])] - 1] = False
    begins = np.flatnonzero(np.append(True, ~follows)[: len(row)])
    who = of[begins]
    kept = _begin_messages(streams, row[begins], who)

    in_order = _in_order(streams, row[begins], who, kept)
    sizes = np.diff(begins, append=len(row))
    row, sizes, who = row[np.repeat(kept, sizes)], sizes[kept], who[kept]
    first = np.append(0, np.cumsum(sizes))
    size, again = np.zeros(0, np.int64), np.zeros(0, bool)
    if len(who):
        size = np.add.reduceat(streams.length[row].astype(np.int64), first[:-1])
        again = np.logical_or.reduceat(streams.repeated[row], first[:-1])
    return Bursts(row, first, who, size, again, in_order)


def _compiled(core: compiled.Core, streams: StreamTable) -> Bursts:
    """The same by the compiled core."""
    s, count = streams, len(streams.start)
    columns = (
        *(s.buffer, s.payload, s.length, s.start, s.frame, s.ack),
        *(s.repeated, s.first, s.clean),
    )
    # untouched pages of a column that is too long cost nothing
    row, first, stream, size = (np.empty(count + (k == 1), np.int64) for k in range(4))
    again, in_order = np.empty(count, bool), np.zeros(len(s.clean) >> 1, bool)
    pieces, found = core.bursts(
        tuple(map(memoryview, s.buffers)),
        tuple(map(np.ascontiguousarray, columns)),
        (row, first, stream, size, again, in_order),
        _LEAST,
        _ANSWER,
        _METHODS.tobytes(),
    )
    held = first[: found + 1], stream[:found], size[:found], again[:found]
    return Bursts(row[:pieces], *held, in_order)


def _in_order(streams: StreamTable, rows: Column, who: Column, kept: Column) -> Column:
    """Which connections are in order (bool each; see the top of this module). Of all bursts: the
    first piece, the stream, and whether it begins like a message.
    """
    clean = streams.clean & (np.diff(streams.first) > 0)
    found: Column = clean[0::2] & clean[1::2]
    found[who[~kept] >> 1] = False
    opens = np.diff(who >> 1, prepend=-1) != 0  # the first burst of a connection
    server = who & 1 != 0
    again = np.diff(who, prepend=-1) == 0  # the same end as the burst before
    found[who[again | (opens & server)] >> 1] = False
    answers = np.flatnonzero(~opens & server)
    had = streams.ack[rows[answers]]
    unknowing = (had > 0) & (had <= streams.start[rows[answers - 1]])
    found[who[answers[unknowing]] >> 1] = False
    return found


def no_bursts(streams: StreamTable) -> Bursts:
    """No burst: nothing is read in bulk, and every connection needs a reader."""
    nothing = np.zeros(0, np.int64)
    return Bursts(
        nothing,
        np.zeros(1, np.int64),
        nothing,
        nothing,
        np.zeros(0, bool),
        np.zeros(len(streams.clean) >> 1, bool),
    )


def _begin_messages(streams: StreamTable, rows: Column, who: Column) -> Column:
    """Which of these pieces begin like a message (bool each). `who`: the stream of each."""
    found = _answers(streams, rows, who)
    asks = np.flatnonzero((streams.length[rows] >= _LEAST) & (who & 1 == 0))
    letter = _byte(streams, rows[asks], 0)
    found[asks] = (letter >= 0x41) & (letter <= 0x5A)
    return found


def _surely_begin_messages(streams: StreamTable, rows: Column, who: Column) -> Column:
    """Which of these pieces begin like a message whatever is before them: where a body may go on, a
    capital letter says nothing. `who`: the stream of each.
    """
    found = _answers(streams, rows, who)
    asks = np.flatnonzero((streams.length[rows] >= _LEAST) & (who & 1 == 0))
    asks = asks[among(_byte(streams, rows[asks], 0), _METHODS[:, 0])]
    four = np.stack([_byte(streams, rows[asks], at) for at in range(4)], axis=1)
    found[asks] = among(four.view(np.uint32)[:, 0], _METHODS.view(np.uint32)[:, 0])
    return found


def _answers(streams: StreamTable, rows: Column, who: Column) -> Column:
    """Which of these pieces begin like a response of a server."""
    answers = np.flatnonzero((streams.length[rows] >= _LEAST) & (who & 1 != 0))
    for at, byte in enumerate(_ANSWER):
        answers = answers[_byte(streams, rows[answers], at) == byte]
    found = np.zeros(len(rows), bool)
    found[answers] = True
    return found


def _byte(streams: StreamTable, rows: Column, at: int) -> Column:
    """Byte number `at` of each of these pieces (u8)."""
    where = streams.payload[rows] + at
    found = np.zeros(len(rows), np.uint8)
    buffer = streams.buffer[rows]
    for number, data in enumerate(streams.buffers):
        these = np.flatnonzero(buffer == number)
        if len(these):
            found[these] = np.frombuffer(data, np.uint8)[where[these]]
    return found
