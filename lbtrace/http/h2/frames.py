"""Bytes → whether HTTP/2 frames begin there (RFC 9113 §4.1, §6): how a reader finds its place
without a preface, or after a gap.

One frame head is nine bytes that many things could be; a chain of them, each beginning where the
one before ends, is hardly an accident.
"""

from __future__ import annotations

from typing import Final

from lbtrace.http.cursor import Cursor

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
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113 §3.4
_SEARCHED: Final = 64  # pieces in which a frame must begin where the capture begins inside one
_FIXED: Final = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}


def move_to_plausible(cursor: Cursor, rows: range) -> bool:
    """Move to the first of these pieces that begins with plausible frames; False when none does."""
    p = cursor.pieces
    for row in rows:
        o = p.payload[row]
        if plausible_frame(bytes(p.buffers[p.buffer[row]][o : o + min(p.length[row], 9)])):
            cursor.move_to(p.start[row])
            if plausible(cursor.peek(4096)):
                return True
    return False


def is_extension(head: bytes) -> bool:
    """True for the head of a frame of a type that RFC 9113 does not know: to be ignored (§5.5).
    Only where a frame must begin is it one.
    """
    return (
        len(head) == 9
        and head[3] > CONTINUATION
        and int.from_bytes(head[:3], "big") <= 1 << 14
        and not head[5] & 0x80
    )


def plausible_frame(head: bytes) -> bool:
    """True when nine bytes can be the head of a frame (RFC 9113 §4.1, §6)."""
    if len(head) < 9 or head[3] > CONTINUATION or head[5] & 0x80:
        return False
    size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
    connection = head[5:9] == bytes(4)
    if kind in _FIXED and size != _FIXED[kind]:
        return False
    if kind == SETTINGS:
        return connection and size % 6 == 0 and not flags & ~1
    if kind in (PING, GOAWAY):
        return connection and (kind == PING or size >= 8)
    return kind == WINDOW_UPDATE or not connection


def plausible(data: bytes) -> bool:
    """True when `data` begins with whole plausible frames: two at least, or one that fills it, and
    not all of them empty DATA.
    """
    at = frames = weight = 0
    while at + 9 <= len(data):
        size = int.from_bytes(data[at : at + 3], "big")
        if frames and is_extension(data[at : at + 9]):
            at += 9 + size
            continue
        if not plausible_frame(data[at : at + 9]):
            return False
        if size > 1 << 14 and data[at + 3] != DATA:
            return False
        weight += data[at + 3] != DATA or size > 0
        frames += 1
        at += 9 + size
    return weight > 0 and (frames >= 2 or at == len(data))


def speaks(client: Cursor, server: Cursor) -> bool:
    """True when a connection whose preface was not captured carries HTTP/2 frames."""
    asked, answered = client.peek(4096), server.peek(4096)
    speak = [plausible(said) for said in (asked, answered) if said]
    if (
        len(speak) == 2 and any(speak) and not all(speak)
    ):  # the capture may begin inside a frame of one of them
        other = server if speak[0] else client
        ahead = Cursor(other.pieces, other.stream)
        return not other.pieces.known_start[other.stream] and move_to_plausible(
            ahead, ahead.rows_ahead(ahead.offset)[:_SEARCHED]
        )
    return any(speak) and all(speak)
