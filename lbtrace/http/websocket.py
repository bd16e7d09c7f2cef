"""The bytes that one end sent in a WebSocket → how many messages, their digest, and how it was
closed (RFC 6455 §5).

Bytes are fed as they come, each piece with its frame and time (`WebSocketReader`), so HTTP/1 and
HTTP/2 (RFC 8441) are read alike. Payload is unmasked and digested, and never kept.

The digest is that of the payloads, with the type and the length of each message behind it. So it
does not depend on masking keys, nor on how messages are cut into frames: a proxy may do both anew
(§5.4).
Compressed messages (RFC 7692) are digested as they were sent.

A byte that is missing ends the reading: nothing in the frames behind it tells where one begins.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

import xxhash

from lbtrace.http.digest import BodyDigest
from lbtrace.model.websocket import WebSocketEnd

if TYPE_CHECKING:
    from lbtrace.http.cursor import Cursor, StreamPieces
    from lbtrace.tables.packets import Buffer

_CONTINUATION, TEXT, BINARY, CLOSE, PING, _PONG = 0, 1, 2, 8, 9, 10  # opcodes (§5.2)
_DATA: Final = (_CONTINUATION, TEXT, BINARY)
NO_CODE: Final = 1005  # stands for a Close frame without a code (§7.1.5)
WEB_SOCKET: Final = "websocket"  # what Upgrade and :protocol name it
DEFLATE: Final = "permessage-deflate"
_CONTROL: Final = 125  # the most bytes of a control frame
_REASON: Final = 123


class WebSocketReader:
    """One direction of a WebSocket, fed piece by piece."""

    __slots__ = (
        "_control", "_fin", "_frame", "_hash", "_head", "_key", "_kind", "_left", "_length",
        "_opcode", "_phase", "_time_ns", "bytes", "closed", "last", "messages", "pings", "whole",
    )  # fmt: skip

    def __init__(self) -> None:
        self.messages = self.bytes = self.pings = 0
        self.whole = True
        self.closed: tuple[int, str, int, int] | None = None  # code, reason, frame, time
        self.last: tuple[int, int] | None = None
        self._hash = xxhash.xxh3_128()
        self._head = b""
        self._control = bytearray()
        self._left = self._length = self._phase = self._opcode = self._kind = 0
        self._key, self._fin = b"", True
        self._frame = self._time_ns = 0

    def update(self, data: Buffer, frame: int, time_ns: int) -> None:
        """The next bytes."""
        self._frame, self._time_ns = frame, time_ns
        at, size = 0, len(data)
        while at < size and self.whole and self.closed is None:
            if self._left:
                step = min(self._left, size - at)
                self._payload(bytes(data[at : at + step]))
                at += step
            else:
                need = self._head_size() - len(self._head)
                self._head += bytes(data[at : at + need])
                at += need
                if len(self._head) == self._head_size():
                    self._begin()

    def lost(self) -> None:
        """Bytes are missing: what follows cannot be read."""
        self.whole = False

    def end(self, ended: bool) -> WebSocketEnd:
        """What was read. `ended`: nothing was sent behind it."""
        whole = self.whole and not self._left and not self._head
        code, reason, frame, time_ns = self.closed or (None, "", None, None)
        last_frame, last_ns = self.last or (None, None)
        done = whole and (ended or self.closed is not None)
        return WebSocketEnd(
            self.messages,
            self.bytes,
            self._hash.hexdigest() if done else None,
            self.pings,
            code,
            reason,
            frame,
            time_ns,
            last_frame,
            last_ns,
            whole,
        )

    def _head_size(self) -> int:
        """Bytes of the head of a frame, as far as its beginning tells (§5.2)."""
        if len(self._head) < 2:
            return 2
        second = self._head[1]
        longer = {126: 2, 127: 8}.get(second & 0x7F, 0)
        return 2 + longer + (4 if second & 0x80 else 0)

    def _begin(self) -> None:
        """A head is whole."""
        first, second = self._head[:2]
        masked, short = second & 0x80, second & 0x7F
        self._fin, self._opcode = bool(first & 0x80), first & 0x0F
        length = short
        if short > _CONTROL:
            length = int.from_bytes(self._head[2 : 4 if short == 126 else 10], "big")
        self._key = self._head[-4:] if masked else b""
        self._phase, self._left, self._head = 0, length, b""
        self._kind = self._opcode if self._opcode in (TEXT, BINARY) else self._kind
        control = self._opcode in (CLOSE, PING, _PONG)
        if not (control or self._opcode in _DATA) or (
            control and (length > _CONTROL or not self._fin)
        ):
            self.whole = False  # no frame: reading has lost its way
            return
        if not length:
            self._done()

    def _payload(self, data: bytes) -> None:
        """Bytes of a payload."""
        self._left -= len(data)
        if self._key:
            data = unmasked(data, self._key, self._phase)
            self._phase = (self._phase + len(data)) & 3
        if self._opcode in _DATA:
            self._length += len(data)
            self.bytes += len(data)
            self._hash.update(data)
        else:
            self._control += data
        if not self._left:
            self._done()

    def _done(self) -> None:
        """A frame is whole."""
        self.last = self._frame, self._time_ns
        if self._opcode in _DATA:
            if self._fin:
                self.messages += 1
                self._hash.update(bytes([self._kind]) + self._length.to_bytes(8, "big"))
                self._length = 0
            return
        said, self._control = bytes(self._control), bytearray()
        if self._opcode == PING:
            self.pings += 1
        elif self._opcode == CLOSE:
            code = int.from_bytes(said[:2], "big") if len(said) >= 2 else NO_CODE
            reason = said[2 : 2 + _REASON].decode("utf-8", "replace")
            self.closed = code, reason, self._frame, self._time_ns


class WebSocketDigest(BodyDigest):
    """The digest of an HTTP/2 stream that reads the WebSocket in it. `place` is the frame that the
    next bytes are in, and its time.
    """

    __slots__ = ("place", "reader")

    def __init__(self) -> None:
        super().__init__("")
        self.reader = WebSocketReader()
        self.place = (0, 0)

    def update(self, data: Buffer, /) -> None:
        """The next bytes of the stream."""
        super().update(data)
        self.reader.update(data, *self.place)


def unmasked(data: bytes, key: bytes, phase: int) -> bytes:
    """Payload without its mask (§5.3), from a place in the key on."""
    size = len(data)
    key = (key[phase:] + key[:phase]) * (size // 4 + 1)
    whole = int.from_bytes(data, "little") ^ int.from_bytes(key[:size], "little")
    return whole.to_bytes(size, "little")


def _sent_ns(pieces: StreamPieces, stream: int, row: int) -> int:
    """When a piece was sent: after all of its stream before it, and after all that it acknowledges
    of the other end's, though that may be stamped later (RFC 9293 §3.4). So the answer to a Close
    comes behind it.
    """
    first, end = pieces.first[stream ^ 1], pieces.first[(stream ^ 1) + 1]
    acked = bisect_left(pieces.start, pieces.ack[row], first, end)
    past = [
        *pieces.time_ns[pieces.first[stream] : row],
        *pieces.time_ns[first:acked],
    ]
    own: int = pieces.time_ns[row]
    latest: int = max(past, default=own)
    # each of those before it takes a nanosecond: what follows them stays behind them
    return own if latest <= own else latest + len(past)


def read(cursor: Cursor) -> WebSocketEnd:
    """What the stream of a cursor sends from there on."""
    reader = WebSocketReader()
    pieces, at = cursor.pieces, cursor.offset
    row = max(cursor.row_at(at), cursor.first_row)
    stream = cursor.stream
    while row < cursor.end_row and reader.whole:
        start, length = pieces.start[row], pieces.length[row]
        if start > at:
            reader.lost()
        elif start + length > at:
            begin = pieces.payload[row] + at - start
            data = pieces.buffers[pieces.buffer[row]][begin : begin + start + length - at]
            reader.update(data, pieces.frame[row], pieces.time_ns[row])
            if reader.closed is not None and reader.closed[2] == pieces.frame[row]:
                reader.closed = (*reader.closed[:3], _sent_ns(pieces, stream, row))
            at = start + length
        row += 1
    if at < max(pieces.end[stream], pieces.fin[stream]):
        reader.lost()
    return reader.end(pieces.fin[stream] >= 0 or bool(pieces.reset[stream]))
