"""Bursts → the messages among them, thousands at a time, as rows of columns (RFC 9112 §2, §6.3).

    a batch of bursts ─▶ join their bytes ─▶ cut off the heads ─▶ number start lines and header
    blocks ─▶ check that the body fills the burst

A burst becomes a message when it is exactly one message of ordinary shape: a well-formed head, and
a body that ends where the burst ends, by Content-Length, by chunks, with the connection, or because
there is none. Everything else (interim responses, upgrades, pipelined requests, anything malformed
or cut) is left to the readers in `lbtrace.http.h1`.

Invariant, and a law in the tests: a reader that stands where such a burst begins, and knows that a
message begins there, reads the same message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from operator import itemgetter
from typing import Final

import numpy as np
from xxhash import xxh3_128_digest

from lbtrace.http.bulk.bursts import Bursts
from lbtrace.http.bulk.head_dictionary import (
    CODED,
    FRAMING,
    ODD,
    UPGRADE,
    HeadDictionary,
    TextNumbers,
)
from lbtrace.http.digest import BodyDigest
from lbtrace.http.h1.body import whole_chunked
from lbtrace.http.h1.body_length import (
    BODILESS,
    ENCODED,
    FRAMINGS,
    RESPONSE,
    SIZED,
    codes,
    response_facts,
)
from lbtrace.http.h1.head import HEAD_END, HeadCaches
from lbtrace.http.h1.start_line import parse_status_line
from lbtrace.model.http import NO_BODY, Body, Framing, HeaderLine, Request, Response
from lbtrace.tables.columns import running, spans
from lbtrace.tables.exchanges import LENGTH, NOTHING, OTHER, SILENT, HeadTexts, MessageTable
from lbtrace.tables.packets import Column, StreamTable

_BATCH_BYTES: Final = 1 << 23  # joined at a time
_BATCH_BURSTS: Final = 1 << 14
_LARGE: Final = 1 << 18  # bytes of a burst: of a longer one only the beginning is joined
_BEGINNING: Final = 1 << 16
# pieces of a large body that are digested at once: joined in the cache, they cost a third of one by
# one
_JOINED: Final = 128
_LONG_HEAD: Final = 1 << 13  # bytes; a longer head is not remembered, and is left to the readers
_REQUEST: Final = re.compile(
    rb"[A-Z][A-Z_\-]{1,23} (?:/|https?://)[^\x00-\x20]{0,2000} HTTP/1\.[01]"
).fullmatch
_ELSEWHERE: Final = (b"CONNECT ", b"PROXY ")  # methods that are another matter
# Flags of a start line, beside BODILESS: of ordinary shape; HEAD; HTTP/1.0
_PLAIN, _HEAD, _OLD = 1, 2, 8
_BY_LENGTH, _BY_CHUNKS, _BY_CLOSE = map(
    FRAMINGS.index, (Framing.CONTENT_LENGTH, Framing.CHUNKED, Framing.UNTIL_CLOSE)
)


class BulkMessages:
    """The bursts of a capture on their way to rows. `asked[number[t]]` or `answered[number[t]]` is
    burst t, by who sent it.
    """

    def __init__(self, streams: StreamTable, found: Bursts, decode: bool) -> None:
        self.streams, self.bursts, self.decode = streams, found, decode
        who = found.stream & 1 != 0
        self.number = np.where(who, np.cumsum(who), np.cumsum(~who)) - 1
        self.fits = np.zeros(len(found), bool)  # the burst is a message
        self.alone = np.zeros(len(found), bool)  # and would be, whatever went before it and follows
        self.head = np.zeros(len(found), np.int64)  # bytes of the head
        self.kind = np.zeros(len(found), np.uint8)  # of the start line
        self.closed = _closed(streams, found.stream)
        self.before = running(streams.length[found.row])  # bytes before each piece, and all of them
        self.joined = running(
            np.where(found.size > _LARGE, _BEGINNING, found.size)
        )  # the same per burst, as far as it is joined
        self.dictionary = HeadDictionary()
        self.starts = _Starts(_request_kinds), _Starts(_status_kinds)
        self.others: list[Body] = []
        self.views = [memoryview(buffer) for buffer in streams.buffers]
        self.asked = self.answered = MessageTable.empty()

    def read(self, progress: Callable[[float], None]) -> None:
        """Read all bursts. `progress` is told the fraction done."""
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
        """The texts of all heads."""
        return self.dictionary.heads(self.starts[0].texts, self.starts[1].texts)

    def request(self, number: int, caches: HeadCaches) -> Request:
        """A row of `asked` as an object."""
        m = self.asked
        line = caches.request[self.starts[0].texts[m.start[number]]]
        return Request(
            line.method,
            line.target,
            line.version,
            self._lines(m, number, caches),
            *self._seen(m, number),
        )

    def response(self, number: int, caches: HeadCaches) -> Response:
        """A row of `answered` as an object."""
        m = self.answered
        line = caches.status[self.starts[1].texts[m.start[number]]]
        return Response(
            line.status,
            line.reason,
            line.version,
            self._lines(m, number, caches),
            *self._seen(m, number),
        )

    def _lines(self, m: MessageTable, number: int, caches: HeadCaches) -> tuple[HeaderLine, ...]:
        block = caches.block[self.dictionary.text(int(m.block[number]))]
        return block.lines if block is not None else ()

    def _seen(
        self, m: MessageTable, number: int
    ) -> tuple[Body, int, int, int, int, int, int, tuple[()], tuple[()], int]:
        """Body and places of a row."""
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
        return body, *frames, *times, (), (), int(m.offset[number])

    # a batch

    def _messages(self, side: int, burst: Column) -> MessageTable:
        """Some bursts of one side, as rows; what they are is noted in `fits`, `alone`, `head` and
        `kind`.
        """
        size = self.bursts.size[burst]
        text, bounds = self._text(burst)
        parts = [text[a:b].partition(HEAD_END) for a, b in pairwise(bounds)]
        cut = [head.partition(b"\r\n") for head, _, _ in parts]
        starts, blocks, bodies = (
            [start for start, _, _ in cut],
            [block for _, _, block in cut],
            [body for _, _, body in parts],
        )
        head = np.fromiter(map(len, map(itemgetter(0), parts)), np.int64, len(burst)) + len(
            HEAD_END
        )
        for k in np.flatnonzero(
            (head > size) | (head > _LONG_HEAD)
        ).tolist():  # it does not end, or is not worth remembering
            starts[k] = blocks[k] = b""
        block = self.dictionary.blocks(blocks, side)
        start, kind = self.starts[side].of(starts)
        self.head[burst], self.kind[burst] = head, kind
        length, rest = self.dictionary.lengths(block), size - head
        fits, alone, body, how = self._framing(
            side, burst, kind, self.dictionary.flags(block), rest, length
        )
        digest = self._digests(body, bodies)
        for k in np.flatnonzero(fits & (((rest > 0) & (size > _LARGE)) | (body == OTHER))).tolist():
            found = self._special(
                int(burst[k]), int(head[k]), int(block[k]), FRAMINGS[how[k]], bodies[k]
            )
            if found is None:
                fits[k] = False
                continue
            body[k], length[k] = OTHER, len(self.others)
            self.others.append(found)
        self.fits[burst] = fits
        for k in (
            np.flatnonzero(
                alone & (rest > 0) & ~self.streams.known_start[self.bursts.stream[burst]]
            ).tolist()
            if side
            else ()
        ):
            alone[k] = not bodies[k].startswith(
                b"HTTP/"
            )  # it may be the next answer: a request from before the capture may have been HEAD
        self.alone[burst] = fits & alone
        return self._rows(burst, start, block, body, length, digest, head)

    def _framing(
        self, side: int, burst: Column, kind: Column, flags: Column, rest: Column, length: Column
    ) -> tuple[Column, Column, Column, Column]:
        """Whether head and body fill each burst; whether that depends on nothing but the burst;
        what the body is (as in `MessageTable`); and what delimits it, an index in FRAMINGS.

        `rest` are the bytes behind each head, `length` the Content-Length, `flags` those of the
        header block.
        """
        to_head = self._to_head(burst) if side else np.zeros(len(burst), bool)
        bodiless = (kind & BODILESS != 0) | to_head
        how = codes(flags & FRAMING | np.where(bodiless, BODILESS, 0) | RESPONSE * side)
        sized, chunked, closed = (how == code for code in (_BY_LENGTH, _BY_CHUNKS, _BY_CLOSE))
        fits = np.where(sized, length == rest, np.where(chunked, rest > 0, closed | (rest == 0)))
        fits &= (kind & _PLAIN != 0) & (flags & ODD == 0)
        fits &= (flags & ENCODED == 0) | (kind & _OLD == 0)
        fits &= ~closed | self.closed[burst] if side else flags & UPGRADE == 0
        bare = ~to_head & (flags & (SIZED | ENCODED) == 0)
        alone = ~closed & (kind & _HEAD == 0) & (~bodiless | bare)
        body = np.where(flags & SIZED != 0, SILENT, NOTHING).astype(np.uint8)
        body[sized] = LENGTH
        coded = (flags & CODED != 0) & sized & self.decode
        body[chunked | closed | coded] = OTHER
        return fits, alone, body, how

    def _to_head(self, burst: Column) -> Column:
        """Which of these bursts of servers follow a HEAD."""
        found: Column = (
            (self.kind[burst - 1] & _HEAD != 0)
            & (self.bursts.stream[burst - 1] == self.bursts.stream[burst] - 1)
            & (burst > 0)
        )
        return found

    def _text(self, burst: Column) -> tuple[bytes, list[int]]:
        """The bytes of these bursts, of a large one its beginning, and where each begins in them
        (and all of them end).
        """
        count = self.bursts.first[burst + 1] - self.bursts.first[burst]
        places = spans(self.bursts.first[burst], count)
        rows = self.bursts.row[places]
        length = self.streams.length[rows].astype(np.int64)
        first = running(count)
        large = self.bursts.size[burst] > _LARGE
        if large.any():
            inside = self.before[places] - np.repeat(self.before[self.bursts.first[burst]], count)
            left_out = np.repeat(large, count) & (inside >= _BEGINNING)
            rows, length = rows[~left_out], length[~left_out]
            first = first - running(left_out)[first]
        return b"".join([view[a:b] for view, a, b in self._places(rows)]), running(length)[
            first
        ].tolist()

    def _places(
        self, rows: Column, skipped: Column | int = 0
    ) -> Iterator[tuple[memoryview, int, int]]:
        """Of each of these pieces: its buffer, where in it it begins, but for the bytes `skipped`,
        and where it ends.
        """
        begin = self.streams.payload[rows]
        views = map(self.views.__getitem__, self.streams.buffer[rows].tolist())
        return zip(
            views,
            (begin + skipped).tolist(),
            (begin + self.streams.length[rows]).tolist(),
            strict=True,
        )

    def _digests(self, body: Column, bodies: list[bytes]) -> Column:
        """XXH3-128 of the bodies, where one of them is of stated length; else zeros."""
        if not (body == LENGTH).any():
            return np.zeros(len(body), "V16")
        return np.frombuffer(b"".join(map(xxh3_128_digest, bodies)), "V16")

    def _special(
        self, burst: int, head: int, block: int, framing: Framing, joined: bytes
    ) -> Body | None:
        """A body without stated length, or encoded, or large; None when a reader has to look at
        it.
        """
        coding = self.dictionary.coding(block) if self.decode else ""
        size = int(self.bursts.size[burst])
        if framing is Framing.CHUNKED:
            return whole_chunked(joined, coding) if size <= _LARGE else None
        sink = BodyDigest(coding)
        if size <= _LARGE:
            sink.update(joined)
        else:
            rows = self.bursts.row[self.bursts.first[burst] : self.bursts.first[burst + 1]]
            length = self.streams.length[rows]
            skipped = np.clip(
                head - running(length)[:-1], 0, length
            )  # of each piece: what belongs to the head
            for low in range(0, len(rows), _JOINED):
                part = slice(low, low + _JOINED)
                sink.update(
                    b"".join([view[a:b] for view, a, b in self._places(rows[part], skipped[part])])
                )
        return sink.body(
            framing, sink.length, sink.length if framing is Framing.CONTENT_LENGTH else None, True
        )

    def _rows(
        self,
        burst: Column,
        start: Column,
        block: Column,
        body: Column,
        length: Column,
        digest: Column,
        head: Column,
    ) -> MessageTable:
        """Rows for bursts of one side."""
        s, found = self.streams, self.bursts
        first, last = found.first[burst], found.first[burst + 1] - 1
        at = first.copy()
        over = np.flatnonzero(head > s.length[found.row[first]])  # heads of more than one piece
        at[over] = (
            np.searchsorted(self.before, self.before[first[over]] + head[over] - 1, "right") - 1
        )
        at = np.minimum(at, last)
        begin, middle, end = (found.row[place] for place in (first, at, last))
        frame, time = s.frame, s.time_ns
        return MessageTable(
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
        self._numbers = TextNumbers()
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
        ordinary = not line.weirds and line.status >= 200
        kinds.append(
            ordinary
            and _PLAIN
            | response_facts(line.status, None) & BODILESS
            | _OLD * (line.version == "HTTP/1.0")
        )
    return kinds


def _closed(streams: StreamTable, stream: Column) -> Column:
    """Of each burst: it is the last one on its connection, and who sent it closed behind it."""
    last = np.append(stream[1:] >> 1 != stream[:-1] >> 1, True)[: len(stream)]
    fin = streams.fin[stream]
    closed: Column = last & (fin >= 0) & (fin <= streams.end[stream]) & ~streams.reset[stream]
    return closed
