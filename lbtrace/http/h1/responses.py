"""What the server of an HTTP/1.x connection sent → responses (RFC 9112 §4, §6.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from lbtrace.http.cursor import Cursor
from lbtrace.http.h1.body import BodyRead
from lbtrace.http.h1.body_length import BODILESS, CHUNKED, FRAMING, RESPONSE, TUNNEL, response_facts
from lbtrace.http.h1.framing import FramingFields
from lbtrace.http.h1.reader import NO_BLOCK, Head, MessageReader, ReaderContext
from lbtrace.http.h1.start_line import (
    SIMPLE_VERSION,
    StatusLine,
    begins_response,
    may_begin_response,
)
from lbtrace.model.http import Body, Framing, Interim, Response

# (offset of the response, its ordinal from 0) → the method it answers, None when not certain
MethodOf: TypeAlias = Callable[[int, int], str | None]
_NEXT = b"HTTP/"  # how the next response begins


class ResponseReader(MessageReader[StatusLine, Response]):
    """What a server sent.

    `interims[i]` came before response i; `pending` are interim responses that no final one followed
    so far, the first of which began at `pending_begin`. `tunnel`: what follows is another protocol,
    named in `upgraded`.
    """

    SIDE = 1
    KIND = Response
    __slots__ = ("interims", "method_of", "pending", "pending_begin", "tunnel", "upgraded")
    may_begin = staticmethod(may_begin_response)
    begins = staticmethod(begins_response)

    def __init__(self, cursor: Cursor, context: ReaderContext) -> None:
        super().__init__(cursor, context)
        self.interims: dict[int, tuple[Interim, ...]] = {}
        self.pending: list[Interim] = []
        self.pending_begin = -1
        self.method_of: MethodOf | None = None
        self.tunnel = False
        self.upgraded = ""

    def run(self, method_of: MethodOf | None, limit: int = 1 << 60) -> None:
        """Read responses until the end, or until there are `limit`, or until a tunnel begins.
        Without `method_of` all of them answer GET.
        """
        self.method_of = method_of
        while not (self.stopped or self.tunnel or self.made >= self.limit):
            if len(self.ends) >= limit:
                return
            if method_of is None and not self.pending and self.take(limit - len(self.ends)):
                continue
            if not (self.over_gap() if self.at_end() else self._one()):
                return

    def run_simple(self) -> bool:
        """Read all there is as the answer to an HTTP/0.9 request, which is content without a head
        until the connection closes. False, and nothing is read, when there is none, or when it has
        a status line all the same.
        """
        cursor = self.cursor
        if self.late or not cursor.peek(1) or self._begins_stream():
            return False
        head = Head(cursor.offset, b"", NO_BLOCK, (), True, True, True)
        self._message(head, StatusLine(0, "", SIMPLE_VERSION, ()))
        return True

    def message(self, i: int) -> Response:
        """Response i."""
        number = self.numbers[i]
        if number < 0:
            return self.own[~number]
        return self.ready.source.response(number, self.caches, self.marked[i])

    def _started(self) -> bool:
        return bool(self.pending)

    def _begins_stream(self) -> bool:
        data = self.cursor.peek(4096)
        return begins_response(data) or data[:5].upper() == _NEXT

    def _start_line(self, raw: bytes, whole: bool) -> StatusLine:
        return self.caches.status[raw]

    def _fits(self, raw: bytes, whole: bool) -> bool:
        line = self.caches.status[raw]
        return line.version[:5].upper() == _NEXT.decode() and line.status > 0

    def _message(self, head: Head, line: StatusLine) -> bool:
        if 100 <= line.status < 200 and line.status != 101:
            return self._interim(head, line)
        if self.pending:
            self.interims[len(self.ends)] = tuple(self.pending)
            self.early[len(self.ends)] = self.pending_begin
            goes_on = super()._message(head, line)
            self.pending = []
            return goes_on
        return super()._message(head, line)

    def _interim(self, head: Head, line: StatusLine) -> bool:
        """Keep an interim response for the final one that follows (RFC 9110 §15.2)."""
        row = self.cursor.row_at(head.offset)
        frame, time = self.pieces.frame[row], self.pieces.time_ns[row]
        self.note(head.weirds + line.weirds + head.block.fields.weirds, frame)
        self.made += 1
        if not self.pending:
            self.pending_begin = head.offset
        self.pending.append(Interim(line.status, head.block.lines, frame, time))
        return head.whole or self.find_again()

    def _goes_on(self, line: StatusLine, fields: FramingFields, body: Body) -> bool:
        if body.framing is Framing.TUNNEL:
            self.tunnel = True
            self.upgraded = fields.upgrade.lower() if line.status == 101 else "connect"
        return not self.tunnel

    def _body(self, head: Head, line: StatusLine) -> BodyRead:
        fields = head.block.fields
        begin = self.pending_begin if self.pending else head.offset
        method = self.method_of(begin, len(self.ends)) if self.method_of is not None else "GET"
        facts = fields.facts | response_facts(line.status, method)
        if facts & TUNNEL or not (facts & CHUNKED or fields.declared):
            return self._read_as(FRAMING[facts], fields)
        following = self.cursor.peek(len(_NEXT))
        if facts & BODILESS and not _NEXT.startswith(following):
            read = self._read_as(FRAMING[fields.facts | RESPONSE], fields)
            return read._replace(weirds=(*read.weirds, "body-where-none-belongs"))
        if self._answers_head(method, fields, following):
            facts |= BODILESS
        return self._read_as(FRAMING[facts], fields)

    def _answers_head(self, method: str | None, fields: FramingFields, following: bytes) -> bool:
        """A response to a request that is not known declares a body, but the bytes `following` its
        head are the next response or nothing: it may answer HEAD.
        """
        if method is None:
            lost = not following and (self.cursor.at_gap() or self.end > self.cursor.offset)
            return _NEXT.startswith(following) and not lost
        # the request may be from before the capture
        before = not self.pieces.known_start[self.stream]
        return before and bool(fields.declared) and following == _NEXT
