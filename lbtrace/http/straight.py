"""The straight road: connections that were taken turns on, read in bulk → rows of an ExchangeTable (RFC 9112 §2, §6.3).

    turns ─▶ a batch of them: bytes joined, heads cut off ─▶ numbers of start lines and blocks ─▶ does the body fill the turn?

A connection takes it when every one of its turns is exactly one message of ordinary shape: a well-formed head that ends where its body
begins, and a body that ends where the turn does, by Content-Length, by chunks, with the connection, or because there is none. Then
heads and bodies tile both streams from 0 to their ends. Whatever else there is (interim answers, upgrades, requests sent ahead, anything
malformed or cut) sends the whole connection down the careful road, as if it had not been looked at.

Invariant, and a law in the tests: both roads tell the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Final

import numpy as np
from xxhash import xxh3_128_digest

from lbtrace.columns import running
from lbtrace.exchange_table import LENGTH, NOTHING, OTHER, SILENT, ExchangeTable, Messages
from lbtrace.http.body import Digest, whole_chunked
from lbtrace.http.head import parse_status_line
from lbtrace.http.lexicon import CHUNKED, CODED, ODD, SIZED, UPGRADE, Lexicon, Numbering
from lbtrace.http.turns import Turns, turns
from lbtrace.model.http import Body, Exchange, Framing
from lbtrace.tables import Column, StreamTable

_BATCH_BYTES: Final = 1 << 23  # joined at a time
_BATCH_TURNS: Final = 1 << 14
_LARGE: Final = 1 << 18  # bytes of a turn: of a longer one only the beginning is joined
_BEGINNING: Final = 1 << 16
_JOINED: Final = 128  # pieces of a large body that are digested at once: joined in the cache, they cost a third of one by one
_LONG_HEAD: Final = 1 << 13  # bytes; a longer head is not remembered, and takes the careful road
_HEAD_END: Final = b"\r\n\r\n"
_REQUEST: Final = re.compile(rb"[A-Z][A-Z_\-]{1,23} (?:/|https?://)[^\x00-\x20]{0,2000} HTTP/1\.[01]").fullmatch
_ELSEWHERE: Final = (b"CONNECT ", b"PROXY ")  # methods that are another matter
_PLAIN, _HEAD, _OLD, _NO_CONTENT = 1, 2, 4, 8  # what a start line is: of ordinary shape; HEAD; HTTP/1.0; 204 or 304


_FRAMINGS: Final = (Framing.CONTENT_LENGTH, Framing.CHUNKED, Framing.UNTIL_CLOSE)


Waiting = Callable[[int, int, int], Exchange | None]  # (connection, offset of its last request, ordinal) → the exchange, when it is sound


def read(
    streams: StreamTable, decode: bool, progress: Callable[[float], None], waiting: Waiting
) -> tuple[ExchangeTable, list[Exchange], Column]:
    """StreamTable → its sound exchanges: rows ordered by first frame (ids are theirs alone, from 0), and those that were never answered;
    and of each connection whether it is among them.

    `decode`: content digests are wanted. `progress` is told the fraction done. `waiting` reads the last request of a connection.
    """
    road = _Road(streams, turns(streams), decode)
    count, at = len(road.turns), 0
    while at < count:
        progress(at / count)
        at = road.batch(at)
    unanswered = road.unanswered(waiting)
    return road.table(), unanswered, road.taken()


class _Road:
    """The turns of a capture on their way to rows."""

    def __init__(self, streams: StreamTable, found: Turns, decode: bool) -> None:
        self.streams, self.turns, self.decode = streams, found, decode
        self.bad = np.zeros(len(found), bool)  # per exchange
        self.closed = _closed(streams, found.connection)
        self.before = running(streams.length[found.row])  # bytes of the conversation before each piece, and all of them
        self.joined = running(np.where(found.size > _LARGE, _BEGINNING, found.size))  # the same per turn, as far as it is joined
        self.lexicon = Lexicon()
        self.requests, self.statuses = _Starts(_request_kinds), _Starts(_status_kinds)
        self.others: list[Body] = []
        self.asked: list[Messages] = []
        self.answered: list[Messages] = []
        self.views = [memoryview(buffer) for buffer in streams.buffers]

    def batch(self, first: int) -> int:
        """Read some exchanges from `first` on; the number of the next."""
        low = 2 * first
        high = int(np.searchsorted(self.joined, self.joined[low] + _BATCH_BYTES, "right")) - 1 & ~1
        high = min(max(high, low + 2), low + _BATCH_TURNS, 2 * len(self.turns))
        text, bounds = self._text(low, high)
        parts = [text[a:b].partition(_HEAD_END) for a, b in pairwise(bounds)]
        heads = [head if end and len(head) <= _LONG_HEAD else b"" for head, end, _ in parts]
        cut = [head.partition(b"\r\n") for head in heads]
        blocks = np.empty(high - low, np.int64)
        for who in (0, 1):
            blocks[who::2] = self.lexicon.blocks([block for _, _, block in cut[who::2]], bool(who))
        flags = self.lexicon.flags(blocks)
        length = self.lexicon.lengths(blocks)
        head = np.fromiter(map(len, heads), np.int64, high - low) + len(_HEAD_END)
        rest = self.turns.size[low:high] - head
        requests, asks = self.requests.of([start for start, _, _ in cut[0::2]])
        statuses, answers = self.statuses.of([start for start, _, _ in cut[1::2]])

        fits, body, how = self._framing(slice(first, high >> 1), asks, answers, flags, rest, length)
        digest = self._digests(body, [body for _, _, body in parts])
        large = (rest > 0) & (self.turns.size[low:high] > _LARGE)
        for k in np.flatnonzero(fits & (large | (body == OTHER))).tolist():
            found = self._special(low + k, int(head[k]), int(blocks[k]), _FRAMINGS[how[k]], parts[k][2])
            if found is None:
                fits[k] = False
                continue
            body[k], length[k] = OTHER, len(self.others)
            self.others.append(found)
        self.bad[first : high >> 1] = ~(fits[0::2] & fits[1::2])
        turn = np.arange(low, high)
        for half, starts, out in ((slice(0, None, 2), requests, self.asked), (slice(1, None, 2), statuses, self.answered)):
            out.append(self._messages(turn[half], starts, blocks[half], body[half], length[half], digest[half], head[half]))
        return high >> 1

    def _framing(
        self, exchanges: slice, asks: Column, answers: Column, flags: Column, rest: Column, length: Column
    ) -> tuple[Column, Column, Column]:
        """RFC 9112 §6.3 for turns that alternate: whether head and body fill the turn, what the body is (as in `Messages`), and what ends
        it, an index in _FRAMINGS. `rest` are the bytes behind each head, `length` what is declared, `flags` what its lines say."""
        asked, answered = slice(0, None, 2), slice(1, None, 2)
        kind = np.empty(len(rest), np.uint8)
        kind[asked], kind[answered] = asks, answers
        sized, chunked = flags & SIZED != 0, flags & CHUNKED != 0
        silent, closed = np.zeros(len(rest), bool), np.zeros(len(rest), bool)
        silent[answered] = (asks & _HEAD != 0) | (answers & _NO_CONTENT != 0)
        closed[answered] = ~(sized | chunked | silent)[answered]
        fits = np.where(sized & ~silent, length == rest, np.where(chunked & ~silent, rest > 0, closed | (rest == 0)))
        fits &= (kind & _PLAIN != 0) & (flags & ODD == 0) & ~(sized & chunked) & ~(chunked & (kind & _OLD != 0))
        fits[asked] &= flags[asked] & UPGRADE == 0
        fits[answered] &= ~closed[answered] | self.closed[exchanges]
        body = np.where(sized, np.where(silent, SILENT, LENGTH), NOTHING).astype(np.uint8)
        coded = (flags & CODED != 0) & sized & (rest > 0) & self.decode
        body[(chunked | coded | closed) & ~silent] = OTHER
        return fits, body, chunked + 2 * closed

    def unanswered(self, waiting: Waiting) -> list[Exchange]:
        """The last requests that had no answer; a connection is unsound when such a one is."""
        rows = self.turns.waiting
        number = np.searchsorted(self.streams.first, rows, "right") - 1 >> 1
        low, high = (np.searchsorted(self.turns.connection, number, side) for side in ("left", "right"))
        sound = self.taken()[number]
        places = zip(number.tolist(), self.streams.start[rows].tolist(), low.tolist(), high.tolist(), sound.tolist(), strict=True)
        found = []
        for connection, offset, begin, end, fits in places:
            exchange = waiting(connection, offset, end - begin + 1) if fits else None
            if exchange is None:
                self.bad[begin:end] = True
            else:
                found.append(exchange)
        return found

    def table(self) -> ExchangeTable:
        """The exchanges of the connections that turned out sound."""
        connection = self.turns.connection
        kept = np.flatnonzero(self.taken()[connection])
        opens = np.flatnonzero(np.diff(connection, prepend=-1) != 0)
        ordinal = np.arange(1, len(connection) + 1) - np.repeat(opens, np.diff(opens, append=len(connection)))
        asked, answered = Messages.joined(self.asked), Messages.joined(self.answered)
        kept = kept[np.argsort(asked.first_frame[kept], kind="stable")]
        asked, answered = asked.taken(kept), answered.taken(kept)
        heads = self.lexicon.heads(self.requests.texts, self.statuses.texts)
        if 2 * len(kept) < len(connection):  # most of what was read is of connections that turned out unsound
            heads = heads.only(asked, answered)
        return ExchangeTable(
            np.arange(len(kept)),
            connection[kept].astype(np.int32),
            ordinal[kept].astype(np.int32),
            asked,
            answered,
            heads,
            self.others,
        )

    def taken(self) -> Column:
        """Of each connection: all of it was sound."""
        taken = np.zeros(len(self.streams.clean) >> 1, bool)
        taken[self.turns.connection] = True
        taken[self.turns.connection[self.bad]] = False
        return taken

    def _text(self, low: int, high: int) -> tuple[bytes, list[int]]:
        """The bytes of these turns, of a large one its beginning, and where each begins in them (and all of them end)."""
        first = self.turns.first[low : high + 1]
        rows = self.turns.row[first[0] : first[-1]]
        first = first - first[0]
        length = self.streams.length[rows].astype(np.int64)
        large = self.turns.size[low:high] > _LARGE
        if large.any():
            inside = self.before[self.turns.first[low] : self.turns.first[high]]
            inside = inside - np.repeat(inside[first[:-1]], np.diff(first))
            left_out = np.repeat(large, np.diff(first)) & (inside >= _BEGINNING)
            rows, length = rows[~left_out], length[~left_out]
            first = first - running(left_out)[first]
        begin = self.streams.payload[rows]
        begins, ends = begin.tolist(), (begin + length).tolist()
        if len(self.views) == 1:
            view = self.views[0]
            text = b"".join([view[a:b] for a, b in zip(begins, ends, strict=True)])
        else:
            of = [self.views[i] for i in self.streams.buffer[rows].tolist()]
            text = b"".join([view[a:b] for view, a, b in zip(of, begins, ends, strict=True)])
        return text, running(length)[first].tolist()

    def _digests(self, body: Column, bodies: list[bytes]) -> Column:
        """XXH3-128 of the bodies of stated length, zeros elsewhere."""
        digest = np.zeros(len(body), "V16")
        for half in (slice(0, None, 2), slice(1, None, 2)):
            if (body[half] == LENGTH).any():
                digest[half] = np.frombuffer(b"".join(map(xxh3_128_digest, bodies[half])), "V16")
        return digest

    def _special(self, turn: int, head: int, block: int, framing: Framing, joined: bytes) -> Body | None:
        """A body without stated length, or encoded, or large; None when the careful road has to look at it."""
        coding = self.lexicon.coding(block) if self.decode else ""
        size = int(self.turns.size[turn])
        if framing is Framing.CHUNKED:
            return whole_chunked(joined, coding) if size <= _LARGE else None
        sink = Digest(coding)
        if size <= _LARGE:
            sink.update(joined)
        else:
            rows = self.turns.row[self.turns.first[turn] : self.turns.first[turn + 1]]
            s, views = self.streams, self.views
            skipped = np.clip(head - running(s.length[rows])[:-1], 0, s.length[rows])  # of each piece: what belongs to the head
            for low in range(0, len(rows), _JOINED):
                some = rows[low : low + _JOINED]
                begin, end = s.payload[some] + skipped[low : low + _JOINED], s.payload[some] + s.length[some]
                spans = zip(s.buffer[some].tolist(), begin.tolist(), end.tolist(), strict=True)
                sink.update(b"".join([views[view][a:b] for view, a, b in spans]))
        return sink.body(framing, sink.length, sink.length if framing is Framing.CONTENT_LENGTH else None, True)

    def _messages(self, turn: Column, start: Column, block: Column, body: Column, length: Column, digest: Column, head: Column) -> Messages:
        """Rows for turns of one direction."""
        s, found = self.streams, self.turns
        first, last = found.first[turn], found.first[turn + 1] - 1
        at = first.copy()
        over = np.flatnonzero(head > s.length[found.row[first]])  # heads of more than one piece
        at[over] = np.searchsorted(self.before, self.before[first[over]] + head[over] - 1, "right") - 1
        at = np.minimum(at, last)
        begin, middle, end = (found.row[place] for place in (first, at, last))
        frame, time = s.frame, s.time_ns
        return Messages(
            start.astype(np.int32),
            block.astype(np.int32),
            body,
            length,
            digest,
            frame[begin],
            frame[middle],
            frame[end],
            time[begin],
            time[middle],
            time[end],
            s.start[begin],
        )


class _Starts:
    """Start lines → numbers and what they are."""

    def __init__(self, kinds: Callable[[list[bytes]], bytearray]) -> None:
        self._kinds_of = kinds
        self._kinds = bytearray()
        self._numbers = Numbering()
        self.texts: list[bytes] = []

    def of(self, lines: list[bytes]) -> tuple[Column, Column]:
        """The number and the kind of each."""
        numbers, new = self._numbers.of(lines, len(self.texts))
        self.texts += new
        self._kinds += self._kinds_of(new)
        return numbers, np.frombuffer(self._kinds, np.uint8)[numbers]


def _request_kinds(lines: list[bytes]) -> bytearray:
    kinds = bytearray(map(bool, map(_REQUEST, lines)))
    text = b"\n".join((b"", *lines, b""))
    if any(mark in text for mark in (b" HTTP/1.0\n", b"\nHEAD ", *_ELSEWHERE)):
        for k, line in enumerate(lines):
            if line.startswith(_ELSEWHERE):
                kinds[k] = 0
            if kinds[k]:
                kinds[k] |= _HEAD * line.startswith(b"HEAD ") | _OLD * line.endswith(b"0")
    return kinds


def _status_kinds(lines: list[bytes]) -> bytearray:
    kinds = bytearray()
    for line in map(parse_status_line, lines):
        ordinary = not line.oddities and line.status >= 200
        kinds.append(ordinary and _PLAIN | _NO_CONTENT * (line.status in (204, 304)) | _OLD * (line.version == "HTTP/1.0"))
    return kinds


def _closed(streams: StreamTable, connection: Column) -> Column:
    """Of each exchange: its answer is the last one on its connection, and the server closed behind it."""
    server = 2 * connection + 1
    last = np.append(connection[1:] != connection[:-1], True)[: len(connection)]
    fin = streams.fin[server]
    closed: Column = last & (fin >= 0) & (fin <= streams.end[server]) & ~streams.reset[server]
    return closed
