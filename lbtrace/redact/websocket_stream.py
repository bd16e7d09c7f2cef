"""One direction of a WebSocket connection → what becomes of its bytes (RFC 6455 §5.2).

The head of a frame stays: its type, its length and the masking key; so does the code of a Close.
What a frame carries is scrambled, drawn from what it carries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lbtrace.http.cursor import Cursor
from lbtrace.redact.same_length import Scramble
from lbtrace.redact.stream_plan import StreamPlan

_CLOSE: Final = 8
_CODE_BYTES: Final = 2
_PART: Final = 1 << 16
_KNOWN: Final = frozenset({0, 1, 2, 8, 9, 10})


def websocket(cursor: Cursor, plan: StreamPlan, letters: Callable[..., Scramble]) -> None:
    """Read frames as long as whole heads of them follow each other."""
    while head := _head(cursor.peek(14)):
        size, opcode, masked = head
        begin = cursor.offset
        cursor.take(size[0], None)
        plan.keep(begin, cursor.offset)
        _payload(cursor, plan, size[1], opcode, masked, letters)


def _head(data: bytes) -> tuple[tuple[int, int], int, bytes] | None:
    """The sizes of a frame's head and payload, its opcode, its masking key ("" without)."""
    if len(data) < 2 or data[0] & 0x0F not in _KNOWN:
        return None
    size, more = data[1] & 0x7F, {126: 2, 127: 8}.get(data[1] & 0x7F, 0)
    key = 4 * bool(data[1] & 0x80)
    if len(data) < 2 + more + key:
        return None
    if more:
        size = int.from_bytes(data[2 : 2 + more])
    return (2 + more + key, size), data[0] & 0x0F, data[2 + more : 2 + more + key]


def _payload(
    cursor: Cursor,
    plan: StreamPlan,
    size: int,
    opcode: int,
    key: bytes,
    letters: Callable[..., Scramble],
) -> None:
    at = 0
    while at < size:
        begin = cursor.offset
        data = cursor.peek(min(size - at, _PART))
        if not data:  # in a gap, or at the end
            cursor.take(size - at, None)
            return
        plain = _unmasked(data, key, at)
        drawn = bytearray(letters(b"websocket", plain).letters(0, len(plain)))
        if opcode == _CLOSE and not at:
            drawn[:_CODE_BYTES] = plain[:_CODE_BYTES]
        plan.put(begin, _unmasked(bytes(drawn), key, at))
        cursor.take(len(data), None)
        at += len(data)


def _unmasked(data: bytes, key: bytes, at: int) -> bytes:
    """RFC 6455 §5.3; the same masks again."""
    if not key:
        return data
    turned = key[at % 4 :] + key[: at % 4]
    mask = (turned * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data) ^ int.from_bytes(mask)).to_bytes(len(data))
