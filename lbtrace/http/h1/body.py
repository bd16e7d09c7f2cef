"""The bytes behind a head → a Body: its length, its digest and its framing (RFC 9112 §6, §7.1).

Chunked framing is taken off, so that any chunking of the same bytes gives the same length and
digest (a law in the tests). The size of a chunk is known, so a gap inside its data is skipped
exactly; a gap in the line that states the size ends the reading.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import xxhash

from lbtrace.http.cursor import Cursor, Sink
from lbtrace.http.digest import BodyDigest
from lbtrace.http.h1.head import CRLF
from lbtrace.model.http import NO_BODY, Body, Framing

MAX_CHUNK_LINE: Final = 1 << 14
_MAX_TRAILERS: Final = 1 << 16  # bytes
_FOREVER: Final = 1 << 62
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n").match


class BodyRead(NamedTuple):
    """A body as it was read. `ended`: its end was found, so the next message begins where the
    cursor stands. `limited`: it unfolds too far.
    """

    body: Body
    ended: bool
    trailers: Sequence[bytes] = ()
    weirds: tuple[str, ...] = ()
    limited: bool = False


NOTHING: Final = BodyRead(NO_BODY, True)
TUNNEL: Final = BodyRead(Body(Framing.TUNNEL, 0, None, True, None), True)
_EMPTY: Final = BodyRead(
    Body(Framing.CONTENT_LENGTH, 0, 0, True, xxhash.xxh3_128_hexdigest(b"")), True
)


def no_body(declared: int | None) -> BodyRead:
    """The message has no body, whatever length it declares."""
    return BodyRead(Body(Framing.NONE, 0, declared, True, None), True)


def not_read(declared: int | None) -> BodyRead:
    """The head is cut, so nobody knows where a body would begin."""
    return BodyRead(Body(Framing.NONE, 0, declared, False, None), False)


def read_length(cursor: Cursor, size: int, coding: str) -> BodyRead:
    """A body of `size` bytes; `coding` is the content coding to undo, "" for none."""
    if not size and not coding:
        return _EMPTY
    sink = BodyDigest(coding)
    before = cursor.offset
    taken = cursor.take(size, sink)
    ended = cursor.offset - before == size
    body = sink.body(Framing.CONTENT_LENGTH, taken, size, taken == size)
    return BodyRead(body, ended, limited=sink.limited)


def read_until_close(cursor: Cursor, coding: str, closed: bool, end: int) -> BodyRead:
    """All that is left of the stream. The body is complete when the stream was `closed` by a FIN at
    offset `end` and no byte before it is missing.
    """
    sink = BodyDigest(coding)
    before = cursor.offset
    taken = cursor.take(_FOREVER, sink)
    complete = closed and taken == cursor.offset - before and cursor.offset >= end
    return BodyRead(
        sink.body(Framing.UNTIL_CLOSE, taken, None, complete), True, limited=sink.limited
    )


def read_chunked(cursor: Cursor, declared: int | None, coding: str) -> BodyRead:
    """RFC 9112 §7.1: size in hexadecimal, extensions, data, …, a chunk of size 0, trailer lines, an
    empty line. `declared` is a Content-Length beside it.
    """
    sink = BodyDigest(coding)
    chunks = _Chunks(cursor, sink)
    ended = chunks.read_data() and chunks.read_trailers()
    complete = ended and chunks.whole
    body = sink.body(Framing.CHUNKED, chunks.length, declared, complete)
    return BodyRead(body, ended, chunks.trailers, tuple(chunks.weirds), sink.limited)


def feed_chunked(cursor: Cursor, sink: Sink) -> None:
    """Feed the data of a chunked body to `sink`, up to its end or to what is missing."""
    _Chunks(cursor, sink).read_data()


class _Chunks:
    """A chunked body on its way. `whole`: no byte of its data is missing."""

    def __init__(self, cursor: Cursor, sink: Sink) -> None:
        self.cursor = cursor
        self.sink = sink
        self.length = 0
        self.whole = True
        self.trailers: list[bytes] = []
        self.weirds: dict[str, None] = {}

    def read_data(self) -> bool:
        """Read up to the chunk of size 0; False when it is not found."""
        while True:
            line = self.cursor.line(MAX_CHUNK_LINE)
            size = None if line is None else _chunk_size(line, self.weirds)
            if size is None:
                return False
            if size == 0:
                return True
            if not (self._read_chunk(size) and self._read_chunk_end()):
                return False

    def _read_chunk(self, size: int) -> bool:
        cursor = self.cursor
        before = cursor.offset
        taken = cursor.take(size, self.sink if self.whole else None)
        self.length += taken
        self.whole = self.whole and taken == size
        return cursor.offset - before == size

    def _read_chunk_end(self) -> bool:
        cursor = self.cursor
        end = cursor.peek(2)
        if end == CRLF:
            cursor.pos += 2
        elif end[:1] == b"\n":
            self.weirds["chunk-bare-lf"] = None
            cursor.pos += 1
        elif not end and cursor.at_gap():
            cursor.take(2, None)  # the CRLF is in the gap
        else:
            if not CRLF.startswith(end):
                self.weirds["chunk-end-missing"] = None
            return False
        return True

    def read_trailers(self) -> bool:
        """Read up to the empty line; False when it is not found."""
        room = _MAX_TRAILERS
        while (line := self.cursor.line(room)) is not None:
            room -= len(line)
            if not line.endswith(CRLF):
                self.weirds["chunk-bare-lf"] = None
            text = line.rstrip(CRLF)
            if not text:
                return True
            self.trailers.append(text)
        return False


def whole_chunked(data: bytes, coding: str) -> Body | None:
    """What `read_chunked` makes of `data`; None unless `data` is exactly one chunked body of
    ordinary shape (no extensions, no trailers), that does not unfold too far.
    """
    sink = BodyDigest(coding)
    view = memoryview(data)
    at = 0
    while line := _CHUNK(data, at):
        begin = line.end()
        end = begin + int(line[1], 16)
        if begin == end:
            if data[begin:] != b"\r\n":
                return None
            body = sink.body(Framing.CHUNKED, sink.length, None, True)
            return None if sink.limited else body
        if data[end : end + 2] != b"\r\n":
            return None
        sink.update(view[begin:end])
        at = end + 2
    return None


def chunked_end(data: bytes) -> int | None:
    """The length of the chunked body that `data` begins with; None when its end is not there."""
    odd: dict[str, None] = {}
    at = 0
    while True:
        eol = data.find(b"\n", at, at + MAX_CHUNK_LINE)
        size = _chunk_size(data[at : eol + 1], odd) if eol >= 0 else None
        if size is None:
            return None
        at = eol + 1
        if size == 0:
            break
        at += size
        at += 2 if data[at : at + 2] == b"\r\n" else 1
    while True:
        eol = data.find(b"\n", at)
        if eol < 0:
            return None
        empty = not data[at:eol].strip(b"\r")
        at = eol + 1
        if empty:
            return at


def _chunk_size(line: bytes, odd: dict[str, None]) -> int | None:
    if not line.endswith(b"\r\n"):
        odd["chunk-bare-lf"] = None
    digits, semicolon, _extension = line.rstrip(b"\r\n").partition(b";")
    if semicolon:
        odd["chunk-extension"] = None
    number = digits.strip(b" \t")
    try:
        plain = number.isalnum() and number.isascii()
        size = int(number, 16) if plain and len(number) <= 1024 else None
    except ValueError:
        size = None
    if size is None or b"x" in number.lower():
        odd["chunk-size-invalid"] = None
        return None
    if size >= 1 << 64:
        odd["chunk-size-huge"] = None
        return None
    return size
