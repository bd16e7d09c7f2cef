"""One direction of an HTTP/2 connection → what becomes of its bytes (RFC 9113, RFC 7541).

Frames stay but for four things: values in header blocks are masked in place, in the code they came
in; padding, and what a GOAWAY adds for people, are blanked; so is what a frame of an unknown type
carries (RFC 9113 §5.5); DATA is scrambled where bodies are. A
value whose name was sent in bytes that the capture lost is masked whole: it may be anything. What
is no frame, and header blocks that are cut, are kept by nobody, and so are blanked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lbtrace.http.cursor import Cursor
from lbtrace.http.h2.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    GOAWAY,
    HEAD,
    HEADERS,
    PADDED,
    PREFACE,
    PUSH_PROMISE,
    WITH_PRIORITY,
    FrameHead,
    begins_frames,
    can_be_frame,
    frame_head,
    is_extension,
    move_to_frames,
)
from lbtrace.http.h2.hpack_tolerant import (
    Decoder,
    HpackField,
    MalformedBlockError,
    integer,
    string,
)
from lbtrace.redact.heads import HeadMask
from lbtrace.redact.same_length import Scramble
from lbtrace.redact.search import encoded
from lbtrace.redact.stream_plan import StreamPlan

_MAX_FRAME: Final = 1 << 20
_LOOKED_AT: Final = 4096
_GOAWAY_BYTES: Final = 8  # last stream, error code; then text (RFC 9113 §6.8)
_EIGHT_BITS: Final = b"X"  # a letter that takes a byte in the Huffman code
_NO_FIELD: Final = b"\x80"  # an index that no table has


class _LocatingDecoder(Decoder):
    """Says of each value that stands in a block where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[tuple[bytes | None, bytes, int, int]] = []  # name, value, begin, end

    def _literal(self, block: bytes, at: int, insert: bool) -> tuple[HpackField, int]:
        field, end = super()._literal(block, at, insert)
        index, begin = integer(block, at, 6 if insert else 4)
        if not index:
            _, begin = string(block, begin)
        self.values.append((field.name, field.value or b"", begin, end))
        return field, end


