"""One direction of an HTTP/1.x connection → its messages, in order (RFC 9112): what the readers of
requests and of responses share.

In: a Cursor over one stream. Out: messages; where each begins and ends in the stream, and the piece
it began in; and the places where others may have been lost between them. Messages of one *chain*
follow each other with nothing lost between them; a new chain begins after a gap that may have
swallowed some.

Invariants: the result does not depend on how the stream is cut into pieces; the complete messages
of a prefix of the stream are a prefix of the messages. Messages that the bulk reader has read are
taken as they are where the reader stands at one and knows that a message begins there; everything
else is read here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import pairwise
from typing import ClassVar, Final, Generic, NamedTuple, TypeVar

from lbtrace.http.budget import LEAST_MESSAGE, ExchangeBudget
from lbtrace.http.cursor import Cursor
from lbtrace.http.digest import CONTENT_LIMITED
from lbtrace.http.h1.body import (
    NOTHING,
    TUNNEL,
    BodyRead,
    chunked_end,
    no_body,
    not_read,
    read_chunked,
    read_length,
    read_until_close,
)
from lbtrace.http.h1.framing import AS_CHUNKED, HUGE, PLAIN, FramingFields
from lbtrace.http.h1.head import CRLF, HEAD_END, MAX_HEAD, HeadCaches, HeaderBlock, parse_lines
from lbtrace.http.h1.ready_messages import ReadyMessages
from lbtrace.http.h1.start_line import RequestLine, StatusLine
from lbtrace.http.place import MessagePlace, place
from lbtrace.http.weirds import AMBIGUOUS, Weirds
from lbtrace.model.http import Body, Framing, Mark, Request, Response
from lbtrace.tables.exchanges import RESYNCED

MAX_START_LINE: Final = 1 << 16
_AHEAD: Final = 1 << 16  # bytes looked at to find where another reading would end
_AT_HAND: Final = 8192  # bytes of a head that are looked at in one piece
_LOOKED_AT: Final = 4096  # bytes looked at to see whether a message begins
NO_BLOCK: Final = HeaderBlock((), PLAIN)
_Line = TypeVar("_Line", RequestLine, StatusLine)
_Message = TypeVar("_Message", Request, Response)


class Head(NamedTuple):
    """A head. `fits`: its start line is one; otherwise nothing behind that line was read."""

    offset: int
    start: bytes
    block: HeaderBlock
    weirds: tuple[str, ...]
    whole: bool
    start_whole: bool
    fits: bool


class ReaderContext(NamedTuple):
    """What all readers of a capture share. `decode`: content digests are wanted."""

    ready: ReadyMessages
    caches: HeadCaches
    weirds: Weirds
    budget: ExchangeBudget
    decode: bool


class MessageReader(ABC, Generic[_Line, _Message]):
    """One direction of a connection; the subclasses say what a message of theirs looks like.

    SIDE: streams of clients (0) carry the messages, or those of servers (1), unless roles are
    reversed. KIND: what a message is made of.

    Of message k, `numbers[k]` is its row in the messages read in bulk, or ~i when it is `own[i]`;
    `offsets`, `heads` and `ends` are where it begins, its head ends and it ends in the stream;
    `rows` is the piece it began in, `lasts` the frame it ended in. `marked[k]` is an index in
    MARK_SETS if it was read in bulk. `early[k]` is where its first interim response began. `cut`
    are messages that do not end where their framing says. Before the messages in `breaks` others
    may have been lost, before those in `holes` at least one was: a gap begins where a message had
    to begin. `made` counts the messages read here, of which there are `limit` at most (see
    `ExchangeBudget`).
    """

    SIDE: ClassVar[int]
    KIND: Callable[..., _Message]
    __slots__ = (
        "breaks", "caches", "clean", "cursor", "cut", "decode", "early", "ends", "heads", "holes",
        "lasts", "limit", "made", "marked", "numbers", "offsets", "own", "pieces", "ready",
        "resynced", "rows", "stopped", "stream", "weirds",
    )  # fmt: skip

    def __init__(self, cursor: Cursor, context: ReaderContext) -> None:
        self.ready, self.caches, self.weirds, budget, self.decode = context
        self.limit = budget.limit
        self.made = 0
        self.cursor = cursor
        p = self.pieces = cursor.pieces
        self.stream = cursor.stream
        self.clean = bool(p.clean[cursor.stream])
        self.own: list[_Message] = []
        self.numbers, self.offsets, self.heads = array("q"), array("q"), array("q")
        self.ends, self.rows, self.lasts = array("q"), array("q"), array("q")
        self.marked = bytearray()
        self.early: dict[int, int] = {}
        self.cut: set[int] = set()
        self.breaks: list[int] = []
        self.holes: set[int] = set()
        self.resynced = False  # the next message was found again after a gap or junk
        self.stopped = False
        if self.late:
            self.breaks.append(0)
            if p.start[cursor.first_row] >= LEAST_MESSAGE:
                self.holes.add(0)

    # what the subclasses say

    @staticmethod
    @abstractmethod
    def may_begin(data: bytes) -> bool:
        """A cheap test of the first bytes of a piece: could a message begin here?"""

    @staticmethod
    @abstractmethod
    def begins(data: bytes) -> bool:
        """A strict test: a message begins here, whatever came before."""

    @abstractmethod
    def _begins_stream(self) -> bool:
        """Does a message begin at the very start of the stream? Only asked where nothing is
        missing before it.
        """

    @abstractmethod
    def _start_line(self, raw: bytes, whole: bool) -> _Line:
        """A start line, parsed; `whole` when its end is in the capture."""

    @abstractmethod
    def _fits(self, raw: bytes, whole: bool) -> bool:
        """Whether these bytes can be a start line where one has to be."""

    @abstractmethod
    def _body(self, head: Head, line: _Line) -> BodyRead:
        """Read the body behind a whole head."""

    @abstractmethod
    def _goes_on(self, line: _Line, fields: FramingFields, body: Body) -> bool:
        """Whether another message may follow this whole one; False stops the reading."""

    def _is_head(self, start: bytes) -> bool:
        """Whether a start line, behind which nothing follows, is a whole head."""
        return False

    # where the stream is damaged

    @property
    def late(self) -> bool:
        """The first bytes of the stream are missing."""
        p, first = self.pieces, self.cursor.first_row
        return (
            bool(p.known_start[self.stream]) and first < self.cursor.end_row and p.start[first] > 0
        )

    @property
    def unread(self) -> int:
        """Bytes that were not read because of the limit."""
        return self.end - self.cursor.offset if self.made >= self.limit else 0

    @property
    def end(self) -> int:
        """The offset behind the last byte known to have been sent."""
        return int(self.pieces.end[self.stream])

    @property
    def cut_mark(self) -> Mark:
        """What cut short a message that does not end."""
        return self.pieces.cut_mark(self.stream)

    @property
    def damaged(self) -> bool:
        """Messages may have been lost before one of those read."""
        return bool(self.breaks) and self.breaks[0] < len(self.ends)

    def chains(self) -> list[int]:
        """The chain of each message, counted from 0."""
        found: list[int] = []
        for number, (low, high) in enumerate(pairwise((0, *self.breaks, len(self.ends)))):
            found += [number] * (high - low)
        return found

    def begins_of(self) -> array[int]:
        """Where each message began, its interim responses included."""
        found = self.offsets[:]
        for k, begin in self.early.items():
            found[k] = begin
        return found

    def at_end(self) -> bool:
        """Nothing follows, or nothing before a gap."""
        return self.cursor.pos >= len(self.cursor.data) and not self.cursor.extend()

    def over_gap(self) -> bool:
        """Go on behind the gap the cursor stands at; False when no message follows."""
        cursor = self.cursor
        if cursor.row >= cursor.end_row:
            return False
        if self.pieces.start[cursor.row] - cursor.offset >= LEAST_MESSAGE:
            self.holes.add(len(self.ends))
        return self.find_again()

    def find_again(self, after: int = -1) -> bool:
        """Move to the next piece that plausibly begins with a start line; False when there is none.

        Only pieces from the cursor on are looked at, and only those that begin behind the offset
        `after`.
        """
        cursor, p = self.cursor, self.pieces
        start, length, payload, buffer, buffers = p.start, p.length, p.payload, p.buffer, p.buffers
        self.breaks.append(len(self.ends))
        self.resynced = True
        for row in cursor.rows_ahead(after):
            o = payload[row]
            if self.may_begin(bytes(buffers[buffer[row]][o : o + min(length[row], 24)])):
                cursor.move_to(start[row])
                if self.begins(cursor.peek(_LOOKED_AT)):
                    return True
        self.stopped = True
        return False

    # messages

    def take(self, most: int = 1 << 60) -> bool:
        """Take up to `most` messages that were read in bulk and follow each other from here on;
        False when there is none.
        """
        if self.stream & 1 != self.SIDE:
            return False
        ready = self.ready
        k = ready.at(self.stream, self.cursor.offset)
        if k < 0:
            return False
        missing = not self.clean and not self.ends and self.late
        if missing and not self.begins(self.cursor.peek(_LOOKED_AT)):
            return False
        stop, had = min(ready.stop[k], k + most), len(self.ends)
        self.marked += ready.marks[k:stop]
        if not self.clean and (missing or self.resynced):
            self.marked[had] |= RESYNCED
            self.resynced = False
        gaps = ready.gaps
        for gap in gaps[bisect_right(gaps, k) : bisect_left(gaps, stop)]:
            at = had + gap - k
            self.marked[at] |= RESYNCED
            self.breaks.append(at)
            if ready.begin[gap] - ready.end[gap - 1] >= LEAST_MESSAGE:
                self.holes.add(at)
        for column, read in (
            (self.numbers, ready.number),
            (self.offsets, ready.begin),
            (self.heads, ready.head),
            (self.ends, ready.end),
            (self.rows, ready.row),
            (self.lasts, ready.last),
        ):
            column.frombytes(read[k:stop].tobytes())
        self.cursor.skip(self.ends[-1])
        return True

    def _one(self) -> bool:
        """Read one message of any shape; False to stop reading."""
        if not (self.ends or self.resynced or self._started() or self._plausible()):
            return self.find_again()
        head = self.head()
        if head is None:
            return True
        if not head.fits:
            self.note(("not-a-start-line",), self.pieces.frame[self.cursor.row_at(head.offset)])
            return self.find_again(head.offset)
        return self._message(head, self._start_line(head.start, head.start_whole))

    def _started(self) -> bool:
        """Something was read before the first message."""
        return False

    def _plausible(self) -> bool:
        """At the very start of a stream: does a message begin here?"""
        if self.late:
            self.resynced = self.begins(self.cursor.peek(_LOOKED_AT))
            return self.resynced
        return self.cursor.peek(1) in (b"\r", b"\n") or self._begins_stream()

    def _message(self, head: Head, line: _Line) -> bool:
        """Read what is behind a head and keep the message; False to stop reading."""
        cursor, fields, head_end = self.cursor, head.block.fields, self.cursor.offset
        odd = head.weirds + line.weirds + fields.weirds
        if line.version == "HTTP/1.0" and fields.encoded:
            odd += ("transfer-encoding-in-http-1.0",)
        first = next((slug for slug in odd if slug in AMBIGUOUS), "")
        told = self.weirds.tells(first)
        ahead = cursor.peek(_AHEAD) if told and fields.readings and head.whole else b""
        read = self._body(head, line) if head.whole else not_read(fields.declared)
        odd += read.weirds
        end = cursor.offset if read.ended else captured_end(cursor)
        where = place(cursor, head.offset, head_end, max(end, head_end))
        if odd:
            detail = self.readings(fields, line.version, head_end, ahead) if told else ""
            self.judge(odd, detail, where.first_frame)
        if read.limited:
            self.weirds.add(CONTENT_LIMITED, where.first_frame)
        self.own.append(
            self.KIND(
                *line[:3],
                head.block.lines,
                read.body,
                *where[1:7],
                self.marks(where, head.whole, read, odd),
                tuple(map(self.caches.block.line.__getitem__, read.trailers))
                if read.trailers
                else (),
                head.offset,
            )
        )
        self._keep(head, head_end, where, read.ended and head.whole)
        if not read.ended or not head.whole:
            return not cursor.ended() and self.find_again()
        return self._goes_on(line, fields, read.body)

    def _keep(self, head: Head, head_end: int, where: MessagePlace, whole: bool) -> None:
        """Note where the last message of `own` lies; the cursor stands behind it."""
        self.made += 1
        if not whole:
            self.cut.add(len(self.ends))
        self.numbers.append(~(len(self.own) - 1))
        self.marked.append(0)
        self.offsets.append(head.offset)
        self.heads.append(head_end)
        self.ends.append(self.cursor.offset)
        self.rows.append(where.row)
        self.lasts.append(where.last_frame)
        self.resynced = False

    def _read_as(self, framing: Framing, fields: FramingFields) -> BodyRead:
        """Read a body that is delimited like this."""
        if framing is Framing.NONE:
            return no_body(fields.declared) if fields.sized else NOTHING
        coding = fields.coding if self.decode else ""
        if framing is Framing.CONTENT_LENGTH:
            return read_length(self.cursor, fields.declared or 0, coding)
        if framing is Framing.CHUNKED:
            return read_chunked(self.cursor, fields.declared, coding)
        if framing is Framing.TUNNEL:
            return TUNNEL
        closed = self.cut_mark is Mark.CLOSED
        end = max(self.end, self.pieces.fin[self.stream])
        return read_until_close(self.cursor, coding, closed, end)

    # what is said about them

    def note(self, odd: tuple[str, ...], frame: int) -> None:
        """Count weirds."""
        for slug in odd:
            self.weirds.add(slug, frame)

    def judge(self, odd: tuple[str, ...], detail: str, frame: int) -> None:
        """Count the weirds of a message; the first that makes its end ambiguous carries the
        readings.
        """
        for slug in odd:
            ambiguous = slug in AMBIGUOUS
            self.weirds.add(slug, frame, detail if ambiguous else "")
            if ambiguous:
                detail = ""

    def readings(self, fields: FramingFields, version: str, head_end: int, ahead: bytes) -> str:
        """A sentence: where the next message begins as read here and as others may read it, in
        offsets of the stream. "" when all agree.
        """
        others = []
        for how, size in fields.readings:
            if size == AS_CHUNKED:
                end = chunked_end(ahead)
                where = "nowhere in sight" if end is None else f"at offset {head_end + end}"
            else:
                where = "never" if size >= HUGE else f"at offset {head_end + size}"
            others.append(f"{how} {where}")
        if version == "HTTP/1.0" and fields.chunked and fields.declared is None:
            others.append(f"without Transfer-Encoding at offset {head_end}")
        if not others:
            return ""
        return (
            f"Stream offsets: the next message begins at {self.cursor.offset} as read here, "
            f"{', '.join(others)}."
        )

    def marks(
        self, where: MessagePlace, whole_head: bool, read: BodyRead, odd: tuple[str, ...]
    ) -> tuple[Mark, ...]:
        """The marks of a message."""
        body = read.body
        if whole_head and read.ended and body.complete and not (odd or where.repeated):
            return (Mark.RESYNCED,) if self.resynced and not self.clean else ()
        open_end = body.framing is Framing.UNTIL_CLOSE and not body.complete
        found = (
            (Mark.HEAD_TRUNCATED, not whole_head),
            (Mark.BODY_TRUNCATED, not body.complete and whole_head),
            (
                self.cut_mark,
                (not whole_head or not read.ended or open_end) and self.cursor.ended(),
            ),
            (Mark.RETRANSMITTED, where.repeated),
            (Mark.RESYNCED, self.resynced and not self.clean),
            (Mark.MALFORMED, bool(odd)),
            (Mark.AMBIGUOUS_FRAMING, not AMBIGUOUS.isdisjoint(odd)),
        )
        return tuple(mark for mark, holds in found if holds)

    # heads

    def head(self) -> Head | None:
        """The head at the cursor, which moves behind it. None when the cursor is at the end or at a
        gap.

        When its start line does not fit, nothing behind that line is read.
        """
        cursor = self.cursor
        data, pos = cursor.data, cursor.pos
        end = data.find(HEAD_END, pos, pos + _AT_HAND)
        if end > pos:  # all of it is at hand
            eol = data.find(CRLF, pos)
            first = data[pos:eol]
            block = (
                self.caches.block[data[eol:end]]
                if first and b"\n" not in first and self._fits(first, True)
                else None
            )
            if block is not None:
                cursor.pos = end + len(HEAD_END)
                return Head(cursor.base + pos, first, block, (), True, True, True)
        return self._any_head()

    def _any_head(self) -> Head | None:
        """The same, of a head of any shape."""
        cursor = self.cursor
        odd: dict[str, None] = {}
        if not self._skip_empty_lines(odd):
            return None
        offset = cursor.offset
        start, start_whole = cursor.line(MAX_START_LINE), True
        if start is None:
            start, start_whole = cursor.peek(MAX_START_LINE), False
            cursor.pos += len(start)
        text = _content(start)
        if not self._fits(text, start_whole):
            return Head(offset, text, NO_BLOCK, (), False, start_whole, False)
        raw_lines: list[bytes] = self._raw_lines(MAX_HEAD - len(start)) if start_whole else []
        whole = not _content(raw_lines[-1]) if raw_lines else start_whole and self._is_head(text)
        if not whole and self._skip_to(offset + MAX_HEAD):
            odd["head-too-long"] = None
        crlf = [raw.endswith(CRLF) for raw in (start, *raw_lines)] if start_whole else []
        if not all(crlf):
            odd["bare-lf"] = None
            if any(crlf):
                odd["mixed-line-ends"] = None
        lines = list(map(_content, raw_lines[:-1] if whole else raw_lines))
        block = self.caches.block[b"".join(CRLF + line for line in lines)] if all(crlf) else None
        if block is None or not whole:
            block = parse_lines(lines, self.caches.block.line)
        return Head(offset, text, block, tuple(odd), whole, start_whole, True)

    def _skip_empty_lines(self, odd: dict[str, None]) -> bool:
        """Skip empty lines in front of a start line (RFC 9112 §2.2); False when nothing follows."""
        cursor = self.cursor
        while two := cursor.peek(2):
            if two == CRLF:
                cursor.pos += 2
            elif two[:1] == b"\n":
                cursor.pos += 1
            else:
                return True
            odd["leading-empty-lines"] = None
        return False

    def _raw_lines(self, room: int) -> list[bytes]:
        """Field lines with their line ends; the last one is empty when the head is whole. At most
        `room` bytes.
        """
        found: list[bytes] = []
        while (raw := self.cursor.line(room)) is not None:
            found.append(raw)
            room -= len(raw)
            if not _content(raw):
                break
        return found

    def _skip_to(self, limit: int) -> bool:
        """Move to the offset `limit`, or to a gap or the end before it; whether `limit` was
        reached.
        """
        cursor = self.cursor
        while cursor.offset < limit:
            left = min(len(cursor.data) - cursor.pos, limit - cursor.offset)
            cursor.pos += left
            if not left and not cursor.extend():
                return False
        return True


def _content(line: bytes) -> bytes:
    """A line without its line end."""
    return line[:-2] if line.endswith(CRLF) else line.removesuffix(b"\n")


def captured_end(cursor: Cursor) -> int:
    """The offset behind the last captured byte before the cursor."""
    p = cursor.pieces
    row = cursor.row_at(cursor.offset - 1)
    return min(cursor.offset, int(p.start[row]) + int(p.length[row]))
