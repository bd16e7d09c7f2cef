"""Connections that a client and a server took turns on → their turns: the straight road's view of a StreamTable, in columns only.

A *turn* is what one end sent until the other one spoke. On a connection without damage whose turns are client, server, client, server, …
each turn is one message and the k-th answer belongs to the k-th request, provided that each turn is exactly one whole message; that
is for the road to find out (`lbtrace.http.straight`). Here a connection is kept when

    both its streams are clean and not empty, the client spoke first and the server last (or the client, waiting for one more answer),
    each turn of the client begins with a capital letter, each of the server with "HTTP/1.",
    and each answer was given in knowledge of its request, as far as acknowledgements tell (`lbtrace.http.pairing`).

No byte of a payload is copied. RFC 9112 §9.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtrace.tables import Column, StreamTable

_ANSWER = b"HTTP/1."
_LEAST = 12  # bytes of the first piece of a turn that are looked at: "HTTP/1.1 200"


@dataclass(slots=True)
class Turns:
    """The pieces of the kept connections in the order of the conversation, cut into turns. Turn 2e asks, turn 2e + 1 answers."""

    row: Column  # i64, rows of the StreamTable, by connection and frame
    first: Column  # i64, turns + 1 entries: turn t is row[first[t]:first[t + 1]]
    connection: Column  # i64, per exchange
    size: Column  # i64, bytes per turn
    waiting: Column  # i64, rows: where the last turns of the kept connections begin that were not answered (they are not among the turns)

    def __len__(self) -> int:
        """Exchanges."""
        return len(self.connection)


def turns(streams: StreamTable) -> Turns:
    """StreamTable → the turns of its sound connections."""
    per_stream = np.diff(streams.first)
    sound = streams.clean & (per_stream > 0)
    kept = sound[0::2] & sound[1::2]
    stream = np.repeat(np.arange(len(per_stream)), per_stream)
    row = np.flatnonzero(kept[stream >> 1])
    stream = stream[row]
    order = np.argsort((stream >> 1 << 32) | streams.frame[row], kind="stable")
    row, stream = row[order], stream[order]
    begins = np.flatnonzero(np.diff(stream, prepend=-1) != 0)
    who = stream[begins]
    count = np.bincount(who >> 1, minlength=len(kept))
    bad = np.zeros(len(kept), bool)
    bad[count == 1] = True
    opens = np.flatnonzero(np.diff(who >> 1, prepend=-1) != 0)
    bad[who[opens] >> 1] |= (who[opens] & 1) != 0
    closes = np.append(opens[1:], len(who))[: len(opens)] - 1
    last = closes[count[who[closes] >> 1] & 1 != 0]
    waiting, asking = row[begins[last]], who[last] >> 1
    stays = ~bad[who >> 1]
    stays[last] = False
    row, begins, who = _turns(stays, row, begins, who)
    start, length = streams.start, streams.length
    asks, answers = row[begins[0::2]], row[begins[1::2]]
    connection = who[0::2] >> 1
    had = streams.ack[answers]
    fits = (had <= 0) | (had > start[asks])
    fits &= (length[asks] >= _LEAST) & (length[answers] >= _LEAST)
    asks, answers = asks[fits], answers[fits]
    bad[connection[~fits]] = True
    letter = _byte(streams, asks, 0)
    speaks = (letter >= 0x41) & (letter <= 0x5A)
    for at, byte in enumerate(_ANSWER):
        speaks &= _byte(streams, answers, at) == byte
    bad[connection[fits][~speaks]] = True
    if bad.any():
        row, begins, who = _turns(~bad[who >> 1], row, begins, who)
    size = np.add.reduceat(length[row].astype(np.int64), begins) if len(begins) else np.zeros(0, np.int64)
    return Turns(row, np.append(begins, len(row)), who[0::2] >> 1, size, waiting[~bad[asking]])


def _turns(stays: Column, row: Column, begins: Column, who: Column) -> tuple[Column, Column, Column]:
    """Rows, where turns begin, and whose turns they are: those that stay."""
    if stays.all():
        return row, begins, who
    sizes = np.diff(begins, append=len(row))
    row, sizes = row[np.repeat(stays, sizes)], sizes[stays]
    return row, np.cumsum(sizes) - sizes, who[stays]


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
