"""Messages read in bulk → connections that are complete as they are, and messages ready for the
readers of all others.

If every burst is one message, the connection is complete and needs no parser: heads and bodies fill
both streams from the first byte to the last, so no byte is left whose meaning is open, and the k-th
response answers the k-th request (RFC 9112 §9.3). Such a connection becomes rows of an
ExchangeTable. A connection with anything else on it is read by `lbtrace.http.h1`, which takes the
messages in `ReadyMessages` as they are. So damage costs time where it happened, not everywhere on
the connection.

Invariant, and a law in the tests: a connection gives the same exchanges with and without bulk
reading.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

import numpy as np

from lbtrace.http.bulk.bursts import bursts, no_bursts
from lbtrace.http.bulk.messages import BulkMessages
from lbtrace.http.bulk.start_lines import UNSURE
from lbtrace.http.cursor import StreamPieces, view
from lbtrace.http.h1.head import HeadCaches
from lbtrace.http.h1.ready_messages import ReadyMessages
from lbtrace.model.http import Exchange
from lbtrace.tables.exchanges import BODY_TRUNCATED, NO_STREAM, RETRANSMITTED, ExchangeTable
from lbtrace.tables.packets import StreamTable


class BulkConnections:
    """The messages of a capture that were read in bulk, and the connections that consist of them
    alone.

    `complete`: bool per connection; its exchanges come from `table` and `unanswered`, and no reader
    looks at it.
    """

    def __init__(
        self,
        streams: StreamTable,
        decode: bool,
        progress: Callable[[float], None],
        careful: bool = False,
    ) -> None:
        """`decode`: content digests are wanted. `progress` is called with the fraction done.
        `careful`: nothing is read in bulk.
        """
        found = no_bursts(streams) if careful else bursts(streams)
        self.bulk = BulkMessages(streams, found, decode)
        self.bulk.read(progress)
        self.complete = found.in_order.copy()
        self.complete[found.stream[~self.bulk.fits] >> 1] = False
        self._connection = found.stream >> 1
        begins = np.flatnonzero(np.diff(self._connection, prepend=-1) != 0)
        place = np.arange(len(found)) - np.repeat(begins, np.diff(begins, append=len(found)))
        # the ordinal of the exchange that a burst belongs to, where the connection is in order
        self._ordinal = (place >> 1) + 1

    def unanswered(self, pieces: StreamPieces, caches: HeadCaches) -> list[Exchange]:
        """The last requests of complete connections where no response followed."""
        bulk, connection = self.bulk, self._connection
        last = np.append(connection[1:] != connection[:-1], True)[: len(connection)] & (
            bulk.bursts.stream & 1 == 0
        )
        found = []
        for burst in np.flatnonzero(last & self.complete[connection]).tolist():
            number = int(connection[burst])
            request = bulk.request(int(bulk.number[burst]), caches)
            found.append(
                Exchange(
                    0,
                    number,
                    int(self._ordinal[burst]),
                    request,
                    None,
                    (),
                    (pieces.cut_mark(2 * number + 1),),
                )
            )
        return found

    def table(self, more: array[int]) -> ExchangeTable:
        """The exchanges of complete connections, and those of `more`, as rows ordered by first
        frame; ids count from 0.

        `more` holds integers for each exchange, as `ConnectionReader.rows` does.
        """
        bulk, heads = self.bulk, self.bulk.heads()
        answers = np.flatnonzero((bulk.bursts.stream & 1 != 0) & self.complete[self._connection])
        own = (
            self._connection[answers],
            self._ordinal[answers],
            bulk.number[answers - 1],
            bulk.number[answers],
            *np.zeros((2, len(answers)), np.int64),
        )
        others = np.frombuffer(more, np.int64).reshape(-1, len(own))
        connection, ordinal, asked, answered, asked_marks, answered_marks = (
            np.append(column, others[:, k]) for k, column in enumerate(own)
        )
        order = np.argsort(
            bulk.asked.first_frame[asked].astype(np.int64) << 32 | connection, kind="stable"
        )
        requests, responses = (
            held.taken(rows[order]).with_columns(marks=marks[order].astype(np.uint8))
            for held, rows, marks in (
                (bulk.asked, asked, asked_marks),
                (bulk.answered, answered, answered_marks),
            )
        )
        if 4 * len(order) < len(bulk.bursts):  # few of the messages became rows
            heads, requests, responses = heads.only(requests, responses)
        return ExchangeTable(
            np.arange(len(order)),
            connection[order].astype(np.int32),
            ordinal[order].astype(np.int32),
            np.full(len(order), NO_STREAM),
            requests,
            responses,
            heads,
            bulk.others,
        )

    def ready(self) -> ReadyMessages:
        """The messages on all other connections that a reader may take over: those that mean the
        same whatever stands before and after them.
        """
        bulk, found = self.bulk, self.bulk.bursts
        burst = np.flatnonzero(bulk.alone & ~self.complete[found.stream >> 1])
        row = found.row[found.first[burst]]
        begin = bulk.streams.start[row]
        order = np.lexsort((begin, found.stream[burst]))
        burst, row, begin = burst[order], row[order], begin[order]
        stream, end = found.stream[burst], begin + bulk.size[burst]
        last_row = found.row[found.first[burst + 1] - 1]
        last = bulk.streams.frame[last_row]
        # Behind a gap a reader looks for a piece that surely begins a message.
        missing = begin[1:] != end[:-1]
        unsure = bulk.streams.clean[stream] | (bulk.kind[burst] & UNSURE != 0)
        apart = (stream[1:] != stream[:-1]) | (row[1:] != last_row[:-1] + 1)
        apart |= missing & unsure[1:]
        breaks, gaps = np.flatnonzero(apart), np.flatnonzero(missing & ~apart) + 1
        stop = np.append(breaks + 1, len(burst))[np.searchsorted(breaks, np.arange(len(burst)))]
        first = np.searchsorted(stream, np.arange(len(bulk.streams.clean) + 1))
        head, number = begin + bulk.head[burst], bulk.number[burst]
        columns = first, begin, head, end, row, number, last, stop, gaps
        views = [view(column, np.int64) for column in columns]
        marks = found.again[burst] * RETRANSMITTED | bulk.short[burst] * BODY_TRUNCATED
        views.append(view(marks, np.uint8))
        return ReadyMessages(bulk, *views)
