"""The bytes behind a head → a Body: its length, its digest and its framing (RFC 9112 §6, §7.1).

A body is never held in memory: its bytes go through a `BodyDigest` (XXH3-128, and the same after
content decoding, up to a limit). Chunked framing is taken off, so that any chunking of the same
bytes gives the same length and digest (a law in the tests). The size of a chunk is known, so a gap
inside its data is skipped exactly; a gap in the line that states the size ends the reading.
"""

from __future__ import annotations

import re
import zlib
from typing import Final, NamedTuple, Protocol

import xxhash

from lbtrace.http.cursor import Cursor
from lbtrace.http.h1.framing import FramingFields
from lbtrace.model.http import Body, Framing
from lbtrace.tables.packets import Buffer

MAX_DECODED: Final = (
    1 << 24
)  # bytes after content decoding; beyond it the content digest is unknown
MAX_CHUNK_LINE: Final = 1 << 14
EMPTY_BODY: Final = Body(Framing.CONTENT_LENGTH, 0, 0, True, xxhash.xxh3_128_hexdigest(b""))
TUNNEL_BODY: Final = Body(Framing.TUNNEL, 0, None, True, None)
_FOREVER: Final = 1 << 62
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n").match


class BodyRead(NamedTuple):
    """A body as it was read. `ended`: the framing came to its end, so the next message begins where
    the cursor stands.
    """

    body: Body
    ended: bool
    trailers: list[bytes]
    weirds: tuple[str, ...]


class _Decoder(Protocol):
    def decode(self, data: Buffer, room: int) -> bytes: ...

    @property
    def finished(self) -> bool: ...


class _Zlib:
    """gzip (RFC 1952), or deflate as zlib (RFC 1950) or, as many servers send it, raw (RFC
    1951).
    """

    def __init__(self, coding: str) -> None:
        self._z = zlib.decompressobj(31 if coding.endswith("gzip") else 15)
        self._may_be_raw = coding == "deflate"

    def decode(self, data: Buffer, room: int) -> bytes:
        try:
            out = self._z.decompress(data, room)
        except zlib.error:
            if not self._may_be_raw:
                raise
            self._z = zlib.decompressobj(-15)
            out = self._z.decompress(data, room)
        self._may_be_raw = False
        return out

    @property
    def finished(self) -> bool:
        return self._z.eof


class _Zstd:
    """zstd (RFC 8878)."""

    def __init__(self) -> None:
        import zstandard

        self._z = zstandard.ZstdDecompressor(max_window_size=1 << 23).decompressobj()
        self._error = zstandard.ZstdError

    def decode(self, data: Buffer, room: int) -> bytes:
        if self._z.eof:
            return b""  # what follows the frame is ignored, as behind a gzip member
        out = bytearray()
        view = memoryview(data)
        for at in range(0, len(view), 4096):
            try:
                out += self._z.decompress(view[at : at + 4096])
            except self._error as error:
                raise zlib.error(str(error)) from None
            if len(out) >= room or self._z.eof:
                break
        return bytes(out)

    @property
    def finished(self) -> bool:
        return bool(self._z.eof)


class BodyDigest:
    """A sink that counts and digests what passes, as sent and after content decoding."""

    __slots__ = ("_content", "_decoder", "_hash", "decoded", "length")

    def __init__(self, coding: str) -> None:
        self._hash = xxhash.xxh3_128()
        self._decoder: _Decoder | None = None
        self.length = self.decoded = 0
        if coding in ("gzip", "x-gzip", "deflate"):
            self._decoder = _Zlib(coding)
        elif coding == "zstd":
            self._decoder = _Zstd()
        self._content = xxhash.xxh3_128() if self._decoder else None

    def update(self, data: Buffer, /) -> None:
        """The next bytes of the body."""
        self.length += len(data)
        self._hash.update(data)
        if self._decoder is None or self._content is None:
            return
        try:
            out = self._decoder.decode(data, MAX_DECODED - self.decoded + 1)
        except zlib.error:
            self._decoder = None
            return
        self.decoded += len(out)
        self._content.update(out)
        if self.decoded > MAX_DECODED:
            self._decoder = None

    def body(self, framing: Framing, length: int, declared: int | None, complete: bool) -> Body:
        """What passed, as a Body."""
        if not complete:
            return Body(framing, length, declared, False, None)
        if self._decoder is not None and self._content is not None and self._decoder.finished:
            return Body(
                framing,
                length,
                declared,
                True,
                self._hash.hexdigest(),
                self._content.hexdigest(),
                self.decoded,
            )
        return Body(framing, length, declared, True, self._hash.hexdigest())


