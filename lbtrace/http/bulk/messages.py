"""Bursts → the messages among them, thousands at a time, as rows of columns (RFC 9112 §2, §6.3).

    a batch of bursts ─▶ join their bytes ─▶ cut off the heads ─▶ number start lines and header
    blocks ─▶ check that the body fills the burst

A burst becomes a message when it is exactly one message of ordinary shape: a well-formed head, and
a body that ends where the burst ends, by Content-Length, by chunks, with the connection, or because
there is none; or by Content-Length in the gap behind the burst (it is *short*). Everything else
(interim responses, upgrades, pipelined requests, anything malformed or cut) is left to the readers
in `lbtrace.http.h1`.

Invariant, and a law in the tests: a reader that stands where such a burst begins, and knows that a
message begins there, reads the same message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from xxhash import xxh3_128_digest

from lbtrace.http.bulk.burst_bytes import BEGINNING, LARGE, BurstBytes
from lbtrace.http.bulk.bursts import Bursts
from lbtrace.http.bulk.compiled_heads import heads
from lbtrace.http.bulk.head_dictionary import CODED, FRAMING, ODD, UPGRADE
from lbtrace.http.bulk.start_lines import HEAD, OLD, PLAIN
from lbtrace.http.digest import BodyDigest
from lbtrace.http.h1.body import whole_chunked
from lbtrace.http.h1.body_length import (
    BODILESS,
    ENCODED,
    FRAMINGS,
    RESPONSE,
    SIZED,
    codes,
)
from lbtrace.http.h1.head import HeadCaches
from lbtrace.model.http import NO_BODY, Body, Framing, HeaderLine, Mark, Request, Response
from lbtrace.tables.columns import running
from lbtrace.tables.exchanges import (
    LENGTH,
    MARK_SETS,
    NOTHING,
    OTHER,
    SILENT,
    HeadTexts,
    MessageTable,
    requests_of,
    responses_of,
)
from lbtrace.tables.packets import Column, StreamTable

_BATCH_BYTES: Final = 1 << 23  # joined at a time
_BATCH_BURSTS: Final = 1 << 14
# pieces of a large body that are digested at once: joined in the cache, they cost a third of one by
# one
_JOINED: Final = 128
_BY_LENGTH, _BY_CHUNKS, _BY_CLOSE = map(
    FRAMINGS.index, (Framing.CONTENT_LENGTH, Framing.CHUNKED, Framing.UNTIL_CLOSE)
)


class BulkMessages:
    """The bursts of a capture on their way to rows. Burst t becomes `asked[number[t]]` or
    `answered[number[t]]`, by who sent it.
    """

    def __init__(self, streams: StreamTable, found: Bursts, decode: bool) -> None:
        self.streams, self.bursts, self.decode = streams, found, decode
        who = found.stream & 1 != 0
        self.number = np.where(who, np.cumsum(who), np.cumsum(~who)) - 1
        self.fits = np.zeros(len(found), bool)  # the burst is one message
        self.alone = np.zeros(len(found), bool)  # and that does not depend on what is around it
        self.short = np.zeros(len(found), bool)  # bytes of the body are missing at its end
        self.size = found.size.astype(np.int64)  # bytes of the message, missing ones included
        self.head = np.zeros(len(found), np.int64)  # bytes of the head
        self.kind = np.zeros(len(found), np.uint8)  # of the start line
        self.closed = _closed(streams, found.stream)
        self.shuffled = _shuffled(streams, found)
        self._bytes = BurstBytes(streams, found)
        # bytes before each burst, as far as bursts are joined
        self.joined = running(np.where(found.size > LARGE, BEGINNING, found.size))
        self._heads = heads()
        self._texts: HeadTexts | None = None
        self.others: list[Body] = []
        self.asked = self.answered = MessageTable.empty()

    def read(self, progress: Callable[[float], None]) -> None:
        """Read all bursts. `progress` is called with the fraction done."""
        parts: tuple[list[MessageTable], list[MessageTable]] = ([], [])
        count, low = len(self.bursts), 0
        while low < count:
            progress(low / count)
            high = int(np.searchsorted(self.joined, self.joined[low] + _BATCH_BYTES, "right")) - 1
            high = min(max(high, low + 1), low + _BATCH_BURSTS, count)
            who = self.bursts.stream[low:high] & 1
            for side in (0, 1):
                burst = low + np.flatnonzero(who == side)
                if len(burst):
                    parts[side].append(self._messages(side, burst))
            low = high
        self.asked, self.answered = map(MessageTable.joined, parts)

    def heads(self) -> HeadTexts:
        """The texts of all heads, when all are read."""
        if self._texts is None:
            self._texts = self._heads.texts()
        return self._texts

    def requests(self, numbers: Column, marks: Column) -> list[Request]:
        """Rows of `asked` as objects, with these marks (indices in MARK_SETS)."""
        rows, heads = self.asked.taken(numbers).with_columns(marks=marks), self.heads()
        return requests_of(rows, heads, heads.blocks(rows.block), self.others)

    def responses(self, numbers: Column, marks: Column) -> list[Response]:
        """Rows of `answered` as objects, likewise."""
        rows, heads = self.answered.taken(numbers).with_columns(marks=marks), self.heads()
        return responses_of(rows, heads, heads.blocks(rows.block), self.others)

    def request(self, number: int, caches: HeadCaches, marks: int = 0) -> Request:
        """A row of `asked` as an object. `marks`: an index in MARK_SETS."""
        m = self.asked
        line = caches.request[self._heads.start(0, int(m.start[number]))]
        return Request(
            line.method,
            line.target,
            line.version,
            self._lines(m, number, caches),
            *self._seen(m, number, marks),
        )

    def response(self, number: int, caches: HeadCaches, marks: int = 0) -> Response:
        """A row of `answered` as an object, likewise."""
        m = self.answered
        line = caches.status[self._heads.start(1, int(m.start[number]))]
        return Response(
            line.status,
            line.reason,
            line.version,
            self._lines(m, number, caches),
            *self._seen(m, number, marks),
        )

    def _lines(self, m: MessageTable, number: int, caches: HeadCaches) -> tuple[HeaderLine, ...]:
        block = caches.block[self._heads.block(int(m.block[number]))]
        return block.lines if block is not None else ()

    def _seen(
        self, m: MessageTable, number: int, marks: int
    ) -> tuple[Body, int, int, int, int, int, int, tuple[Mark, ...], tuple[()], int]:
        """What stands behind the field lines of a row."""
        kind, length = m.body[number], int(m.length[number])
        body = NO_BODY
        if kind == LENGTH:
            body = Body(
                Framing.CONTENT_LENGTH, length, length, True, m.digest[number].tobytes().hex()
            )
        elif kind != NOTHING:
            body = (
                Body(Framing.NONE, 0, length, True, None) if kind == SILENT else self.others[length]
            )
        frames = int(m.first_frame[number]), int(m.head_frame[number]), int(m.last_frame[number])
        times = int(m.first_ns[number]), int(m.head_ns[number]), int(m.last_ns[number])
        return body, *frames, *times, MARK_SETS[marks], (), int(m.offset[number])

    # a batch

    def _messages(self, side: int, burst: Column) -> MessageTable:
        """Some bursts of one side, as rows; what they are is noted in `fits`, `alone`, `head` and
        `kind`.
        """
        batch = self._cut(side, burst)
        self.head[burst], self.kind[burst] = batch.head, batch.kind
        fits, alone, body, how = self._framing(batch)
        digest = self._digests(body, batch.bodies)
        length = batch.length
        short = alone & ~fits & self._ends_in_gap(batch, how)
        self.size[burst[short]] = (batch.head + length)[short]
        for k in np.flatnonzero(short).tolist():
            some, declared = int(batch.rest[k]), int(length[k])
            body[k], length[k] = OTHER, len(self.others)
            self.others.append(Body(Framing.CONTENT_LENGTH, some, declared, False, None))
        special = ((batch.rest > 0) & (batch.size > LARGE)) | (body == OTHER)
        for k in np.flatnonzero(fits & special).tolist():
            found = self._special(batch, k, FRAMINGS[how[k]])
            fits[k] = found is not None
            if found is not None:
                body[k], length[k] = OTHER, len(self.others)
                self.others.append(found)
        if side:
            alone &= ~self._may_answer_head(batch, alone)
        fits |= short
        self.fits[burst], self.alone[burst], self.short[burst] = fits, fits & alone, short
        return self._rows(batch, body, length, digest)

    def _cut(self, side: int, burst: Column) -> _Batch:
        """Cut the bursts into start lines, header blocks and bodies, and number the texts."""
        size = np.ascontiguousarray(self.bursts.size[burst], np.int64)
        return _Batch(side, burst, size, *self._heads.cut(side, self._bytes, burst))

    def _framing(self, batch: _Batch) -> tuple[Column, Column, Column, Column]:
        """Whether head and body fill each burst; whether what it is depends on nothing but the
        burst; what the body is (as in `MessageTable`); and what delimits it, an index in FRAMINGS.
        """
        side, burst, kind, rest = batch.side, batch.burst, batch.kind, batch.rest
        flags, length = batch.flags, batch.length
        to_head = self._to_head(burst) if side else np.zeros(len(burst), bool)
        bodiless = (kind & BODILESS != 0) | to_head
        how = codes(flags & FRAMING | np.where(bodiless, BODILESS, 0) | RESPONSE * side)
        sized, chunked, closed = (how == code for code in (_BY_LENGTH, _BY_CHUNKS, _BY_CLOSE))
        plain = (kind & PLAIN != 0) & (flags & ODD == 0)
        plain &= (flags & ENCODED == 0) | (kind & OLD == 0)
        plain &= ~closed | self.closed[burst] if side else flags & UPGRADE == 0
        fits = np.where(sized, length == rest, np.where(chunked, rest > 0, closed | (rest == 0)))
        fits &= plain
        bare = ~to_head & (flags & (SIZED | ENCODED) == 0)
        alone = plain & ~closed & (kind & HEAD == 0) & (~bodiless | bare)
        body = np.where(flags & SIZED != 0, SILENT, NOTHING).astype(np.uint8)
        body[sized] = LENGTH
        coded = (flags & CODED != 0) & sized & self.decode
        body[chunked | closed | coded] = OTHER
        return fits, alone, body, how

    def _ends_in_gap(self, batch: _Batch, how: Column) -> Column:
        """Of messages that are longer than their bursts: those of which the next piece of the
        stream is behind their end.
        """
        s, burst = self.streams, batch.burst
        end = s.start[self.bursts.row[self.bursts.first[burst]]] + batch.head + batch.length
        behind = self.bursts.row[self.bursts.first[burst + 1] - 1] + 1
        there = behind < s.first[self.bursts.stream[burst] + 1]
        behind[~there] = 0
        coded = (batch.flags & CODED != 0) & self.decode
        found: Column = there & (s.start[behind] >= end) & (how == _BY_LENGTH) & ~coded
        return found & (batch.length > batch.rest)

    def _may_answer_head(self, batch: _Batch, which: Column) -> Column:
        """Of these responses: those whose body may be the next response, because a request from
        before the capture may have been HEAD.
        """
        found = np.zeros(len(batch.burst), bool)
        before = ~self.streams.known_start[self.bursts.stream[batch.burst]]
        for k in np.flatnonzero(which & (batch.rest > 0) & before).tolist():
            found[k] = batch.bodies[k].startswith(b"HTTP/")
        return found

    def _to_head(self, burst: Column) -> Column:
        """Which of these bursts of servers follow a HEAD (bool each)."""
        found: Column = (
            (self.kind[burst - 1] & HEAD != 0)
            & (self.bursts.stream[burst - 1] == self.bursts.stream[burst] - 1)
            & (burst > 0)
        )
        return found

    def _digests(self, body: Column, bodies: list[bytes]) -> Column:
        """XXH3-128 of the bodies, where one of them is of stated length; else zeros."""
        if not (body == LENGTH).any():
            return np.zeros(len(body), "V16")
        return np.frombuffer(b"".join(map(xxh3_128_digest, bodies)), "V16")

    def _special(self, batch: _Batch, k: int, framing: Framing) -> Body | None:
        """The body of message k of a batch, which has no stated length, or is encoded, or large;
        None when a reader has to look at it.
        """
        coding = self._heads.coding(int(batch.block[k])) if self.decode else ""
        size = int(batch.size[k])
        if framing is Framing.CHUNKED:
            return whole_chunked(batch.bodies[k], coding) if size <= LARGE else None
        sink = BodyDigest(coding)
        if size <= LARGE:
            sink.update(batch.bodies[k])
        else:
            self._digest_large(int(batch.burst[k]), int(batch.head[k]), sink)
        declared = sink.length if framing is Framing.CONTENT_LENGTH else None
        body = sink.body(framing, sink.length, declared, True)
        return None if sink.limited else body

    def _digest_large(self, burst: int, head: int, sink: BodyDigest) -> None:
        """Feed a large body to its digest, some pieces at a time; `head` bytes come before it."""
        rows = self.bursts.row[self.bursts.first[burst] : self.bursts.first[burst + 1]]
        length = self.streams.length[rows]
        skipped = np.clip(head - running(length)[:-1], 0, length)  # bytes of the head in each piece
        for low in range(0, len(rows), _JOINED):
            part = slice(low, low + _JOINED)
            sink.update(self._bytes.pieces(rows[part], skipped[part]))

    def _rows(self, batch: _Batch, body: Column, length: Column, digest: Column) -> MessageTable:
        """The rows of a batch."""
        s, found = self.streams, self.bursts
        first, last = found.first[batch.burst], found.first[batch.burst + 1] - 1
        at = first.copy()  # where the head ends
        over = np.flatnonzero(batch.head > s.length[found.row[first]])
        ends = self._bytes.before[first[over]] + batch.head[over] - 1
        at[over] = np.searchsorted(self._bytes.before, ends, "right") - 1
        at = np.minimum(at, last)
        begin, middle, end = (found.row[place] for place in (first, at, last))
        head_ns, last_ns = s.time_ns[middle], s.time_ns[end]
        for k in np.flatnonzero(self.shuffled[batch.burst]).tolist():
            times = s.time_ns[found.row[first[k] : last[k] + 1]]
            head_ns[k], last_ns[k] = times[: at[k] - first[k] + 1].max(), times.max()
        return MessageTable(
            batch.start.astype(np.int32),
            batch.block.astype(np.int32),
            body,
            length,
            digest,
            s.frame[begin],
            s.frame[middle],
            s.frame[end],
            s.time_ns[begin],
            head_ns,
            last_ns,
            s.start[begin],
            np.zeros(len(first), np.uint8),
        )


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some bursts of one side (0: clients, 1: servers), cut into parts (see `CutHeads`). `size`:
    bytes of each.
    """

    side: int
    burst: Column
    size: Column
    head: Column
    start: Column
    kind: Column
    block: Column
    flags: Column
    length: Column
    bodies: list[bytes]

    @property
    def rest(self) -> Column:
        """Bytes behind each head."""
        return self.size - self.head


def _shuffled(streams: StreamTable, found: Bursts) -> Column:
    """Per burst: its stream is damaged, and a piece of it has an earlier time than the piece before
    (bool).
    """
    shuffled = np.zeros(len(found), bool)
    back = np.flatnonzero(np.diff(streams.time_ns[found.row]) < 0) + 1
    burst = np.searchsorted(found.first, back, "right") - 1
    inside = burst[found.first[burst] < back]
    shuffled[inside[~streams.clean[found.stream[inside]]]] = True
    return shuffled


def _closed(streams: StreamTable, stream: Column) -> Column:
    """Per burst: it is the last one of its connection, and its sender closed behind it (bool)."""
    last = np.append(stream[1:] >> 1 != stream[:-1] >> 1, True)[: len(stream)]
    fin = streams.fin[stream]
    closed: Column = last & (fin >= 0) & (fin <= streams.end[stream]) & ~streams.reset[stream]
    return closed