class Http2Stream:
    """Reads one direction, and fills its plan. `bodies` makes the letters for the DATA of a stream,
    None where bodies stay.
    """

    def __init__(
        self,
        cursor: Cursor,
        plan: StreamPlan,
        mask: HeadMask,
        bodies: Callable[[int], Scramble] | None,
    ) -> None:
        self.cursor = cursor
        self.plan = plan
        self.mask = mask
        self.bodies = bodies
        self._sent: dict[int, int] = {}  # bytes of DATA so far, by stream
        self._decoder = _LocatingDecoder()
        self.blocks_blanked = 0

    def read(self) -> None:
        """Read all of it."""
        cursor = self.cursor
        if cursor.peek(len(PREFACE)) == PREFACE:
            self._keep(len(PREFACE))
        elif not begins_frames(cursor.peek(_LOOKED_AT)) and not self._find_again():
            return
        while not cursor.ended():
            if not self._frame() and not self._find_again():
                return

    def _find_again(self) -> bool:
        self._decoder.forget()
        return move_to_frames(self.cursor, self.cursor.rows_ahead(self.cursor.offset))

    def _keep(self, size: int) -> bool:
        """Keep so many bytes; whether the stream has them."""
        begin = self.cursor.offset
        self.cursor.take(size, None)
        self.plan.keep(begin, self.cursor.offset)
        return self.cursor.offset - begin == size

    def _frame(self) -> bool:
        cursor = self.cursor
        head = frame_head(cursor.peek(HEAD))
        if head is None:
            return False
        if is_extension(head):
            self._keep(HEAD)
            cursor.take(head.size, None)
            return True
        if not can_be_frame(head):
            return False
        if head.kind == DATA:
            return self._keep(HEAD) and self._data(head)
        if head.size > _MAX_FRAME or len(cursor.peek(HEAD + head.size)) < HEAD + head.size:
            self._keep(HEAD)
            return False
        if head.kind in (HEADERS, PUSH_PROMISE):
            self._headers(head)
            return True
        if head.kind == GOAWAY:
            self._keep(HEAD + _GOAWAY_BYTES)
            cursor.take(head.size - _GOAWAY_BYTES, None)
            return True
        return self._keep(HEAD + head.size)

    def _data(self, head: FrameHead) -> bool:
        """RFC 9113 §6.1."""
        cursor, size, padding = self.cursor, head.size, 0
        if head.flags & PADDED and size:
            first = cursor.peek(1)
            self._keep(1)
            size -= 1
            padding = min(first[0] if first else 0, size)
        begin, whole = cursor.offset, size - padding
        cursor.take(whole, None)
        end = cursor.offset
        if self.bodies is None:
            self.plan.keep(begin, end)
        else:
            origin = self._sent.get(head.stream, 0)
            self.plan.scramble(begin, end, self.bodies(head.stream), origin)
            self._sent[head.stream] = origin + whole
        if end - begin == whole and padding:
            self._padding(padding)
        return end - begin == whole

    def _padding(self, size: int) -> None:
        """Padding is zeros (RFC 9113 §6.1)."""
        begin = self.cursor.offset
        self.cursor.take(size, None)
        self.plan.put(begin, bytes(self.cursor.offset - begin))

    def _headers(self, head: FrameHead) -> None:
        """RFC 9113 §6.2, §6.6, §6.10: a header block in one frame or several."""
        cursor = self.cursor
        padding = cursor.peek(HEAD + 1)[HEAD] if head.flags & PADDED and head.size else 0
        before = bool(head.flags & PADDED) + (
            4 if head.kind == PUSH_PROMISE else 5 * bool(head.flags & WITH_PRIORITY)
        )
        size = max(head.size - before - padding, 0)
        self._keep(HEAD + min(before, head.size))
        parts = [(cursor.offset, cursor.peek(size))]
        cursor.take(head.size - min(before, head.size), None)
        whole = bool(head.flags & END_HEADERS)
        while not whole:
            more = frame_head(cursor.peek(HEAD))
            there = more and len(cursor.peek(HEAD + more.size)) == HEAD + more.size
            if more is None or not there or more.kind != CONTINUATION:
                break
            parts.append((cursor.offset + HEAD, cursor.peek(HEAD + more.size)[HEAD:]))
            whole = bool(more.flags & END_HEADERS)
            cursor.take(HEAD + more.size, None)
        self._block(parts, max(head.size - before - size, 0))

    def _block(self, parts: list[tuple[int, bytes]], padding: int) -> None:
        """A header block that came in parts, each with its offset, and the padding of the first."""
        block = self._masked(b"".join(data for _, data in parts))
        at = 0
        for number, (offset, data) in enumerate(parts):
            if number:
                self.plan.keep(offset - HEAD, offset)
            self.plan.put(offset, block[at : at + len(data)])
            at += len(data)
            if not number:
                self.plan.put(offset + len(data), bytes(padding))

    def _masked(self, block: bytes) -> bytes:
        decoder = self._decoder
        decoder.values = []
        malformed = False
        try:
            decoder.decode(block)
        except MalformedBlockError:
            decoder.forget()
            malformed = True
        masked = bytearray(block)
        for name, value, begin, end in decoder.values:
            if name is None:
                new = self.mask.unknown(value)
            else:
                new = self.mask.value(name.decode("latin-1"), value)
            if new != value:
                self._place(masked, begin, end, new)
        if malformed:
            read = decoder.values[-1][3] if decoder.values else 0
            masked[read:] = _NO_FIELD * (len(block) - read)
            self.blocks_blanked += 1
        return bytes(masked)

    def _place(self, block: bytearray, begin: int, end: int, new: bytes) -> None:
        """Write a value over the one at [begin, end) of a block, in the same code."""
        huffman = bool(block[begin] & 0x80)
        size, at = integer(bytes(block[begin : begin + 10]), 0, 7)
        begin += at
        code = encoded(new) if huffman else new
        if len(code) != end - begin:
            code = encoded(_EIGHT_BITS * size) if huffman else _EIGHT_BITS * size
            self.blocks_blanked += 1
        block[begin:end] = code
