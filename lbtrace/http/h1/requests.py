"""What the client of an HTTP/1.x connection sent → requests (RFC 9112 §3)."""

from __future__ import annotations

from itertools import pairwise

from lbtrace.http.cursor import Cursor
from lbtrace.http.h1.body import BodyRead
from lbtrace.http.h1.body_length import FRAMING
from lbtrace.http.h1.framing import FramingFields
from lbtrace.http.h1.reader import Head, MessageReader, ReaderContext
from lbtrace.http.h1.start_line import (
    SIMPLE_VERSION,
    RequestLine,
    begins_request,
    may_begin_request,
)
from lbtrace.http.h2.frames import PREFACE
from lbtrace.model.http import Body, Request

_SPECIAL = frozenset({"HEAD", "CONNECT"})  # methods that change how the response is read
_LONG = 8192  # bytes; a request line is looked for in so many where the stream was open before


class RequestReader(MessageReader[RequestLine, Request]):
    """What a client sent.

    `paused`: the response decides what the bytes behind the last request are (CONNECT, Upgrade).
    `preface`: an HTTP/2 preface follows. `special`: there is a request that changes how its
    response is read.
    """

    SIDE = 0
    KIND = Request
    __slots__ = ("_looked_at", "_pipelined", "paused", "preface", "special")
    may_begin = staticmethod(may_begin_request)
    begins = staticmethod(begins_request)

    def __init__(self, cursor: Cursor, context: ReaderContext) -> None:
        super().__init__(cursor, context)
        self.paused = self.preface = self.special = False
        self._pipelined, self._looked_at = False, 0  # of how many requests that is known

    def run(self) -> None:
        """Read requests until the end or the limit, or until `paused` or `preface`."""
        while not self.stopped and self.made < self.limit:
            if self.take():
                continue
            if not (self.over_gap() if self.at_end() else self._one()):
                return

    def message(self, i: int) -> Request:
        """Request i."""
        number = self.numbers[i]
        if number < 0:
            return self.own[~number]
        return self.ready.source.request(number, self.caches, self.marked[i])

    def pipelined(self) -> bool:
        """Two of the requests read so far were sent in the same knowledge of the responses."""
        ack, rows = self.pieces.ack, self.rows[max(self._looked_at - 1, 0) :]
        self._pipelined = self._pipelined or any(ack[a] == ack[b] >= 0 for a, b in pairwise(rows))
        self._looked_at = len(self.rows)
        return self._pipelined

    def _one(self) -> bool:
        if self.cursor.peek(len(PREFACE)) == PREFACE and (self.ends or not self.late):
            self.preface = True
            return False
        return super()._one()

    def _begins_stream(self) -> bool:
        if self.pieces.known_start[self.stream]:
            return True
        return begins_request(self.cursor.peek(_LONG)) or self._start_line_here()

    def _start_line_here(self) -> bool:
        """A whole request line of ordinary shape, whatever its target."""
        text = self.cursor.peek(_LONG)
        end = text.find(b"\n")
        if end < 0:
            return False
        line = self.caches.request[text[:end].rstrip(b"\r")]
        return (
            line.method.isupper() and line.version[:5] == "HTTP/" and line.version != SIMPLE_VERSION
        )

    def _start_line(self, raw: bytes, whole: bool) -> RequestLine:
        if whole:
            line = self.caches.request[raw]
        else:
            method, _, target = raw.decode("latin-1").partition(" ")
            line = RequestLine(method, target.partition(" ")[0], "", ())
        if line[0] in _SPECIAL:
            self.special = True
        return line

    def _fits(self, raw: bytes, whole: bool) -> bool:
        if not whole:
            return b" " in raw and "odd-method" not in self.caches.request[raw[:4096]].weirds
        line = self.caches.request[raw]
        if "odd-method" in line.weirds:
            return False
        if line.version == SIMPLE_VERSION:
            return not self.ends and line.method == "GET"
        return line.version[:5].upper() == "HTTP/"

    def _is_head(self, start: bytes) -> bool:
        simple = self.caches.request[start].version == SIMPLE_VERSION
        return simple and not self.cursor.peek(1)

    def _body(self, head: Head, line: RequestLine) -> BodyRead:
        fields = head.block.fields
        return self._read_as(FRAMING[fields.facts], fields)

    def _goes_on(self, line: RequestLine, fields: FramingFields, body: Body) -> bool:
        if fields.upgrade or line.method == "CONNECT":
            self.paused = self.special = True
        return not self.paused
