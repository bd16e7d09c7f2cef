"""Bytes → whether HTTP/2 frames begin there (RFC 9113 §4.1, §6): how a reader finds its place
without a preface, or after a gap.

One frame head is nine bytes that many things could be; zeros alone are an empty DATA frame, nearly.
A chain of heads, each beginning where the frame before ends, is hardly an accident after a gap on a
connection that is known to be HTTP/2. To recognise HTTP/2 in the first place it takes more: both
directions have to be such chains, and one of the frames has to be *telling*: no DATA, and with
content that a sender would send.
"""

from __future__ import annotations

import re
from collections.abc import Callable
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
_HEAD = Struct(">HBBBI").unpack_from
# the flags that a sender may set (§6); all others must be left unset (§4.1)
_FLAGS: Final = {
    DATA: END_STREAM | PADDED,
    HEADERS: END_STREAM | END_HEADERS | PADDED | WITH_PRIORITY,
    SETTINGS: ACK,
    PUSH_PROMISE: END_HEADERS | PADDED,
    PING: ACK,
    CONTINUATION: END_HEADERS,
}
_SETTINGS: Final = frozenset({1, 2, 3, 4, 5, 6, 8, 9})  # §6.5.2, RFC 8441, RFC 9218
_ERRORS: Final = 0xD  # the last error code (§7)
_FIELD_NAME: Final = re.compile(rb":?[a-z0-9!#$%&'*+\-.^_`|~]+").fullmatch  # §8.2.1


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
    return _chain(data) is not None


def begins_well(cursor: Cursor) -> bool:
    """Whether a direction begins here as one must: with the preface, or with plausible frames."""
    return cursor.peek(len(PREFACE)) == PREFACE or begins_frames(cursor.peek(_LOOKED_AT))


def _chain(data: bytes) -> list[tuple[FrameHead, bytes]] | None:
    """The frames that `data` begins with, as far as their payload is there; None unless they are
    plausible (see `begins_frames`).

    A frame of DATA of which the size must have been agreed upon hides whatever follows. So it
    counts only on a stream of which there was a frame.
    """
    found: list[tuple[FrameHead, bytes]] = []
    at = 0
    while (head := frame_head(data[at : at + HEAD])) is not None:
        if found and not _may_follow(found[-1][0], head):
            return None
        if not (found and is_extension(head)):
            if not can_be_frame(head) or head.flags & ~_FLAGS.get(head.kind, 0):
                return None
            if head.size > _DEFAULT_SIZE:
                if head.kind != DATA:
                    return None
                if all(head.stream != before.stream for before, _ in found):
                    break
            found.append((head, data[at + HEAD : at + HEAD + head.size]))
        at += HEAD + head.size
    weight = any(head.kind != DATA or head.size for head, _ in found)
    return found if weight and (len(found) >= 2 or at == len(data)) else None


def _may_follow(before: FrameHead, head: FrameHead) -> bool:
    """Whether a frame may stand behind another: the parts of a header block are not parted
    (§6.10).
    """
    if before.kind in (HEADERS, PUSH_PROMISE, CONTINUATION) and not before.flags & END_HEADERS:
        return head.kind == CONTINUATION and head.stream == before.stream
    return head.kind != CONTINUATION


def _is_telling(head: FrameHead, payload: bytes) -> bool:
    """True for a whole frame with content that a sender would send, of a type that zeros and small
    numbers do not resemble.
    """
    test = _TELLING.get(head.kind)
    return test is not None and len(payload) == head.size and test(head, payload)


def _header_block(head: FrameHead, payload: bytes) -> bool:
    """Whether a block is plausible: each field name is a token, or refers to an entry not seen."""
    if head.flags & PADDED:
        payload = payload[1 : max(len(payload) - payload[0], 1)] if payload else b""
    if head.flags & WITH_PRIORITY:
        payload = payload[5:]
    from lbtrace.http.h2.hpack_tolerant import Decoder, MalformedBlockError  # with its tables

    try:
        fields = Decoder().decode(payload)
    except MalformedBlockError:
        return False
    return bool(fields) and all(name is None or _FIELD_NAME(name) for name, _ in fields)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


_TELLING: Final[dict[int, Callable[[FrameHead, bytes], bool]]] = {
    HEADERS: _header_block,
    RST_STREAM: lambda _, payload: _number(payload) <= _ERRORS,
    SETTINGS: lambda _, payload: (
        len(payload) > 0
        and all(_number(payload[k : k + 2]) in _SETTINGS for k in range(0, len(payload), 6))
    ),
    PING: lambda _, _payload: True,
    GOAWAY: lambda _, payload: payload[0] < 0x80 and _number(payload[4:8]) <= _ERRORS,
    WINDOW_UPDATE: lambda _, payload: 0 < _number(payload) < 1 << 31,
}


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


def begins_with_settings(data: bytes) -> bool:
    """Whether what a server says begins as HTTP/2 must: with a SETTINGS frame that acknowledges
    nothing (RFC 9113 §3.4).
    """
    head = frame_head(data)
    return head is not None and head.kind == SETTINGS and not head.flags and can_be_frame(head)


def speaks(client: Cursor, server: Cursor) -> bool:
    """True when a connection whose preface was not captured carries HTTP/2 frames."""
    if client.peek(1) and not _missed_start(client):
        return False  # a client would have begun with the preface (§3.4)
    sides = [cursor for cursor in (client, server) if cursor.peek(1)]
    chains = [_chain(cursor.peek(_LOOKED_AT)) for cursor in sides]
    if len(sides) == 2 and chains.count(None) == 1:
        # the capture may begin inside a frame of one of them
        other = chains.index(None)
        if not sides[other].pieces.known_start[sides[other].stream]:
            chains[other] = _chain_ahead(sides[other])
    frames = [frame for chain in chains for frame in chain or ()]
    return None not in chains and any(_is_telling(*frame) for frame in frames)


def _missed_start(cursor: Cursor) -> bool:
    """The first bytes of the stream are not in the capture."""
    p, first = cursor.pieces, cursor.first_row
    return not p.known_start[cursor.stream] or p.start[first] > 0


def _chain_ahead(cursor: Cursor) -> list[tuple[FrameHead, bytes]] | None:
    """The first plausible frames that a later piece begins with."""
    ahead = Cursor(cursor.pieces, cursor.stream)
    if not move_to_frames(ahead, ahead.rows_ahead(ahead.offset)[:_SEARCHED]):
        return None
    return _chain(ahead.peek(_LOOKED_AT))
