"""The messages of many HTTP/1.x connections → which response answers which request, in columns.

`lbtrace.http.h1.pairing` says it of one connection. Here the same is said of all together, where
nothing rare has to be decided: nobody pipelines, and no pair rests on counting. A connection of
which this is not certain is not *plain*; it is left to `pairing`.

Invariant, and a law in the tests: of a plain connection both say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np

from lbtrace.http.budget import LEAST_MESSAGE
from lbtrace.http.h1.pairing import all_answered
from lbtrace.http.h1.requests import RequestReader
from lbtrace.http.h1.responses import ResponseReader
from lbtrace.tables.columns import group_starts, highest_so_far, running, spans
from lbtrace.tables.packets import Column


class Talk(NamedTuple):
    """The messages of a connection that wait for being paired. `unasked`: see `exchanges.build`."""

    connection: int
    requests: RequestReader
    responses: ResponseReader
    unasked: str


@dataclass(frozen=True, slots=True)
class Half:
    """The requests of all talks, or the responses: those of talk t are `first[t]` to
    `first[t + 1]` - 1.

    `begin`, `head` and `end` are offsets in the stream. `had`: how much of the other stream its
    sender had. `frame`: the one it begins in, `last`: the one it ends in. `chain`: equal numbers
    for those of one chain. `number` and `marked` are as the readers have them. Per talk: `damaged`,
    messages may have been lost before one of them, and `late`, before the first.
    """

    first: Column
    talk: Column
    begin: Column
    head: Column
    end: Column
    had: Column
    frame: Column
    last: Column
    chain: Column
    number: Column
    marked: Column
    damaged: Column
    late: Column

    @classmethod
    def of(cls, readers: Sequence[RequestReader] | Sequence[ResponseReader]) -> Half:
        """The messages of these readers, one reader for each talk."""
        count, pieces = len(readers), readers[0].pieces

        def joined(name: str) -> Column:
            return np.frombuffer(b"".join([getattr(r, name) for r in readers]), np.int64)

        first = running(np.fromiter((len(r.ends) for r in readers), np.int64, count))
        breaks = np.fromiter((len(r.breaks) for r in readers), np.int64, count)
        opens = np.fromiter(chain.from_iterable(r.breaks for r in readers), np.int64, breaks.sum())
        opens = np.sort(np.concatenate((opens + np.repeat(first[:-1], breaks), first[:-1])))
        row = joined("rows")
        return cls(
            first=first,
            talk=np.repeat(np.arange(count), np.diff(first)),
            begin=joined("offsets"),
            head=joined("heads"),
            end=joined("ends"),
            had=np.asarray(pieces.ack)[row],
            frame=np.asarray(pieces.frame)[row].astype(np.int64),
            last=joined("lasts"),
            chain=np.searchsorted(opens, np.arange(len(row)), "right"),
            number=joined("numbers"),
            marked=np.frombuffer(b"".join([r.marked for r in readers]), np.uint8),
            damaged=np.fromiter((r.damaged for r in readers), bool, count),
            late=np.fromiter((r.breaks[:1] == [0] for r in readers), bool, count),
        )

    def __len__(self) -> int:
        return len(self.talk)

    @property
    def size(self) -> Column:
        """How many messages each talk has."""
        return np.diff(self.first)

    def alike(self, least: int) -> Column:
        """Which messages were sent in the same knowledge of the other stream, of at least so many
        bytes, as the one before them on the connection.
        """
        found = np.zeros(len(self), bool)
        same = (self.had[1:] == self.had[:-1]) & (self.had[1:] >= least)
        found[1:] = same & (self.talk[1:] == self.talk[:-1])
        return found


@dataclass(frozen=True, slots=True)
class PairedTalks:
    """Talks, and what answers what on those that are `plain` (bool per talk). `answer`: per request
    the response to it, as a row of `answers`; -1 where none is certain.
    """

    requests: Half
    answers: Half
    plain: Column
    answer: Column

    def steps(self) -> tuple[Column, Column, Column]:
        """Talk, request and response (-1: missing) of all pairs of plain talks, and of the halves
        between them that stand alone: in the order of `pairing.pair`.
        """
        q, a = self.requests, self.answers
        asked = self.plain[q.talk] & (self.answer >= 0)
        i = np.flatnonzero(asked)
        j = self.answer[i]
        answered = np.zeros(len(a), bool)
        answered[j] = True
        # Of the halves that stand alone between the same two pairs, that of the lower frame is
        # next; one behind another of its stream is never before that.
        halves = [
            (half.talk[rows], running(paired)[:-1][rows], half.frame[rows], rows)
            for half, paired in ((q, asked), (a, answered))
            for rows in (np.flatnonzero(self.plain[half.talk] & ~paired),)
        ]
        talk, behind, _, rows = map(np.concatenate, zip(*halves, strict=True))
        side = np.repeat((0, 1), [len(half[0]) for half in halves])
        frame = np.concatenate([highest_so_far(_joint(*half[:2]), half[2]) for half in halves])
        order = np.lexsort((rows, side, frame, behind, talk))
        talk, behind, side, rows = talk[order], behind[order], side[order], rows[order]

        count = np.arange(len(i))
        span = len(i) + 1
        among = count + np.searchsorted(talk * span + behind, q.talk[i] * span + count, "right")
        alone = np.arange(len(rows)) + behind
        steps = np.full((3, len(i) + len(rows)), -1, np.int64)
        steps[:, among] = q.talk[i], i, j
        steps[0, alone] = talk
        steps[1, alone[side == 0]] = rows[side == 0]
        steps[2, alone[side == 1]] = rows[side == 1]
        return steps[0], steps[1], steps[2]


def _joint(talk: Column, behind: Column) -> Column:
    """A number for each row, the same where both are the same. Rows are sorted by both."""
    new = (np.diff(talk, prepend=-1) != 0) | (np.diff(behind, prepend=-1) != 0)
    return np.cumsum(new)


def paired(talks: Sequence[Talk]) -> PairedTalks:
    """The messages of these talks as columns, and what answers what on the plain ones."""
    q = Half.of([talk.requests for talk in talks])
    a = Half.of([talk.responses for talk in talks])
    count = len(talks)
    known = np.fromiter((_seen_from_the_start(talk) for talk in talks), bool, count)
    plain = np.fromiter((not _has_interims(talk.responses) for talk in talks), bool, count)
    both = (q.size > 0) & (a.size > 0)
    undamaged = ~(q.damaged | a.damaged)
    answer = np.full(len(q), -1, np.int64)
    if not len(q) or not len(a):
        return PairedTalks(q, a, plain, answer)

    in_order = both & known & undamaged
    i, j = _side_by_side(q, a, in_order)
    had = a.had[j]
    meant = (had > q.begin[i]) | (had < 0) | ((had == 0) & (a.frame[j] > q.frame[i]))
    plain[q.talk[i[~meant]]] = False
    answer[i] = j

    judged = both & ~in_order
    heard = np.bincount(q.talk[q.had > 0], minlength=count)
    heard += np.bincount(a.talk[a.had > 0], minlength=count)
    plain[judged & undamaged & (heard == 0)] = False  # no acknowledgements
    plain[judged & _pipelined(q, a, talks)] = False
    _follow(_anchors(q, a, judged & plain), q, a, known & judged & plain, answer)
    plain[_counted(q, a, talks, judged & known & plain, answer)] = False
    i = np.flatnonzero(answer >= 0)
    crossed = (np.diff(answer[i]) <= 0) & (np.diff(q.talk[i]) == 0)
    plain[q.talk[i[1:][crossed]]] = False
    return PairedTalks(q, a, plain, answer)


def _seen_from_the_start(talk: Talk) -> bool:
    known = talk.requests.pieces.known_start
    return bool(known[talk.requests.stream] and known[talk.responses.stream])


def _has_interims(responses: ResponseReader) -> bool:
    return bool(responses.pending or responses.interims or responses.early)


def _side_by_side(q: Half, a: Half, which: Column) -> tuple[Column, Column]:
    """The k-th request and the k-th response of these talks."""
    least = np.where(which, np.minimum(q.size, a.size), 0)
    return spans(q.first[:-1], least), spans(a.first[:-1], least)


def _pipelined(q: Half, a: Half, talks: Sequence[Talk]) -> Column:
    """Per talk: the client may have pipelined (see `pairing`)."""
    found = np.zeros(len(talks), bool)
    for half, least in ((q, 0), (a, 1)):
        again = half.alike(least)
        again[1:] &= half.chain[1:] == half.chain[:-1]
        found[half.talk[again]] = True
    counts = [len(talk.requests.holes) for talk in talks]
    holes = np.fromiter(chain.from_iterable(t.requests.holes for t in talks), np.int64, sum(counts))
    talk = np.repeat(np.arange(len(talks)), counts)
    inside = holes < q.size[talk]
    holes, talk = holes[inside], talk[inside]
    i, later = q.first[talk] + holes, holes > 0
    before = np.where(later, q.had[i - 1], 0)
    found[talk[(q.had[i] >= 0) & (q.had[i] - before < LEAST_MESSAGE * (1 + later))]] = True
    return found


class _Anchors(NamedTuple):
    """Requests and responses that belong together, because an anchor says so and no other says
    something else.
    """

    request: Column
    answer: Column


def _anchors(q: Half, a: Half, which: Column) -> _Anchors:
    """The anchors of these talks: first those where both ends say the same, then the others."""
    span = 2 + max(int(column.max(initial=0)) for column in (q.end, a.end, q.had, a.had))

    def key(half: Half, offset: Column) -> Column:
        made: Column = half.talk * span + offset + 1
        return made

    place = np.searchsorted(key(a, a.begin), key(q, q.had))
    place[place == len(a)] = 0
    i = np.flatnonzero((q.talk == a.talk[place]) & (q.had == a.begin[place]))[::-1]
    by_asked = np.full(len(a), -1, np.int64)
    by_asked[place[i]] = i  # of several requests the first
    k = np.searchsorted(key(q, q.head), key(a, a.had), "right") - 1
    k[(a.had <= 0) | (k < q.first[a.talk])] = -1
    exact = (k >= 0) & (a.had <= q.end[k]) & (q.had[k] <= a.begin)
    of_these = which[a.talk]
    j = np.flatnonzero(of_these & (by_asked >= 0) & ((k == by_asked) | (a.had <= 0)))
    sure = np.zeros(len(q), bool)
    sure[by_asked[j]] = True
    others = np.flatnonzero(of_these & (by_asked < 0) & exact)
    # A second response that was sent in the same knowledge answers nothing (a 408).
    others = others[~sure[k[others]]]
    return _Anchors(np.append(by_asked[j], k[others]), np.append(j, others))


def _follow(anchors: _Anchors, q: Half, a: Half, from_start: Column, answer: Column) -> None:
    """Write into `answer` what follows from anchors for the chains that they are in, and for the
    first chains of talks that were seen `from_start`.
    """
    named = np.full(len(q), -1, np.int64)
    named[anchors.request] = anchors.answer
    opens = np.flatnonzero(from_start)
    i, j = q.first[opens], a.first[opens]
    whole = ~(q.late | a.late)[opens]
    i, j = np.append(i[whole], anchors.request), np.append(j[whole], anchors.answer)
    # All pairs of two chains are shifted by the same number. Two different ones show nothing.
    width = int(a.chain.max(initial=0)) + 1
    chains, first, which = np.unique(
        q.chain[i] * width + a.chain[j], return_index=True, return_inverse=True
    )
    shift = j - i
    doubtful = np.zeros(len(chains), bool)
    doubtful[which[shift != shift[first][which]]] = True
    first = np.sort(first[~doubtful])
    shift, asking, answering = shift[first], q.chain[i[first]], a.chain[j[first]]
    low, high = (np.searchsorted(q.chain, asking, side) for side in ("left", "right"))
    begin, stop = (np.searchsorted(a.chain, answering, side) for side in ("left", "right"))
    low, high = np.maximum(low, begin - shift), np.minimum(high, stop - shift)
    size = np.maximum(high - low, 0)
    i = spans(low, size)
    j = i + np.repeat(shift, size)
    had = a.had[j]
    fits = ((named[i] < 0) | (named[i] == j)) & (q.had[i] <= a.begin[j])
    fits &= ~((had > 0) & (had < q.head[i])) & ((had != 0) | (a.frame[j] > q.frame[i]))
    answer[i[fits]] = j[fits]


def _counted(q: Half, a: Half, talks: Sequence[Talk], which: Column, answer: Column) -> Column:
    """Per talk: `pairing` may find pairs by counting. Only talks in `which` are looked at."""
    found = np.zeros(len(talks), bool)
    unasked = np.ones(len(a), bool)
    unasked[answer[answer >= 0]] = False
    opens = group_starts(a.chain)
    untold = np.zeros(len(talks), bool)  # a chain of responses of which the first has no request
    untold[a.talk[opens[unasked[opens]]]] = True
    for t in np.flatnonzero(which).tolist():
        requests = talks[t].requests
        if requests.breaks:
            found[t] = _counts_more(t, q, a, talks[t], answer)
        else:
            found[t] = untold[t] and requests.end <= requests.ends[-1]
    return found


def _counts_more(t: int, q: Half, a: Half, talk: Talk, answer: Column) -> bool:
    """Counting the requests that are missing from talk t gives pairs beside those known."""
    _, requests, responses, _ = talk
    asked, answered = (slice(*half.first[t : t + 2].tolist()) for half in (q, a))
    if (answer[asked] >= 0).all():
        return False
    every = all_answered(requests, responses, q.had[asked].tolist(), a.had[answered].tolist())
    return bool(every) and [answered.start + j for _, j in every] != answer[asked].tolist()
