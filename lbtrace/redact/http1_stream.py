"""One direction of an HTTP/1 connection → what becomes of its bytes (RFC 9112).

Where the messages begin, and how their bodies end, says the result of `lbtrace.http`. Heads, chunk
lines and trailers are masked, bodies stay or are scrambled. What stands between messages (bytes
behind a gap, of which nobody knows what they belong to) is kept by nobody, and so is blanked; but
for line ends, and for interim responses, which are heads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from lbtrace.http.cursor import Cursor
from lbtrace.model.http import Body, Framing
from lbtrace.redact.heads import HeadMask
from lbtrace.redact.same_length import Scramble
from lbtrace.redact.stream_plan import StreamPlan

_LONGEST: Final = 1 << 20
_END: Final = 1 << 62  # behind all of a stream
_STATUS: Final = re.compile(rb"(?i:HTTP)/[0-9]")
_SIZE: Final = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n").fullmatch


class MessageSpot(NamedTuple):
    """Where a message begins, how its body ends, and whether something else than HTTP/1 follows."""

    offset: int
    body: Body
    tunnel: bool = False


class Http1Stream:
    """Reads one direction, and fills its plan. `bodies` makes the letters for a body that is to be
    scrambled, None where bodies stay.
    """

    def __init__(
        self,
        cursor: Cursor,
        plan: StreamPlan,
        mask: HeadMask,
        bodies: Callable[[Body, int], Scramble] | None,
    ) -> None:
        self.cursor = cursor
        self.plan = plan
        self.mask = mask
        self.bodies = bodies

    def read(self, spots: Sequence[MessageSpot]) -> None:
        """Read all of it, up to where something else than HTTP/1 begins."""
        for number, spot in enumerate(spots, 1):
            limit = spots[number].offset if number < len(spots) else _END
            self._between(spot.offset)
            if self.cursor.offset <= spot.offset and self._go_to(spot.offset):
                self._message(spot, limit)
            if spot.tunnel and limit == _END:
                return
        self._between(_END)

    def _go_to(self, offset: int) -> bool:
        if offset > self.cursor.offset:
            self.cursor.take(offset - self.cursor.offset, None)
        return self.cursor.offset == offset

    def _between(self, limit: int) -> None:
        """What no message holds."""
        cursor = self.cursor
        while cursor.offset < limit and not cursor.ended():
            data = cursor.peek(min(_LONGEST, limit - cursor.offset))
            if not data:
                self._over_gap()
            elif data[:1] in (b"\r", b"\n"):
                self.plan.keep(cursor.offset, cursor.offset + 1)
                cursor.pos += 1
            elif not (_STATUS.match(data) and self._head(limit)):
                cursor.take(len(data), None)

    def _over_gap(self) -> None:
        cursor = self.cursor
        cursor.move_to(cursor.pieces.start[cursor.row])

    def _message(self, spot: MessageSpot, limit: int) -> None:
        if spot.body.framing is Framing.UNTIL_CLOSE and not self._has_head():
            self._body(spot.body, limit - self.cursor.offset, limit, 0)
        elif self._head(limit):
            self._content(spot.body, limit)

    def _has_head(self) -> bool:
        return _STATUS.match(self.cursor.peek(6)) is not None

    def _head(self, limit: int) -> bool:
        """The head at the cursor; whether it is whole."""
        cursor, begin = self.cursor, self.cursor.offset
        lines: list[bytes] = []
        while line := cursor.line(_LONGEST):
            lines.append(line)
            if _ends_head(lines):
                self.plan.put(begin, self.mask.head(b"".join(lines)))
                return True
        rest = cursor.peek(min(_LONGEST, limit - cursor.offset))
        cursor.take(len(rest), None)
        self.plan.put(begin, self.mask.head(b"".join([*lines, rest])))
        return False

    def _content(self, body: Body, limit: int) -> None:
        if body.framing is Framing.CHUNKED:
            self._chunks(body, limit)
        elif body.framing is Framing.CONTENT_LENGTH:
            self._body(body, body.declared or 0, limit, 0)
        elif body.framing is Framing.UNTIL_CLOSE:
            self._body(body, limit - self.cursor.offset, limit, 0)

    def _body(self, body: Body, size: int, limit: int, origin: int) -> None:
        """So many bytes of a body, of which `origin` came before."""
        cursor = self.cursor
        begin = cursor.offset
        cursor.take(min(size, limit - begin), None)
        end = cursor.offset
        if self.bodies is None:
            self.plan.keep(begin, end)
        else:
            self.plan.scramble(begin, end, self.bodies(body, begin), origin)

    def _chunks(self, body: Body, limit: int) -> None:
        """RFC 9112 §7.1."""
        cursor, origin = self.cursor, 0
        letters = self.bodies and self.bodies(body, cursor.offset)
        while cursor.offset < limit:
            begin = cursor.offset
            line = cursor.line(_LONGEST)
            found = _SIZE(line) if line else None
            if line is None or found is None:
                cursor.move_to(begin) if line else None
                return
            self.plan.put(begin, self.mask.text(line))
            size = int(found[1], 16)
            if not size:
                self._trailers()
                return
            start = cursor.offset
            cursor.take(min(size, limit - start), None)
            if letters is None:
                self.plan.keep(start, cursor.offset)
            else:
                self.plan.scramble(start, cursor.offset, letters, origin)
            origin += size
            self._chunk_end()

    def _chunk_end(self) -> None:
        cursor = self.cursor
        begin, end = cursor.offset, cursor.peek(2)
        if end == b"\r\n" or end[:1] == b"\n":
            cursor.pos += 2 if end == b"\r\n" else 1
            self.plan.keep(begin, cursor.offset)
        elif not end and cursor.at_gap():
            cursor.take(2, None)

    def _trailers(self) -> None:
        cursor, begin = self.cursor, self.cursor.offset
        lines: list[bytes] = []
        while line := cursor.line(_LONGEST):
            lines.append(line)
            if not line.strip(b"\r\n"):
                break
        self.plan.put(begin, self.mask.fields(lines))


def _ends_head(lines: list[bytes]) -> bool:
    """Whether the last line ends the head: it is empty, or it is a request line without a version,
    which has no fields (RFC 1945 §4.1).
    """
    if len(lines) == 1:
        return b"HTTP/" not in lines[0].upper()
    return not lines[-1].strip(b"\r\n")
