"""What the server of an HTTP/1.x connection sent → responses (RFC 9112 §4, §6.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lbtrace.http.cursor import Cursor
from lbtrace.http.h1.body import (
    EMPTY_BODY,
    TUNNEL_BODY,
    BodyRead,
    read_chunked,
    read_length,
    read_until_close,
)
from lbtrace.http.h1.framing import HUGE, FramingFields
from lbtrace.http.h1.head import StatusLine, begins_response, may_begin_response
from lbtrace.http.h1.reader import AHEAD, Looks, MessageReader, ReaderContext, captured_end
from lbtrace.model.http import NO_BODY, Body, Framing, Interim, Mark, Response

_LOOKS: Final = Looks(1, may_begin_response, begins_response)


class ResponseReader(MessageReader):
    """What a server sent. `interims[i]` came before response i."""

    __slots__ = ("interims", "own", "pending", "pending_begin", "tunnel", "upgraded")

    def __init__(self, cursor: Cursor, context: ReaderContext) -> None:
        super().__init__(cursor, context, _LOOKS)
        self.own: list[Response] = []
        self.interims: dict[int, tuple[Interim, ...]] = {}
        self.pending: list[Interim] = []
        self.pending_begin = -1
        self.tunnel = False
        self.upgraded = ""

    def run(self, method_of: Callable[[int, int], str | None] | None, limit: int = 1 << 60) -> None:
        """Read responses until the end, or until there are `limit`. `method_of(begin, ordinal)`
        tells the method a response answers, where it matters.
        """
        while not self.stopped and not self.tunnel and len(self.ends) < limit:
            if method_of is None and not self.pending and self.take(limit - len(self.ends)):
                continue
            if not (self.over_gap() if self.at_end() else self._one(method_of)):
                return

    def message(self, i: int) -> Response:
        """Response i."""
        number = self.numbers[i]
        return self.own[~number] if number < 0 else self.ready.bulk.response(number, self.caches)

    def _one(self, method_of: Callable[[int, int], str | None] | None) -> bool:
        cursor = self.cursor
        if not self.ends and not self.pending and not self.resynced and not self._plausible():
            return self.find_again()
        head = self.head(self._fits)
        if head is None:
            return True
        if not head.fits:
            self.note(("not-a-start-line",), self.pieces.frame[cursor.row_at(head.offset)])
            return self.find_again(head.offset)
        line = self._start_line(head.start, head.start_whole)
        fields = head.block.fields
        head_end = cursor.offset
        begin = self.pending_begin if self.pending else head.offset
        method = method_of(begin, len(self.ends)) if method_of is not None else "GET"
        odd = head.weirds + line.weirds + fields.weirds
        if 100 <= line.status < 200 and line.status != 101:
            place = self.place(head.offset, head_end, head_end)
            self.note(odd, place.first_frame)
            if not self.pending:
                self.pending_begin = head.offset
            self.pending.append(
                Interim(line.status, head.block.lines, place.first_frame, place.first_ns)
            )
            return head.whole or self.find_again()
        if line.version == "HTTP/1.0" and fields.encoded:
            odd += ("transfer-encoding-in-http-1.0",)
        ahead = cursor.peek(AHEAD) if fields.readings and head.whole else b""
        read = self._body(fields, head.whole, line, method)
        odd += read.weirds
        place = self.place(
            head.offset,
            head_end,
            max(cursor.offset if read.ended else captured_end(cursor), head_end),
        )
        if odd:
            self.judge(odd, self.readings(fields, line.version, head_end, ahead), place.first_frame)
        if self.pending:
            self.interims[len(self.ends)] = tuple(self.pending)
            self.early[len(self.ends)] = begin
            self.pending = []
        self.own.append(
            Response(
                line.status,
                line.reason,
                line.version,
                head.block.lines,
                read.body,
                *place[1:7],
                self.marks(place, head.whole, read.body, read.ended, odd),
                tuple(self.caches.block.line[t] for t in read.trailers),
                head.offset,
            )
        )
        self.keep(len(self.own) - 1, head, head_end, place, read.ended and head.whole)
        if read.body.framing is Framing.TUNNEL:
            self.tunnel = True
            self.upgraded = fields.upgrade.lower() if line.status == 101 else "connect"
            return False
        if not read.ended or not head.whole:
            return not cursor.ended() and self.find_again()
        return True

    def _plausible(self) -> bool:
        if self.late:
            self.resynced = begins_response(self.cursor.peek(4096))
            return self.resynced
        two = self.cursor.peek(2)
        if two[:1] in (b"\r", b"\n"):
            return True
        return begins_response(self.cursor.peek(4096)) or self.cursor.peek(5).upper() == b"HTTP/"

    def _start_line(self, raw: bytes, whole: bool) -> StatusLine:
        return self.caches.status[raw]

    def _fits(self, raw: bytes, whole: bool) -> bool:
        line = self.caches.status[raw]
        return line.version[:5].upper() == "HTTP/" and line.status > 0

    def _body(
        self, fields: FramingFields, whole: bool, line: StatusLine, method: str | None
    ) -> BodyRead:
        cursor = self.cursor
        if not whole:
            return BodyRead(Body(Framing.NONE, 0, fields.declared, False, None), False, [], ())
        status = line.status
        if status == 101 or (method == "CONNECT" and 200 <= status < 300):
            return BodyRead(TUNNEL_BODY, True, [], ())
        silent = method == "HEAD" or status in (204, 304)
        if (
            not silent
            and fields.declared
            and not self.pieces.known_start[self.stream]
            and cursor.peek(5) == b"HTTP/"
        ):
            return BodyRead(
                _none(fields.declared), True, [], ()
            )  # who asked may be from before the capture, and have asked with HEAD
        if silent or (method is None and (fields.chunked or fields.declared)):
            following = cursor.peek(5)
            if not following and method is None and (cursor.at_gap() or self.end > cursor.offset):
                return self._framed(fields)
            if not following or b"HTTP/".startswith(following) or following == b"HTTP/":
                return BodyRead(_none(fields.declared), True, [], ())
            if silent and not (fields.chunked or fields.declared):
                return BodyRead(_none(fields.declared), True, [], ())
            read = self._framed(fields)
            return (
                read
                if not silent
                else read._replace(weirds=(*read.weirds, "body-where-none-belongs"))
            )
        return self._framed(fields)

    def _framed(self, fields: FramingFields) -> BodyRead:
        cursor = self.cursor
        coding = fields.coding if self.decode else ""
        if fields.chunked:
            return read_chunked(cursor, fields if self.decode else fields._replace(coding=""))
        if fields.declared is not None and not fields.encoded and fields.declared < HUGE:
            return (
                read_length(cursor, fields.declared, coding)
                if fields.declared
                else BodyRead(EMPTY_BODY, True, [], ())
            )
        return read_until_close(
            cursor,
            fields._replace(coding=coding),
            self.cut_mark is Mark.CLOSED,
            max(self.end, self.pieces.fin[self.stream]),
        )


def _none(declared: int | None) -> Body:
    return NO_BODY if declared is None else Body(Framing.NONE, 0, declared, True, None)
