"""One direction of an HTTP/1.x connection → its messages, in order (RFC 9112).

In: a Cursor over one stream. Out: `messages`, with for each where it begins and ends in the stream, the piece it began in, and its
*chain*: messages of
one chain follow each other with nothing lost between them; a new chain begins after a gap that may have swallowed messages.

Invariants: the result does not depend on how the stream is cut into pieces; the complete messages of a prefix of the stream are a prefix
of the messages.
The loops `Requests.run` and `Responses.run` take the straight road for whole heads of ordinary shape; everything else goes through
`_Reader.head`, line by line.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from xxhash import xxh3_128_hexdigest

from lbtrace.http.body import NO_BODY, TUNNEL_BODY, Read, chunked_end, read_chunked, read_length, read_until_close
from lbtrace.http.cursor import Cursor
from lbtrace.http.framing import CHUNKED, HUGE, PLAIN, Fields
from lbtrace.http.head import (
    H2_PREFACE,
    MAX_HEAD,
    Block,
    Caches,
    RequestLine,
    StatusLine,
    begins_request,
    begins_response,
    may_begin_request,
    may_begin_response,
    parse_lines,
)
from lbtrace.http.oddities import AMBIGUOUS, Oddities
from lbtrace.http.place import Place, place
from lbtrace.model.http import Body, Framing, Interim, Mark, Request, Response

MAX_START_LINE: Final = 1 << 16
AHEAD: Final = 1 << 16  # bytes looked at to tell where another reading would end
LEAST_MESSAGE: Final = 16  # bytes of the shortest HTTP/1 message
STRAIGHT: Final = 8192  # bytes of a head that the straight road looks at
_CRLF: Final = b"\r\n"
_HEAD_END: Final = b"\r\n\r\n"
_NO_BLOCK: Final = Block((), PLAIN)
_new = tuple.__new__


class Head(NamedTuple):
    """A head that took the slow road. `fits`: its start line is one; otherwise nothing behind it was read."""

    offset: int
    start: bytes
    block: Block
    oddities: tuple[str, ...]
    whole: bool
    start_whole: bool
    fits: bool


class Looks(NamedTuple):
    """How to tell that a message begins: a cheap test on the first bytes of a piece, and a strict one."""

    may_begin: Callable[[bytes], bool]
    begins: Callable[[bytes], bool]


class _Reader:
    """What both directions share."""

    __slots__ = (
        "breaks", "caches", "clean", "cursor", "cut", "decode", "early", "ends", "holes", "looks", "oddities", "pieces", "resynced", "row",
        "rows", "short", "stopped", "stream",
    )  # fmt: skip

    def __init__(self, cursor: Cursor, caches: Caches, oddities: Oddities, decode: bool, looks: Looks) -> None:
        self.looks = looks
        p = self.pieces = cursor.pieces
        self.cursor = cursor
        self.caches = caches
        self.oddities = oddities
        self.decode = decode
        self.stream = cursor.stream
        self.clean = bool(p.clean[cursor.stream])
        self.ends: list[int] = []  # of each message: the offset behind it
        self.rows: list[int] = []  # of each message: the piece it began in
        self.early: dict[int, int] = {}  # where a message with interim ones in front of it began
        self.short: dict[int, int] = {}  # where a head ended that is not the end of its message
        self.cut: set[int] = set()  # messages that do not end where their framing says
        self.breaks: list[int] = []  # before these messages others may have been lost
        self.holes: set[int] = set()  # before these messages at least one was lost: a gap begins where one had to begin
        self.resynced = False
        self.row = cursor.first_row
        self.stopped = False
        if self.late:
            self.breaks.append(0)
            if p.start[cursor.first_row] >= LEAST_MESSAGE:
                self.holes.add(0)

    @property
    def late(self) -> bool:
        """The first bytes of the stream are missing."""
        p, first = self.pieces, self.cursor.first_row
        return bool(p.known_start[self.stream]) and first < self.cursor.end_row and p.start[first] > 0

    @property
    def end(self) -> int:
        """The offset behind the last byte known to have been sent."""
        return int(self.pieces.end[self.stream])

    @property
    def cut_mark(self) -> Mark:
        """What cut short a message that does not end."""
        if self.pieces.reset[self.stream]:
            return Mark.RESET
        return Mark.CLOSED if self.pieces.fin[self.stream] >= 0 else Mark.CAPTURE_ENDED

    @property
    def damaged(self) -> bool:
        """Messages may have been lost before one of those read."""
        return bool(self.breaks) and self.breaks[0] < len(self.ends)

    def chains(self) -> list[int]:
        """Of each message: its chain."""
        return [bisect_right(self.breaks, k) for k in range(len(self.ends))]

    def place(self, offset: int, head_end: int, end: int) -> Place:
        """Frames and times of a message."""
        return place(self.cursor, offset, head_end, end)

    def note(self, slugs: tuple[str, ...], frame: int) -> None:
        """Count oddities."""
        for slug in slugs:
            self.oddities.add(slug, frame)

    def readings(self, fields: Fields, version: str, head_end: int, ahead: bytes) -> str:
        """Where the next message begins as read here, and as others may read it: offsets in the stream."""
        told = []
        for how, size in fields.readings:
            if size == CHUNKED:
                end = chunked_end(ahead)
                where = "nowhere in sight" if end is None else f"at offset {head_end + end}"
            else:
                where = "never" if size >= HUGE else f"at offset {head_end + size}"
            told.append(f"{how} {where}")
        if version == "HTTP/1.0" and fields.chunked and fields.declared is None:
            told.append(f"without Transfer-Encoding at offset {head_end}")
        return f"Stream offsets: the next message begins at {self.cursor.offset} as read here, {', '.join(told)}." if told else ""

    def judge(self, odd: tuple[str, ...], detail: str, frame: int) -> None:
        """Count the oddities of a message; the first that makes its end ambiguous carries the readings."""
        for slug in odd:
            ambiguous = slug in AMBIGUOUS
            self.oddities.add(slug, frame, detail if ambiguous else "")
            if ambiguous:
                detail = ""

    def marks(self, place: Place, whole_head: bool, body: Body, ended: bool, odd: tuple[str, ...]) -> tuple[Mark, ...]:
        """The marks of a message."""
        marks: list[Mark] = []
        if not whole_head:
            marks.append(Mark.HEAD_TRUNCATED)
        if not body.complete and whole_head:
            marks.append(Mark.BODY_TRUNCATED)
        if (not whole_head or not ended or (body.framing is Framing.UNTIL_CLOSE and not body.complete)) and self.cursor.ended():
            marks.append(self.cut_mark)
        if place.repeated:
            marks.append(Mark.RETRANSMITTED)
        if self.resynced:
            marks.append(Mark.RESYNCED)
        if odd:
            marks.append(Mark.MALFORMED)
            if not AMBIGUOUS.isdisjoint(odd):
                marks.append(Mark.AMBIGUOUS_FRAMING)
        return tuple(marks)

    # heads ----------------------------------------------------------------------------------------------------------------------

    def head(self, fits: Callable[[bytes, bool], bool]) -> Head | None:
        """The head at the cursor, line by line; the cursor moves behind it. None when the cursor is at the end or at a gap.

        When its start line does not pass `fits`, nothing behind that line is read.
        """
        cursor = self.cursor
        odd: dict[str, None] = {}
        while True:
            two = cursor.peek(2)
            if two == _CRLF:
                cursor.pos += 2
            elif two[:1] == b"\n":
                cursor.pos += 1
            else:
                break
            odd["leading-empty-lines"] = None
        if not two:
            return None
        offset = cursor.offset
        room = MAX_HEAD
        crlf = False
        start: bytes | None = None
        lines: list[bytes] = []
        while True:
            raw = cursor.line(room if start is not None else MAX_START_LINE)
            if raw is None:
                whole = False
                break
            room -= len(raw)
            if raw.endswith(_CRLF):
                raw = raw[:-2]
                crlf = True
            else:
                raw = raw[:-1]
                odd["bare-lf"] = None
            if start is None:
                start = raw
                if not fits(start, True):
                    return Head(offset, start, _NO_BLOCK, (), False, True, False)
            elif raw:
                lines.append(raw)
            else:
                whole = True
                break
        start_whole = start is not None
        if start is None:
            start = cursor.peek(MAX_START_LINE)
            cursor.pos += len(start)
            if not fits(start, False):
                return Head(offset, start, _NO_BLOCK, (), False, False, False)
        if not whole:
            while room > 0:
                left = min(len(cursor.data) - cursor.pos, room)
                cursor.pos += left
                room -= left
                if not left and not cursor.extend():
                    break
            if room <= 0:
                odd["head-too-long"] = None
        if crlf and "bare-lf" in odd:
            odd["mixed-line-ends"] = None
        block = parse_lines(lines, self.caches.block.line)
        return Head(offset, start, block, tuple(odd), whole, start_whole, True)

    def find_again(self, after: int = -1) -> bool:
        """Move to the next piece that plausibly begins with a start line; False when there is none.

        Only pieces from the cursor on are looked at, and only those that begin after the offset `after`.
        """
        cursor = self.cursor
        p = self.pieces
        start, length, payload, buffer, buffers = p.start, p.length, p.payload, p.buffer, p.buffers
        self.breaks.append(len(self.ends))
        self.resynced = True
        for row in cursor.rows_ahead(after):
            o = payload[row]
            if self.looks.may_begin(bytes(buffers[buffer[row]][o : o + min(length[row], 24)])):
                cursor.move_to(start[row])
                if self.looks.begins(cursor.peek(4096)):
                    return True
        self.stopped = True
        return False

    def begins(self, messages: Sequence[Request] | Sequence[Response]) -> list[int]:
        """Of each message: where it began, its interim ones included."""
        found = [m.offset for m in messages]
        for k, begin in self.early.items():
            found[k] = begin
        return found

    def heads(self) -> list[int]:
        """Of each message: where its head ended."""
        found = self.ends[:]
        for k, head in self.short.items():
            found[k] = head
        return found


class Requests(_Reader):
    """What a client sent."""

    __slots__ = ("messages", "paused", "preface", "seen_pipelined", "special")

    def __init__(self, cursor: Cursor, caches: Caches, oddities: Oddities, decode: bool) -> None:
        super().__init__(cursor, caches, oddities, decode, Looks(may_begin_request, begins_request))
        self.messages: list[Request] = []
        self.paused = False
        self.seen_pipelined: bool | None = None
        self.preface = False  # an HTTP/2 preface follows
        self.special = False  # there is a request whose method changes how its response is read

    def run(self) -> None:
        """Read requests until the end, or until one whose answer decides what the bytes behind it are (CONNECT, Upgrade)."""
        cursor, p = self.cursor, self.pieces
        request_lines, blocks = self.caches.request, self.caches.block
        frames, times, starts = p.frame, p.time_ns, p.start
        messages, ends, rows = self.messages, self.ends, self.rows
        clean, stop = self.clean, cursor.end_row
        row = self.row
        while not self.stopped:
            data, base, pos = cursor.data, cursor.base, cursor.pos
            size = len(data)
            find = data.find
            while clean:
                # The straight road: a whole head of ordinary shape, without a body, in the window.
                end = find(_HEAD_END, pos, pos + STRAIGHT)
                if end < 0:
                    break
                eol = find(_CRLF, pos)
                line = request_lines[data[pos:eol]]
                block = blocks[data[eol:end]]
                if block is None or line[3]:
                    break
                fields = block[1]
                if fields[1] or fields[2] or fields[5] or fields[7] or line[0] == "CONNECT":
                    break
                offset = base + pos
                pos = end + 4
                over = base + pos
                while row + 1 < stop and starts[row + 1] <= offset:
                    row += 1
                frame, time = frames[row], times[row]
                if row + 1 < stop and starts[row + 1] < over:
                    place = self.place(offset, over, over)
                    last, last_ns = place.last_frame, place.last_ns
                else:
                    last, last_ns = frame, time
                messages.append(
                    _new(
                        Request,
                        (line[0], line[1], line[2], block[0], NO_BODY, frame, last, last, time, last_ns, last_ns, (), (), offset),
                    )
                )
                ends.append(over)
                rows.append(row)
                if line[0] == "HEAD":
                    self.special = True
            cursor.pos = pos
            self.row = row
            if pos >= size and not cursor.extend():
                if cursor.row >= cursor.end_row:
                    return
                if starts[cursor.row] - cursor.offset >= LEAST_MESSAGE:
                    self.holes.add(len(ends))
                if not self.find_again():
                    return
                clean = False
                continue
            if not self._one():
                return
            row = self.row

    def pipelined(self) -> bool:
        """Two requests were sent on the same knowledge of the answers."""
        if self.seen_pipelined is None:
            ack, rows = self.pieces.ack, self.rows
            self.seen_pipelined = any(ack[a] == ack[b] >= 0 for a, b in pairwise(rows))
        return self.seen_pipelined

    def _one(self) -> bool:
        """Read one request whatever its shape; False to stop reading."""
        cursor = self.cursor
        if not self.messages and not self.resynced and not self._plausible():
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
        odd = head.oddities + line.oddities + fields.oddities
        if line.version == "HTTP/1.0" and fields.encoded:
            odd += ("transfer-encoding-in-http-1.0",)
        ahead = cursor.peek(AHEAD) if fields.readings and head.whole else b""
        read = self._body(fields, head.whole, line)
        odd += read.oddities
        place = self.place(head.offset, head_end, max(cursor.offset if read.ended else _captured_end(cursor), head_end))
        if odd:
            self.judge(odd, self.readings(fields, line.version, head_end, ahead), place.first_frame)
        self.messages.append(
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
        if cursor.offset != head_end:
            self.short[len(self.ends)] = head_end
        self.ends.append(cursor.offset)
        if not read.ended or not head.whole:
            self.cut.add(len(self.ends) - 1)
        self.rows.append(place.row)
        self.row = place.row
        self.resynced = False
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
            return b" " in raw and "odd-method" not in self.caches.request[raw[:4096]].oddities
        line = self.caches.request[raw]
        if "odd-method" in line.oddities:
            return False
        if line.version == "HTTP/0.9":
            return not self.messages and line.method == "GET"
        return line.version[:5].upper() == "HTTP/"

    def _body(self, fields: Fields, whole: bool, line: RequestLine) -> Read:
        if not whole:
            return Read(Body(Framing.NONE, 0, fields.declared, False, None), False, [], ())
        if fields.chunked:
            return read_chunked(self.cursor, fields)
        if fields.declared:
            if fields.declared >= HUGE:  # it cannot be true; what follows is read as if it were not there
                return Read(NO_BODY, True, [], ())
            return read_length(self.cursor, fields.declared, fields.coding if self.decode else "")
        if fields.declared == 0:
            return Read(_EMPTY, True, [], ())
        return Read(NO_BODY, True, [], ())


class Responses(_Reader):
    """What a server sent. `interims[i]` came before `messages[i]`."""

    __slots__ = ("interims", "messages", "pending", "pending_begin", "tunnel", "upgraded")

    def __init__(self, cursor: Cursor, caches: Caches, oddities: Oddities, decode: bool) -> None:
        super().__init__(cursor, caches, oddities, decode, Looks(may_begin_response, begins_response))
        self.messages: list[Response] = []
        self.interims: dict[int, tuple[Interim, ...]] = {}
        self.pending: list[Interim] = []
        self.pending_begin = -1
        self.tunnel = False
        self.upgraded = ""

    def run(self, method_of: Callable[[int, int], str | None] | None, limit: int = 1 << 60) -> None:
        """Read responses until the end, or until there are `limit`. `method_of(begin, ordinal)` tells the method a response answers,
        where it matters."""
        cursor, p = self.cursor, self.pieces
        status_lines, blocks = self.caches.status, self.caches.block
        frames, times, starts = p.frame, p.time_ns, p.start
        messages, ends, rows = self.messages, self.ends, self.rows
        clean, stop = self.clean, cursor.end_row
        row = self.row
        while not self.stopped and not self.tunnel and len(messages) < limit:
            data, base, pos = cursor.data, cursor.base, cursor.pos
            size = len(data)
            find = data.find
            while clean and method_of is None and not self.pending:
                # The straight road: a whole head of ordinary shape and a body of stated length, all in the window.
                end = find(_HEAD_END, pos, pos + STRAIGHT)
                if end < 0:
                    break
                eol = find(_CRLF, pos)
                line = status_lines[data[pos:eol]]
                block = blocks[data[eol:end]]
                if block is None or line[3]:
                    break
                fields = block[1]
                length = fields[2]
                status = line[1]
                if (
                    length is None
                    or fields[1]
                    or fields[7]
                    or (fields[6] and self.decode)
                    or status < 200
                    or status == 204
                    or status == 304
                ):
                    break
                offset = base + pos
                head_end = end + 4
                over = head_end + length
                if over > size:
                    break
                pos = over
                while row + 1 < stop and starts[row + 1] <= offset:
                    row += 1
                frame, time = frames[row], times[row]
                rows.append(row)
                if row + 1 < stop and starts[row + 1] < base + over:
                    while row + 1 < stop and starts[row + 1] < base + head_end:
                        row += 1
                    head_frame, head_ns = frames[row], times[row]
                    while row + 1 < stop and starts[row + 1] < base + over:
                        row += 1
                    last, last_ns = frames[row], times[row]
                else:
                    head_frame = last = frame
                    head_ns = last_ns = time
                body = (
                    _new(Body, (Framing.CONTENT_LENGTH, length, length, True, xxh3_128_hexdigest(data[head_end:over]), None, None))
                    if length
                    else _EMPTY
                )
                messages.append(
                    _new(
                        Response,
                        (status, line[2], line[0], block[0], body, frame, head_frame, last, time, head_ns, last_ns, (), (), offset),
                    )
                )
                ends.append(base + over)
                if len(messages) >= limit:
                    break
            cursor.pos = pos
            self.row = row
            if len(messages) >= limit:
                return
            if pos >= size and not cursor.extend():
                if cursor.row >= cursor.end_row:
                    return
                if starts[cursor.row] - cursor.offset >= LEAST_MESSAGE:
                    self.holes.add(len(ends))
                if not self.find_again():
                    return
                clean = False
                continue
            if not self._one(method_of):
                return
            row = self.row

    def _one(self, method_of: Callable[[int, int], str | None] | None) -> bool:
        cursor = self.cursor
        if not self.messages and not self.pending and not self.resynced and not self._plausible():
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
        method = method_of(begin, len(self.messages)) if method_of is not None else "GET"
        odd = head.oddities + line.oddities + fields.oddities
        if 100 <= line.status < 200 and line.status != 101:
            place = self.place(head.offset, head_end, head_end)
            self.note(odd, place.first_frame)
            if not self.pending:
                self.pending_begin = head.offset
            self.pending.append(Interim(line.status, head.block.lines, place.first_frame, place.first_ns))
            return head.whole or self.find_again()
        if line.version == "HTTP/1.0" and fields.encoded:
            odd += ("transfer-encoding-in-http-1.0",)
        ahead = cursor.peek(AHEAD) if fields.readings and head.whole else b""
        read = self._body(fields, head.whole, line, method)
        odd += read.oddities
        place = self.place(head.offset, head_end, max(cursor.offset if read.ended else _captured_end(cursor), head_end))
        if odd:
            self.judge(odd, self.readings(fields, line.version, head_end, ahead), place.first_frame)
        self.messages.append(
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
        if self.pending:
            self.interims[len(self.ends)] = tuple(self.pending)
            self.early[len(self.ends)] = begin
            self.pending = []
        self.ends.append(cursor.offset)
        if not read.ended or not head.whole:
            self.cut.add(len(self.ends) - 1)
        self.rows.append(place.row)
        self.row = place.row
        self.resynced = False
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
        return begins_response(self.cursor.peek(4096)) or self.cursor.peek(5) == b"HTTP/"

    def _start_line(self, raw: bytes, whole: bool) -> StatusLine:
        return self.caches.status[raw]

    def _fits(self, raw: bytes, whole: bool) -> bool:
        line = self.caches.status[raw]
        return line.version[:5].upper() == "HTTP/" and line.status > 0

    def _body(self, fields: Fields, whole: bool, line: StatusLine, method: str | None) -> Read:
        cursor = self.cursor
        if not whole:
            return Read(Body(Framing.NONE, 0, fields.declared, False, None), False, [], ())
        status = line.status
        if status == 101 or (method == "CONNECT" and 200 <= status < 300):
            return Read(TUNNEL_BODY, True, [], ())
        silent = method == "HEAD" or status in (204, 304)
        if silent or (method is None and (fields.chunked or fields.declared)):
            following = cursor.peek(5)
            if not following and method is None and (cursor.at_gap() or self.end > cursor.offset):
                return self._framed(fields)
            if not following or b"HTTP/".startswith(following) or following == b"HTTP/":
                return Read(_none(fields.declared), True, [], ())
            if silent and not (fields.chunked or fields.declared):
                return Read(_none(fields.declared), True, [], ())
            read = self._framed(fields)
            return read if not silent else read._replace(oddities=(*read.oddities, "body-where-none-belongs"))
        return self._framed(fields)

    def _framed(self, fields: Fields) -> Read:
        cursor = self.cursor
        coding = fields.coding if self.decode else ""
        if fields.chunked:
            return read_chunked(cursor, fields if self.decode else fields._replace(coding=""))
        if fields.declared is not None and not fields.encoded and fields.declared < HUGE:
            return read_length(cursor, fields.declared, coding) if fields.declared else Read(_EMPTY, True, [], ())
        return read_until_close(
            cursor, fields._replace(coding=coding), self.cut_mark is Mark.CLOSED, max(self.end, self.pieces.fin[self.stream])
        )


def _none(declared: int | None) -> Body:
    return NO_BODY if declared is None else Body(Framing.NONE, 0, declared, True, None)


def _captured_end(cursor: Cursor) -> int:
    """The offset after the last captured byte before the cursor."""
    p = cursor.pieces
    row = cursor.row_at(cursor.offset - 1)
    return min(cursor.offset, int(p.start[row]) + int(p.length[row]))


_EMPTY: Final = Body(Framing.CONTENT_LENGTH, 0, 0, True, "99aa06d3014798d86001c324468d497f")
