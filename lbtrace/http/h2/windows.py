"""Both directions of an HTTP/2 connection → the times for which flow control let nothing through
(RFC 9113 §5.2, §6.9).

Each end may send as many bytes of DATA as the other gave it: 65,535 on the connection, and as many
as INITIAL_WINDOW_SIZE says on each stream; WINDOW_UPDATE adds to either. A stall is told only where
it is sure that the sender waited: it used up the window to the last byte without ending the stream,
got more, and went on sending at once.

The sums are right only if no frame is missing, so a connection that was not captured whole from its
preface has no stalls. A change of INITIAL_WINDOW_SIZE takes effect when its receiver has read it,
which a capture does not show: what is sent although the sums say that nothing may be ends a stall
without a trace.

Few windows are ever used up. Which of them can be is found by sums over columns; frames are walked
one by one only for those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush, merge
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from lbtrace.http.h2.control import Note, pieces_at
from lbtrace.http.h2.frames import DATA, RST_STREAM, SETTINGS, WINDOW_UPDATE
from lbtrace.model.http2 import DEFAULT_WINDOW, Setting, WindowStall
from lbtrace.tables.columns import Column

if TYPE_CHECKING:
    from lbtrace.http.h2.direction import Http2Direction

AT_ONCE_NS: Final = 100_000_000  # who waited for window sends as soon as it comes
CONNECTION: Final = 0  # the stream id that stands for the window of the connection
_MOST: Final = 1000  # stalls of a connection
_OFFSET, _KIND, _STREAM, _VALUE = (
    Note._fields.index(name) for name in ("offset", "kind", "stream", "value")
)


class _FrameSent(NamedTuple):
    """A frame in the order of time."""

    time_ns: int
    frame: int
    from_client: bool
    note: Note


@dataclass(slots=True)
class _Stall:
    """A window that is used up; `end`: what gave more."""

    begin: _FrameSent
    end: _FrameSent | None = None


@dataclass(slots=True)
class _Sender:
    """What one end may still send. `streams`: how much more, or less, than `initial` on a stream.
    `waiting`: a heap of (-how much, stream) for stalls that no frame has ended so far.
    """

    initial: int = DEFAULT_WINDOW
    connection: int = DEFAULT_WINDOW
    streams: dict[int, int] = field(default_factory=dict)
    stalls: dict[int, _Stall] = field(default_factory=dict)
    waiting: list[tuple[int, int]] = field(default_factory=list)

    def sends(self, event: _FrameSent) -> Iterator[tuple[int, _Stall]]:
        """DATA is sent; the stalls that it shows to be over."""
        _, _, ends, stream, _, size = event.note
        for which in (CONNECTION, stream):
            stall = self.stalls.pop(which, None) if size else None  # nothing needs no window
            given = stall.end if stall is not None else None
            if stall and given and event.time_ns - given.time_ns <= AT_ONCE_NS:
                yield which, stall
        self.connection -= size
        if ends:
            self.over(stream)
            return
        self.streams[stream] = self.streams.get(stream, 0) - size
        if self._left(stream) <= 0:
            self.stalls[stream] = _Stall(event)
            self._waits(stream)
        if self.connection <= 0:
            self.stalls[CONNECTION] = _Stall(event)

    def gets(self, event: _FrameSent) -> None:
        """The other end says something about windows."""
        _, kind, _, stream, code, value = event.note
        if kind == SETTINGS and code == Setting.INITIAL_WINDOW_SIZE:
            self.initial = value
            while self.waiting and self.waiting[0][0] < value:
                self._opened(heappop(self.waiting)[1], event)
        elif kind == WINDOW_UPDATE and stream == CONNECTION:
            self.connection += value
            self._opened(CONNECTION, event)
        elif kind == WINDOW_UPDATE:
            self.streams[stream] = self.streams.get(stream, 0) + value
            self._opened(stream, event)
            self._waits(stream)

    def over(self, stream: int) -> None:
        """A stream is at its end: nobody waits for it any more."""
        self.streams.pop(stream, None)
        self.stalls.pop(stream, None)

    def _left(self, which: int) -> int:
        return self.initial + self.streams.get(which, 0) if which else self.connection

    def _waits(self, stream: int) -> None:
        """Windows of another size may end the stall of a stream: then it is found in time that does
        not grow with the number of streams.
        """
        heappush(self.waiting, (-self.streams[stream], stream))

    def _opened(self, which: int, event: _FrameSent) -> None:
        """A window has become larger."""
        stall = self.stalls.get(which)
        if stall is not None and stall.end is None and self._left(which) > 0:
            stall.end = event


def stalls(
    connection: int, asking: Http2Direction, answering: Http2Direction
) -> Iterator[WindowStall]:
    """The stalls of a connection, at most a thousand."""
    if not (asking.whole and answering.whole):
        return
    asked, answered = _used_up(asking, answering), _used_up(answering, asking)
    if not len(asked) and not len(answered):
        return
    senders = {True: _Sender(), False: _Sender()}
    events = merge(
        _events(asking, True, asked, answered),
        _events(answering, False, answered, asked),
        key=_moment,
    )
    told = 0
    for event in events:
        sender, other = senders[event.from_client], senders[not event.from_client]
        if event.note.kind == DATA:
            for which, stall in sender.sends(event):
                if told < _MOST and stall.end is not None:
                    told += 1
                    begin, end = stall.begin, stall.end
                    yield WindowStall(
                        connection,
                        event.from_client,
                        which,
                        begin.frame,
                        begin.time_ns,
                        end.frame,
                        end.time_ns,
                    )
        elif event.note.kind == RST_STREAM:
            sender.over(event.note.stream)
            other.over(event.note.stream)
        else:
            other.gets(event)


def _used_up(sender: Http2Direction, receiver: Http2Direction) -> Column:
    """The windows of a sender that it can have used up.

    They are as small as they ever were, and what is given at the moment at which something is sent
    comes after it: so a window may seem to be used up that is not, never the other way round.
    """
    if sender.control.data < min(DEFAULT_WINDOW, receiver.control.window):
        return np.zeros(0, np.int64)
    sent, given = sender.control.table(), receiver.control.table()
    sent_ns, given_ns = _times(sender, sent), _times(receiver, given)
    data, more = sent[:, _KIND] == DATA, given[:, _KIND] == WINDOW_UPDATE
    sent, sent_ns, given, given_ns = sent[data], sent_ns[data], given[more], given_ns[more]
    nowhere = np.full(len(sent), CONNECTION)
    window = np.concatenate((sent[:, _STREAM], nowhere, given[:, _STREAM]))
    change = np.concatenate((-sent[:, _VALUE], -sent[:, _VALUE], given[:, _VALUE]))
    order = np.lexsort((change, np.concatenate((sent_ns, sent_ns, given_ns)), window))
    window, left = window[order], np.cumsum(change[order])
    begin = np.flatnonzero(np.diff(window, prepend=-1))
    before = np.concatenate(([0], left))[begin]
    of = window[begin]
    first = np.where(of == CONNECTION, DEFAULT_WINDOW, receiver.control.window)
    found: Column = of[first + np.minimum.reduceat(left, begin) - before <= 0]
    return found


def _times(side: Http2Direction, notes: Column) -> Column:
    """When each note was sent: none before the one in front of it."""
    at = pieces_at(side.cursor, notes[:, _OFFSET])
    return np.maximum.accumulate(np.asarray(side.cursor.pieces.time_ns)[at])


def _events(
    side: Http2Direction, from_client: bool, own: Column, others: Column
) -> Iterator[_FrameSent]:
    """The frames of a direction, in the order in which they were sent: those that use up one of its
    `own` windows, those that give the other end more of one of the `others`, and those that concern
    all.
    """
    notes, pieces = side.control.table(), side.cursor.pieces
    kind, stream = notes[:, _KIND], notes[:, _STREAM]
    wanted = ~np.isin(kind, (DATA, WINDOW_UPDATE))
    wanted |= (kind == DATA) & _concerns(stream, own)
    wanted |= (kind == WINDOW_UPDATE) & _concerns(stream, others)
    rows, times = notes[wanted], _times(side, notes)[wanted]
    frames = np.asarray(pieces.frame)[pieces_at(side.cursor, rows[:, _OFFSET])]
    for time_ns, frame, row in zip(times.tolist(), frames.tolist(), rows.tolist(), strict=True):
        yield _FrameSent(time_ns, frame, from_client, Note._make(row))


def _concerns(stream: Column, windows: Column) -> Column:
    """Which frames count; all, where the window of the connection does."""
    found: Column = np.isin(stream, windows) | (CONNECTION in windows)
    return found


def _moment(event: _FrameSent) -> tuple[int, int]:
    return event.time_ns, event.frame
