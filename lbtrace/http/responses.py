"""What the server of an HTTP/1.x connection sent → responses (RFC 9112 §4, §6.3)."""

from __future__ import annotations

from collections.abc import Callable

from xxhash import xxh3_128_hexdigest

from lbtrace.http.body import EMPTY_BODY, TUNNEL_BODY, Read, read_chunked, read_length, read_until_close
from lbtrace.http.cursor import Cursor
from lbtrace.http.framing import HUGE, Fields
from lbtrace.http.head import Caches, StatusLine, begins_response, may_begin_response
from lbtrace.http.oddities import Oddities
from lbtrace.http.reader import AHEAD, CRLF, HEAD_END, LEAST_MESSAGE, STRAIGHT, Looks, Reader, captured_end
from lbtrace.model.http import NO_BODY, Body, Framing, Interim, Mark, Response

_new = tuple.__new__


class Responses(Reader):
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
        clean, stop, repeated = self.clean, cursor.end_row, p.repeated
        known = p.known_start[self.stream]
        row = self.row
        while not self.stopped and not self.tunnel and len(messages) < limit:
            data, base, pos = cursor.data, cursor.base, cursor.pos
            size = len(data)
            find = data.find
            certain = method_of is None and not self.pending and self.certain
            while certain:
                # The short way: a whole head of ordinary shape and a body of stated length, all in the window, no segment sent again.
                end = find(HEAD_END, pos, pos + STRAIGHT)
                if end < 0:
                    break
                eol = find(CRLF, pos)
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
                if over > size or (length and not known and data.startswith(b"HTTP/", head_end)):
                    break
                while row + 1 < stop and starts[row + 1] <= offset:
                    row += 1
                first = row
                frame, time = frames[row], times[row]
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
                if not clean and any(repeated[first : row + 1]):
                    row = first
                    break
                pos = over
                rows.append(first)
                body = (
                    _new(Body, (Framing.CONTENT_LENGTH, length, length, True, xxh3_128_hexdigest(data[head_end:over]), None, None))
                    if length
                    else EMPTY_BODY
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
        place = self.place(head.offset, head_end, max(cursor.offset if read.ended else captured_end(cursor), head_end))
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
        return begins_response(self.cursor.peek(4096)) or self.cursor.peek(5).upper() == b"HTTP/"

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
        if not silent and fields.declared and not self.pieces.known_start[self.stream] and cursor.peek(5) == b"HTTP/":
            return Read(_none(fields.declared), True, [], ())  # who asked may be from before the capture, and have asked with HEAD
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
            return read_length(cursor, fields.declared, coding) if fields.declared else Read(EMPTY_BODY, True, [], ())
        return read_until_close(
            cursor, fields._replace(coding=coding), self.cut_mark is Mark.CLOSED, max(self.end, self.pieces.fin[self.stream])
        )


def _none(declared: int | None) -> Body:
    return NO_BODY if declared is None else Body(Framing.NONE, 0, declared, True, None)
