"""Bytes → whether HTTP/2 frames begin there (RFC 9113 §4.1, §6): how a reader finds its place
without a preface, or after a gap.

One frame head is nine bytes that many things could be. A chain of them, each beginning where the
one before ends, is hardly an accident.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from lbtrace.http.cursor import Cursor

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113 §3.4
HEAD: Final = 9  # bytes of a frame head
(
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION,
) = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20  # flags
_SEARCHED: Final = 64  # pieces in which a frame must begin where the capture begins inside one
_LOOKED_AT: Final = 4096  # bytes looked at to see whether frames begin
_DEFAULT_SIZE: Final = 1 << 14  # bytes; a longer frame must have been agreed upon (§4.2)
_FIXED: Final = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
_HEAD = Struct(">HBBBI").unpack


class FrameHead(NamedTuple):
    """The head of a frame. `reserved`: its reserved bit is set, which no sender does."""

    size: int
    kind: int
    flags: int
    stream: int
    reserved: bool


def frame_head(data: bytes) -> FrameHead | None:
    """The frame head that `data` is; None when it is cut."""
    if len(data) < HEAD:
        return None
    high, low, kind, flags, stream = _HEAD(data)
    return FrameHead(high << 8 | low, kind, flags, stream & 0x7FFFFFFF, stream > 0x7FFFFFFF)


def is_extension(head: FrameHead) -> bool:
    """True for a frame of a type that RFC 9113 does not know: to be ignored (§5.5). It is one only
    where a frame must begin.
    """
    return head.kind > CONTINUATION and head.size <= _DEFAULT_SIZE and not head.reserved


def can_be_frame(head: FrameHead) -> bool:
    """True when nothing in the head contradicts RFC 9113 §6."""
    size, kind, flags, stream, reserved = head
    if reserved or kind > CONTINUATION or (kind in _FIXED and size != _FIXED[kind]):
        return False
    if kind == SETTINGS:
        return not stream and size % 6 == 0 and not flags & ~ACK
    if kind in (PING, GOAWAY):
        return not stream and (kind == PING or size >= 8)
    return kind == WINDOW_UPDATE or bool(stream)


def begins_frames(data: bytes) -> bool:
    """True when `data` begins with whole plausible frames: two at least, or one that fills it, and
    not all of them empty DATA.
    """
    at = frames = weight = 0
    while (head := frame_head(data[at : at + HEAD])) is not None:
        if not (frames and is_extension(head)):
            if not can_be_frame(head) or (head.size > _DEFAULT_SIZE and head.kind != DATA):
                return False
            weight += head.kind != DATA or head.size > 0
            frames += 1
        at += HEAD + head.size
    return weight > 0 and (frames >= 2 or at == len(data))


def move_to_frames(cursor: Cursor, rows: range) -> bool:
    """Move to the first of these pieces that begins with plausible frames; False when none does."""
    p = cursor.pieces
    for row in rows:
        o = p.payload[row]
        head = frame_head(bytes(p.buffers[p.buffer[row]][o : o + min(p.length[row], HEAD)]))
        if head is not None and can_be_frame(head):
            cursor.move_to(p.start[row])
            if begins_frames(cursor.peek(_LOOKED_AT)):
                return True
    return False


def speaks(client: Cursor, server: Cursor) -> bool:
    """True when a connection whose preface was not captured carries HTTP/2 frames."""
    asked, answered = client.peek(_LOOKED_AT), server.peek(_LOOKED_AT)
    speak = [begins_frames(data) for data in (asked, answered) if data]
    if len(speak) == 2 and any(speak) and not all(speak):
        # the capture may begin inside a frame of one of them
        other = server if speak[0] else client
        ahead = Cursor(other.pieces, other.stream)
        return not other.pieces.known_start[other.stream] and move_to_frames(
            ahead, ahead.rows_ahead(ahead.offset)[:_SEARCHED]
        )
    return any(speak) and all(speak)
