"""What the client of an HTTP/1.x connection sent → requests (RFC 9112 §3, §6)."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from lbtrace.http.cursor import Cursor
from lbtrace.http.h1.body import EMPTY_BODY, BodyRead, read_chunked, read_length
from lbtrace.http.h1.framing import HUGE, FramingFields
from lbtrace.http.h1.head import H2_PREFACE, RequestLine, begins_request, may_begin_request
from lbtrace.http.h1.reader import AHEAD, Looks, MessageReader, ReaderContext, captured_end
from lbtrace.model.http import NO_BODY, Body, Framing, Request

_LOOKS: Final = Looks(0, may_begin_request, begins_request)


class RequestReader(MessageReader):
    """What a client sent."""

    __slots__ = ("own", "paused", "preface", "seen_pipelined", "special")

    def __init__(self, cursor: Cursor, context: ReaderContext) -> None:
        super().__init__(cursor, context, _LOOKS)
        self.own: list[Request] = []
        self.paused = False
        self.seen_pipelined: bool | None = None
        self.preface = False  # an HTTP/2 preface follows
        self.special = False  # there is a request whose method changes how its response is read

    def run(self) -> None:
        """Read requests until the end, or until one whose answer decides what the bytes behind it
        are (CONNECT, Upgrade).
        """
        while not self.stopped:
            if self.take():
                continue
            if not (self.over_gap() if self.at_end() else self._one()):
                return

    def message(self, i: int) -> Request:
        """Request i."""
        number = self.numbers[i]
        return self.own[~number] if number < 0 else self.ready.bulk.request(number, self.caches)

    def pipelined(self) -> bool:
        """Two requests were sent on the same knowledge of the answers."""
        if self.seen_pipelined is None:
            ack, rows = self.pieces.ack, self.rows
            self.seen_pipelined = any(ack[a] == ack[b] >= 0 for a, b in pairwise(rows))
        return self.seen_pipelined

    def _one(self) -> bool:
        """Read one request whatever its shape; False to stop reading."""
        cursor = self.cursor
        if not self.ends and not self.resynced and not self._plausible():
            return self.find_again()
        if cursor.peek(len(H2_PREFACE)) == H2_PREFACE:
            self.preface = True
            return False
        head = self.head(self._fits)
        if head is None:
            return True
        if not head.fits:
            self.note(("not-a-start-line",), self.pieces.frame[cursor.row_at(head.offset)])
            return self.find_again(head.offset)
        line = self._start_line(head.start, head.start_whole)
        fields = head.block.fields
        head_end = cursor.offset
        odd = head.weirds + line.weirds + fields.weirds
        if line.version == "HTTP/1.0" and fields.encoded:
            odd += ("transfer-encoding-in-http-1.0",)
        ahead = cursor.peek(AHEAD) if fields.readings and head.whole else b""
        read = self._body(fields, head.whole)
        odd += read.weirds
        place = self.place(
            head.offset,
            head_end,
            max(cursor.offset if read.ended else captured_end(cursor), head_end),
        )
        if odd:
            self.judge(odd, self.readings(fields, line.version, head_end, ahead), place.first_frame)
        self.own.append(
            Request(
                line.method,
                line.target,
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
        if line.method in ("HEAD", "CONNECT") or fields.upgrade:
            self.special = True
        if not read.ended or not head.whole:
            return not cursor.ended() and self.find_again()
        if line.method == "CONNECT" or fields.upgrade:
            self.paused = True
            return False
        return True

    def _plausible(self) -> bool:
        """At the very start of a stream: does a request begin here?"""
        if self.late:
            self.resynced = begins_request(self.cursor.peek(4096))
            return self.resynced
        two = self.cursor.peek(2)
        if two[:1] in (b"\r", b"\n"):
            return True
        if not self.pieces.known_start[self.stream]:
            return begins_request(self.cursor.peek(8192)) or self._start_line_here()
        return True

    def _start_line_here(self) -> bool:
        """A whole request line of ordinary looks, whatever its target."""
        text = self.cursor.peek(8192)
        end = text.find(b"\n")
        if end < 0:
            return False
        line = self.caches.request[text[:end].rstrip(b"\r")]
        return line.method.isupper() and line.version[:5] == "HTTP/" and line.version != "HTTP/0.9"

    def _start_line(self, raw: bytes, whole: bool) -> RequestLine:
        line = self.caches.request[raw]
        if whole:
            return line
        method, _, target = raw.decode("latin-1").partition(" ")
        return RequestLine(method, target.partition(" ")[0], "", ())

    def _fits(self, raw: bytes, whole: bool) -> bool:
        if not whole:
            return b" " in raw and "odd-method" not in self.caches.request[raw[:4096]].weirds
        line = self.caches.request[raw]
        if "odd-method" in line.weirds:
            return False
        if line.version == "HTTP/0.9":
            return not self.ends and line.method == "GET"
        return line.version[:5].upper() == "HTTP/"

    def _body(self, fields: FramingFields, whole: bool) -> BodyRead:
        if not whole:
            return BodyRead(Body(Framing.NONE, 0, fields.declared, False, None), False, [], ())
        if fields.chunked:
            return read_chunked(self.cursor, fields if self.decode else fields._replace(coding=""))
        if fields.declared:
            if (
                fields.declared >= HUGE
            ):  # it cannot be true; what follows is read as if it were not there
                return BodyRead(NO_BODY, True, [], ())
            return read_length(self.cursor, fields.declared, fields.coding if self.decode else "")
        if fields.declared == 0:
            return BodyRead(EMPTY_BODY, True, [], ())
        return BodyRead(NO_BODY, True, [], ())
