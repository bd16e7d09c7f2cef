"""The bytes of a body → XXH3-128 digests, as sent and after content decoding (RFC 9110 §8.4).

No body is held in memory: its bytes go through a `BodyDigest` as they come. A body may unfold to
MAX_DECODED bytes, and to RATIO times its own, counted in whole steps of STEP bytes. So many small
bodies that unfold to gigabytes cost no more than large ones. The content of a body beyond that is
unknown, and the weird CONTENT_LIMITED is said of it. Each body is judged alone, and only where a
step ends: it does not matter how segments cut it, and which bodies are read before.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final, Protocol

import xxhash

from lbtrace.model.http import Body, Framing
from lbtrace.tables.packets import Buffer

MAX_DECODED: Final = 1 << 24
RATIO: Final = 64
STEP: Final = 1 << 12
CONTENT_LIMITED: Final = "content-limited"  # the weird of a body that unfolds too far


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
    thousand for one. So it is decoded in small steps, at places that no segment moves.
    """

    def __init__(self) -> None:
        import zstandard

        self._z = zstandard.ZstdDecompressor(max_window_size=1 << 23).decompressobj()
        self._error = zstandard.ZstdError
        self._held = b""
        self._taken = 0

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


CODINGS: Final = frozenset(_DECODERS)  # those that are decoded


class BodyDigest:
    """A sink that counts and digests what passes, as sent and after content decoding. `limited`:
    it unfolds too far.
    """

    __slots__ = ("_content", "_decoder", "_hash", "decoded", "length", "limited")

    def __init__(self, coding: str) -> None:
        self._hash = xxhash.xxh3_128()
        self._decoder: _Decoder | None = None
        self.length = self.decoded = 0
        self.limited = False
        if coding in _DECODERS:
            self._decoder = _DECODERS[coding]()
        self._content = xxhash.xxh3_128() if self._decoder else None

    def update(self, data: Buffer, /) -> None:
        """The next bytes of the body."""
        self._hash.update(data)
        if self._decoder is None:
            self.length += len(data)
            return
        view, at = memoryview(data), 0
        while at < len(view):
            part = view[at : at + STEP - self.length % STEP]
            self.length += len(part)
            at += len(part)
            if self._decoder is not None:
                self._unfold(self._decoder.decode, part)

    def _unfold(self, decode: Callable[..., bytes], *data: Buffer) -> None:
        """What a decoder gives, as far as it may."""
        assert self._content is not None
        most = min(MAX_DECODED, RATIO * STEP * -(-self.length // STEP))
        try:
            out = decode(*data, most - self.decoded + 1)
        except zlib.error:
            self._decoder = None
            return
        self.decoded += len(out)
        self._content.update(out)
        if self.decoded > most:
            self._decoder = None
            self.limited = True

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