def read_length(cursor: Cursor, size: int, coding: str) -> BodyRead:
    """A body of `size` bytes."""
    sink = BodyDigest(coding)
    before = cursor.offset
    taken = cursor.take(size, sink)
    ended = cursor.offset - before == size
    return BodyRead(sink.body(Framing.CONTENT_LENGTH, taken, size, taken == size), ended, [], ())


def read_until_close(cursor: Cursor, fields: FramingFields, closed: bool, end: int) -> BodyRead:
    """All that is left of the stream; complete when it was seen to end with a FIN, with nothing
    missing.
    """
    sink = BodyDigest(fields.coding)
    before = cursor.offset
    taken = cursor.take(_FOREVER, sink)
    complete = closed and taken == cursor.offset - before and cursor.offset >= end
    return BodyRead(sink.body(Framing.UNTIL_CLOSE, taken, None, complete), True, [], ())


def read_chunked(cursor: Cursor, fields: FramingFields) -> BodyRead:
    """RFC 9112 §7.1: size in hexadecimal, extensions, data, …, a chunk of size 0, trailer lines, an
    empty line.
    """
    sink = BodyDigest(fields.coding)
    odd: dict[str, None] = {}
    length = 0
    whole = True
    declared = fields.declared

    def stop(ended: bool, trailers: list[bytes]) -> BodyRead:
        return BodyRead(
            sink.body(Framing.CHUNKED, length, declared, whole and ended),
            ended,
            trailers,
            tuple(odd),
        )

    while True:
        line = cursor.line(MAX_CHUNK_LINE)
        if line is None:
            whole = False
            return stop(False, [])
        size = _chunk_size(line, odd)
        if size is None:
            whole = False
            return stop(False, [])
        if size == 0:
            break
        before = cursor.offset
        taken = cursor.take(size, sink if whole else None)
        length += taken
        whole = whole and taken == size
        if cursor.offset - before < size:
            return stop(False, [])
        close = cursor.peek(2)
        if close == b"\r\n":
            cursor.pos += 2
        elif close[:1] == b"\n":
            odd["chunk-bare-lf"] = None
            cursor.pos += 1
        elif len(close) < 2 and b"\r\n".startswith(close):
            if not (cursor.at_gap() and not close):
                whole = False
                return stop(False, [])
            cursor.take(2, None)  # the CRLF is in the gap
        else:
            odd["chunk-end-missing"] = None
            whole = False
            return stop(False, [])
    trailers: list[bytes] = []
    room = 1 << 16
    while True:
        line = cursor.line(room)
        if line is None:
            whole = False
            return stop(False, trailers)
        room -= len(line)
        if not line.endswith(b"\r\n"):
            odd["chunk-bare-lf"] = None
        text = line.rstrip(b"\r\n")
        if not text:
            return stop(True, trailers)
        trailers.append(text)


def whole_chunked(data: bytes, coding: str) -> Body | None:
    """`data` as a chunked body, when it is exactly that and of ordinary shape (no extensions, no
    trailers): what `read_chunked` makes of it.
    """
    sink = BodyDigest(coding)
    view = memoryview(data)
    at = 0
    while line := _CHUNK(data, at):
        begin = line.end()
        end = begin + int(line[1], 16)
        if begin == end:
            return (
                sink.body(Framing.CHUNKED, sink.length, None, True)
                if data[begin:] == b"\r\n"
                else None
            )
        if data[end : end + 2] != b"\r\n":
            return None
        sink.update(view[begin:end])
        at = end + 2
    return None


def chunked_end(data: bytes) -> int | None:
    """Where a chunked body that begins `data` would end, None when that is not in `data`."""
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
