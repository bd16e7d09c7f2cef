"""Messages read in bulk → whole connections as rows of an ExchangeTable, and what a reader need not
read again.

Where every turn of a connection in order is one message, heads and bodies tile both streams from 0
to their ends: there is no byte whose meaning is open, and the k-th answer belongs to the k-th
request. Such a connection is *sound*, and told without a reader. Of every other one the messages
that would be the same whatever stands around them are kept for the reader (`Ready`): it takes them
where it stands at one and is certain that a message begins there. So what is not ordinary about a
connection costs what is around it, not all of it.

Invariant, and a law in the tests: a connection is told the same with and without what was read in
bulk.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable

import numpy as np

from lbtrace.http.bulk.bursts import no_turns, turns
from lbtrace.http.bulk.messages import Bulk
from lbtrace.http.cursor import Pieces, view
from lbtrace.http.h1.head import Caches
from lbtrace.model.http import Exchange
from lbtrace.tables.exchanges import ExchangeTable
from lbtrace.tables.packets import StreamTable


class Straight:
    """The messages of a capture that were read in bulk, and the connections that are told by them
    alone.
    """

    def __init__(
        self,
        streams: StreamTable,
        decode: bool,
        progress: Callable[[float], None],
        careful: bool = False,
    ) -> None:
        """`decode`: content digests are wanted. `progress` is told the fraction done. `careful`:
        nothing is read in bulk.
        """
        found = no_turns(streams) if careful else turns(streams)
        self.bulk = Bulk(streams, found, decode)
        self.bulk.read(progress)
        self.sound = found.in_order.copy()  # bool per connection
        self.sound[found.stream[~self.bulk.fits] >> 1] = False
        self._connection = found.stream >> 1
        begins = np.flatnonzero(np.diff(self._connection, prepend=-1) != 0)
        place = np.arange(len(found)) - np.repeat(begins, np.diff(begins, append=len(found)))
        self._ordinal = (
            place >> 1
        ) + 1  # of the exchange a turn is of, where the connection is in order

    def unanswered(self, pieces: Pieces, caches: Caches) -> list[Exchange]:
        """The last requests of sound connections that nobody answered any more."""
        bulk, connection = self.bulk, self._connection
        last = np.append(connection[1:] != connection[:-1], True)[: len(connection)] & (
            bulk.turns.stream & 1 == 0
        )
        found = []
        for turn in np.flatnonzero(last & self.sound[connection]).tolist():
            number = int(connection[turn])
            request = bulk.request(int(bulk.number[turn]), caches)
            found.append(
                Exchange(
                    0,
                    number,
                    int(self._ordinal[turn]),
                    request,
                    None,
                    (),
                    (pieces.cut_mark(2 * number + 1),),
                )
            )
        return found

    def table(self, more: array[int]) -> ExchangeTable:
        """The exchanges of sound connections as rows by first frame (ids are theirs alone, from 0),
        together with `more`: connection, ordinal, numbers of the request and of the response, and
        again.
        """
        bulk, heads = self.bulk, self.bulk.heads()
        answers = np.flatnonzero((bulk.turns.stream & 1 != 0) & self.sound[self._connection])
        told = (
            self._connection[answers],
            self._ordinal[answers],
            bulk.number[answers - 1],
            bulk.number[answers],
        )
        others = (
            np.frombuffer(more, np.int64).reshape(-1, 4) if more else np.zeros((0, 4), np.int64)
        )
        connection, ordinal, asked, answered = (
            np.append(column, others[:, k]) for k, column in enumerate(told)
        )
        order = np.argsort(
            bulk.asked.first_frame[asked].astype(np.int64) << 32 | connection, kind="stable"
        )
        requests, responses = bulk.asked.taken(asked[order]), bulk.answered.taken(answered[order])
        if 4 * len(order) < len(bulk.turns):  # most of what was read is not told by rows
            heads = heads.only(requests, responses)
        return ExchangeTable(
            np.arange(len(order)),
            connection[order].astype(np.int32),
            ordinal[order].astype(np.int32),
            requests,
            responses,
            heads,
            bulk.others,
        )


class Ready:
    """The messages read in bulk that a reader may take, by stream and offset.

    Message k lies from `begin[k]` to `end[k]`, its head up to `head[k]`; it begins with piece
    `row[k]` and ends in frame `last[k]`, and is row `number[k]` of its half of the `Bulk`. Those
    from k up to `stop[k]` follow each other.
    """

    def __init__(self, straight: Straight) -> None:
        bulk = self.bulk = straight.bulk
        found = bulk.turns
        turn = np.flatnonzero(bulk.alone & ~straight.sound[found.stream >> 1])
        row = found.row[found.first[turn]]
        begin = bulk.streams.start[row]
        order = np.lexsort((begin, found.stream[turn]))
        turn, row, begin = turn[order], row[order], begin[order]
        stream, end = found.stream[turn], begin + found.size[turn]
        breaks = np.flatnonzero((stream[1:] != stream[:-1]) | (begin[1:] != end[:-1]))
        self._first = view(
            np.searchsorted(stream, np.arange(len(bulk.streams.clean) + 1)), np.int64
        )
        self.begin, self.head, self.end = (
            view(column, np.int64) for column in (begin, begin + bulk.head[turn], end)
        )
        self.row, self.number = view(row, np.int64), view(bulk.number[turn], np.int64)
        self.last = view(bulk.streams.frame[found.row[found.first[turn + 1] - 1]], np.int64)
        self.stop = view(
            np.append(breaks + 1, len(turn))[np.searchsorted(breaks, np.arange(len(turn)))],
            np.int64,
        )

    def at(self, stream: int, offset: int) -> int:
        """The message that begins at `offset`, -1 when none does."""
        first, last = self._first[stream], self._first[stream + 1]
        k = bisect_left(self.begin, offset, first, last)
        return k if k < last and self.begin[k] == offset else -1
