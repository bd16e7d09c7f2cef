"""The bytes of a body → XXH3-128 digests, as sent and after content decoding (RFC 9110 §8.4).

No body is held in memory: its bytes go through a `BodyDigest` as they come. Decoding is bounded by
MAX_DECODED, so a small body that unfolds to gigabytes costs no more than a large one.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final, Protocol

import xxhash

from lbtrace.model.http import Body, Framing
from lbtrace.tables.packets import Buffer

# bytes after content decoding; beyond it the content digest is unknown
MAX_DECODED: Final = 1 << 24
RATIO, SPARE = 1024, 1 << 18  # for a byte of zstd, and beside that: gzip has about this ratio


class _Decoder(Protocol):
    def decode(self, data: Buffer, room: int) -> bytes: ...

    def rest(self, room: int) -> bytes: ...

    @property
    def finished(self) -> bool: ...


class _Zlib:
    """gzip (RFC 1952), or deflate as zlib (RFC 1950) or, as many servers send it, raw (RFC
    1951).
    """

    def __init__(self, coding: str) -> None:
        self._z = zlib.decompressobj(31 if coding == "gzip" else 15)
        self._may_be_raw = coding == "deflate"
        self._first = b""  # a byte that is held back: two of them tell zlib from raw deflate

    def decode(self, data: Buffer, room: int) -> bytes:
        if self._may_be_raw:
            data = self._first + bytes(data)
            if len(data) < 2:
                self._first = data
                return b""
        try:
            out = self._z.decompress(data, room)
        except zlib.error:
            if not self._may_be_raw:
                raise
            self._z = zlib.decompressobj(-15)
            out = self._z.decompress(data, room)
        self._may_be_raw = False
        return out

    def rest(self, room: int) -> bytes:
        return b""

    @property
    def finished(self) -> bool:
        return self._z.eof


class _Zstd:
    """zstd (RFC 8878). Four bytes of it may stand for 128 KiB (§3.1.1.2), where gzip comes to a
    thousand for one. So it is decoded in small steps, at places that no segment moves, and what
    unfolds further than gzip could is given up.
    """

    def __init__(self) -> None:
        import zstandard

        self._z = zstandard.ZstdDecompressor(max_window_size=1 << 23).decompressobj()
        self._error = zstandard.ZstdError
        self._held = b""
        self._taken = self._given = 0

    def decode(self, data: Buffer, room: int) -> bytes:
        if self._z.eof:
            return b""  # what follows the frame is ignored, as behind a gzip member
        view = memoryview(self._held + bytes(data))
        out = bytearray()
        at = 0
        while not self._z.eof and len(out) < room and len(view) - at >= (step := self._step()):
            out += self._decoded(view[at : at + step])
            at += step
        self._held = bytes(view[at:])
        return bytes(out)

    def rest(self, room: int) -> bytes:
        held, self._held = self._held, b""
        return b"" if self._z.eof else self._decoded(memoryview(held))

    def _step(self) -> int:
        """How many bytes are decoded together: few where a small body would unfold."""
        return 16 if self._taken < 256 else 64 if self._taken < 4096 else 512

    def _decoded(self, data: memoryview) -> bytes:
        try:
            out: bytes = self._z.decompress(data)
        except self._error as error:
            raise zlib.error(str(error)) from None
        self._taken += len(data)
        self._given += len(out)
        if self._given > SPARE + RATIO * self._taken:
            raise zlib.error("unfolds too far")
        return out

    @property
    def finished(self) -> bool:
        return bool(self._z.eof)


_DECODERS: Final[dict[str, Callable[[], _Decoder]]] = {  # RFC 9110 §8.4.1, RFC 8878
    "gzip": lambda: _Zlib("gzip"),
    "x-gzip": lambda: _Zlib("gzip"),
    "deflate": lambda: _Zlib("deflate"),
    "zstd": _Zstd,
}


class BodyDigest:
    """A sink that counts and digests what passes, as sent and after content decoding."""

    __slots__ = ("_content", "_decoder", "_hash", "decoded", "length")

    def __init__(self, coding: str) -> None:
        self._hash = xxhash.xxh3_128()
        self._decoder: _Decoder | None = None
        self.length = self.decoded = 0
        if coding in _DECODERS:
            self._decoder = _DECODERS[coding]()
        self._content = xxhash.xxh3_128() if self._decoder else None

    def update(self, data: Buffer, /) -> None:
        """The next bytes of the body."""
        self.length += len(data)
        self._hash.update(data)
        if self._decoder is None or self._content is None:
            return
        self._unfold(self._decoder.decode, data)

    def _unfold(self, decode: Callable[..., bytes], *data: Buffer) -> None:
        """What a decoder gives, as far as it may."""
        assert self._content is not None
        try:
            out = decode(*data, MAX_DECODED - self.decoded + 1)
        except zlib.error:
            self._decoder = None
            return
        self.decoded += len(out)
        self._content.update(out)
        if self.decoded > MAX_DECODED:
            self._decoder = None

    def body(self, framing: Framing, length: int, declared: int | None, complete: bool) -> Body:
        """What passed, as a Body. A body of no bytes has a content of no bytes, though no encoder
        writes it so.
        """
        if not complete:
            return Body(framing, length, declared, False, None)
        if self._decoder is not None:
            self._unfold(self._decoder.rest)
        finished = self._decoder is not None and (self._decoder.finished or not self.length)
        if finished and self._content is not None:
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
