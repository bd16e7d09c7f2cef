"""The messages of a connection → exchanges; each half that stands alone says why (RFC 9112 §9)."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from lbtrace.http.h1.pairing import pair
from lbtrace.http.h1.pairing_in_bulk import Half, PairedTalks, Talk, paired
from lbtrace.http.h1.requests import RequestReader
from lbtrace.http.h1.responses import ResponseReader
from lbtrace.http.weirds import Weirds
from lbtrace.model.http import Exchange, Mark, Request, Response
from lbtrace.tables.columns import running
from lbtrace.tables.exchanges import PIPELINED
from lbtrace.tables.packets import Column

_Message = TypeVar("_Message", Request, Response)
UNASKED = "response-before-request"


def build(
    connection: int,
    requests: RequestReader,
    responses: ResponseReader,
    weirds: Weirds,
    out: list[Exchange],
    rows: array[int] | None = None,
    unasked: str = UNASKED,
) -> None:
    """Pair the messages of a connection and append the exchanges to `out`, with id 0: ids are given
    when all connections are together.

    An exchange of two messages read in bulk goes to `rows` instead, if given, when there is nothing
    else to say about it (see `ConnectionReader.rows`). `unasked` is the weird of a response without
    request, where no request is missing and the server had bytes of the client; "" where that needs
    no saying.
    """
    pairs = pair(requests, responses)
    asking, answering = requests.numbers, responses.numbers
    ahead = _sent_ahead(requests, responses, pairs)
    make = _Maker(connection, requests, responses, weirds, unasked)
    for ordinal, (i, j, counted) in enumerate(pairs, 1):
        if rows is not None and i >= 0 <= j and asking[i] >= 0 <= answering[j] and not counted:
            marked = requests.marked[i] | (PIPELINED if i in ahead else 0), responses.marked[j]
            rows.extend((connection, ordinal, asking[i], answering[j], *marked))
        else:
            out.append(make.exchange(ordinal, i, j, i in ahead, counted))
    if (
        len(pairs) > max(len(asking), len(answering))
        and (requests.damaged or responses.damaged)
        and requests.pipelined()
    ):
        _doubt(requests, weirds)
    if responses.pending:
        _announce(connection, responses, out, len(pairs))


def build_all(
    talks: Sequence[Talk], weirds: Weirds, out: list[Exchange], rows: array[int]
) -> list[int]:
    """The same for many connections, which are paired in bulk where they are plain. What is
    returned is how many exchanges of each are objects.
    """
    pairing = paired(talks)
    made = [0] * len(talks)
    for t in np.flatnonzero(~pairing.plain).tolist():
        before, talk = len(out), talks[t]
        build(talk.connection, talk.requests, talk.responses, weirds, out, rows, talk.unasked)
        made[t] = len(out) - before
    steps = _Steps.of(pairing, len(talks))
    for t, count in enumerate(_build_plain(talks, pairing, steps, weirds, out, rows)):
        made[t] += count
    q, a = pairing.requests, pairing.answers
    more = np.bincount(steps.talk, minlength=len(talks)) > np.maximum(q.size, a.size)
    at_once = np.bincount(q.talk[q.alike(0)], minlength=len(talks)) > 0
    for t in np.flatnonzero(more & (q.damaged | a.damaged) & at_once).tolist():
        _doubt(talks[t].requests, weirds)
    return made


class _Steps(NamedTuple):
    """The exchanges of plain talks: their talk, their ordinal, request and response as rows of the
    pairing (-1: missing), and whether the request was sent ahead (see `_sent_ahead`).
    """

    talk: Column
    ordinal: Column
    request: Column
    answer: Column
    ahead: Column

    @classmethod
    def of(cls, pairing: PairedTalks, talks: int) -> _Steps:
        """All of them, in order."""
        q, a = pairing.requests, pairing.answers
        talk, i, j = pairing.steps()
        first = running(np.bincount(talk, minlength=talks))[talk]
        place = np.arange(len(talk))
        # of each step, the last one before it that has a response
        before = np.maximum.accumulate(np.append(-1, np.where(j >= 0, place, -1)))[:-1]
        k = np.flatnonzero((i >= 0) & (before >= first))
        asked, answered = i[k], j[before[k]]
        ahead = np.zeros(len(talk), bool)
        ahead[k] = (q.frame[asked] < a.last[answered]) & (q.had[asked] < a.end[answered])
        return cls(talk, place - first + 1, i, j, ahead)

    def where(self, which: Column) -> _Steps:
        """Those of a mask."""
        return _Steps(*(column[which] for column in self))


def _build_plain(
    talks: Sequence[Talk],
    pairing: PairedTalks,
    steps: _Steps,
    weirds: Weirds,
    out: list[Exchange],
    rows: array[int],
) -> list[int]:
    """What `build_all` does, of plain talks."""
    q, a = pairing.requests, pairing.answers
    whole = (steps.request >= 0) & (steps.answer >= 0)
    both = np.flatnonzero(whole)
    whole[both] = (q.number[steps.request[both]] >= 0) & (a.number[steps.answer[both]] >= 0)
    talk, ordinal, i, j, ahead = steps.where(whole)
    connection = np.fromiter((each.connection for each in talks), np.int64, len(talks))
    marked = q.marked[i] | PIPELINED * ahead, a.marked[j]
    columns = connection[talk], ordinal, q.number[i], a.number[j], *marked
    rows.frombytes(np.stack(columns, axis=1, dtype=np.int64).tobytes())

    talk, ordinal, i, j, ahead = steps.where(~whole)
    source = talks[0].requests.ready.source
    asked, answered = _in_bulk(q, i, source.requests), _in_bulk(a, j, source.responses)
    i, j = np.where(i < 0, i, i - q.first[talk]), np.where(j < 0, j, j - a.first[talk])
    makers: dict[int, _Maker] = {}
    told = (column.tolist() for column in (talk, ordinal, i, j, ahead))
    for t, nth, own, other, early, request, response in zip(*told, asked, answered, strict=True):
        if t not in makers:
            number, requests, responses, unasked = talks[t]
            makers[t] = _Maker(number, requests, responses, weirds, unasked)
        out.append(makers[t].exchange(nth, own, other, early, False, request, response))
    made: list[int] = np.bincount(talk, minlength=len(talks)).tolist()
    return made


def _in_bulk(
    half: Half, which: Column, make: Callable[[Column, Column], list[_Message]]
) -> list[_Message | None]:
    """The objects of those of some messages that were read in bulk; None for the others, and where
    there is no message (-1).
    """
    found: list[_Message | None] = [None] * len(which)
    k = np.flatnonzero(which >= 0)
    k = k[half.number[which[k]] >= 0]
    if len(k):
        made = make(half.number[which[k]], half.marked[which[k]])
        for at, message in zip(k.tolist(), made, strict=True):
            found[at] = message
    return found


def _doubt(requests: RequestReader, weirds: Weirds) -> None:
    weirds.add("pairing-in-doubt", requests.pieces.frame[requests.rows[0]])


def _sent_ahead(
    requests: RequestReader, responses: ResponseReader, pairs: list[tuple[int, int, bool]]
) -> set[int]:
    """The requests that were sent before the response to the one before them was complete."""
    ack, frame, rows = requests.pieces.ack, requests.pieces.frame, requests.rows
    lasts, ends = responses.lasts, responses.ends
    found = set()
    answered_frame = answered_end = -1
    for i, j, _ in pairs:
        if i >= 0 and frame[rows[i]] < answered_frame and ack[rows[i]] < answered_end:
            found.add(i)
        if j >= 0:
            answered_frame, answered_end = lasts[j], ends[j]
    return found


def _announce(connection: int, responses: ResponseReader, out: list[Exchange], made: int) -> None:
    """Interim responses that no final one followed go to the first of the last `made` exchanges
    that still waits for a response, or stand alone.
    """
    interim = tuple(responses.pending)
    waiting = len(out)
    while waiting > len(out) - made and out[waiting - 1].response is None:
        waiting -= 1
    if waiting < len(out):
        out[waiting] = out[waiting]._replace(interim=interim)
    else:
        out.append(Exchange(0, connection, made + 1, None, None, interim, (responses.cut_mark,)))


class _Maker:
    """Makes exchanges of a connection; a half that stands alone says why."""

    def __init__(
        self,
        connection: int,
        requests: RequestReader,
        responses: ResponseReader,
        weirds: Weirds,
        unasked: str,
    ) -> None:
        self.connection = connection
        self.requests, self.responses, self.weirds = requests, responses, weirds
        self._weird = unasked
        self._gaps: dict[int, tuple[list[int], list[int]]] = {}

    def exchange(
        self,
        ordinal: int,
        i: int,
        j: int,
        ahead: bool,
        counted: bool = False,
        request: Request | None = None,
        response: Response | None = None,
    ) -> Exchange:
        """Request i, which was sent `ahead`, with response j; -1: there is none. `counted`: only
        counting says that they belong together. `request`, `response`: the messages, if they were
        made before.
        """
        requests, responses = self.requests, self.responses
        if request is None and i >= 0:
            request = requests.message(i)
        if request is not None and ahead:
            request = request._replace(marks=(*request.marks, Mark.PIPELINED))
        if response is None and j >= 0:
            response = responses.message(j)
        if response is None:
            marks = self._unanswered(i)
        elif request is None:
            marks = self._unasked(j)
        else:
            marks = (Mark.PAIRED_BY_ORDER,) * counted
        interim = responses.interims.get(j, ())
        return Exchange(0, self.connection, ordinal, request, response, interim, marks)

    def _missing(self, side: RequestReader | ResponseReader, low: int, high: int) -> bool:
        """True when bytes of [low, high) are missing."""
        if side.stream not in self._gaps:
            self._gaps[side.stream] = side.pieces.gaps(side.stream)
        begins, ends = self._gaps[side.stream]
        k = bisect_right(ends, low)
        return k < len(begins) and begins[k] < high

    def _unanswered(self, i: int) -> tuple[Mark, ...]:
        """Request i has no response: it is lost, or the connection or the capture ended before
        it.
        """
        requests, responses = self.requests, self.responses
        asked = requests.pieces.ack[requests.rows[i]]
        # before the first request a server says only what answers it early: a refusal
        early = i == 0 and not responses.ends
        if self._missing(responses, 0 if early else max(asked, 0), 1 << 62) or self._headless(i):
            return (Mark.LOST,)
        if i + 1 < len(requests.ends) and responses.ends and responses.offsets[-1] > asked >= 0:
            return ()
        return (responses.pieces.ended_by(responses.stream),)

    def _headless(self, i: int) -> bool:
        """True when the server answered request i by bytes that no response was read from, and the
        beginning of what it sent is not in the capture.
        """
        requests, responses = self.requests, self.responses
        p, stream = responses.pieces, responses.stream
        if p.known_start[stream]:
            return False
        first, stop = p.first[stream], p.first[stream + 1]
        if responses.offsets:
            stop = bisect_left(p.start, responses.offsets[0], first, stop)
        return bool(stop > first and p.ack[stop - 1] >= requests.ends[i])

    def _unasked(self, j: int) -> tuple[Mark, ...]:
        """Response j has no request: it is lost, it was sent before the capture, or there never was
        one.
        """
        requests, responses = self.requests, self.responses
        p = requests.pieces
        had = p.ack[responses.rows[j]]
        if self._missing(requests, 0, had if had > 0 else 1 << 62):
            return (Mark.LOST,)
        if p.known_start[requests.stream] and p.known_start[responses.stream]:
            weird = self._weird if had > 0 else UNASKED
            if weird:
                self.weirds.add(weird, p.frame[responses.rows[j]])
        return ()
