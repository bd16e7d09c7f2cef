"""One direction of an HTTP/1.x connection → its messages, in order (RFC 9112): what `requests` and
`responses` share.

In: a Cursor over one stream. Out: messages, with for each where it begins and ends in the stream
and the piece it began in, and the places where others may have been lost between them: messages of
one *chain* follow each other with nothing lost between them, a new chain begins after a gap that
may have swallowed some.

Invariants: the result does not depend on how the stream is cut into pieces; the complete messages
of a prefix of the stream are a prefix of the messages. Messages that were read in bulk are taken as
they are where the reader stands at one and knows that a message begins there; everything else is
read here.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final, NamedTuple

from lbtrace.http.bulk.bulk_connections import ReadyMessages
from lbtrace.http.cursor import Cursor
from lbtrace.http.h1.body import chunked_end
from lbtrace.http.h1.framing import CHUNKED, HUGE, PLAIN, FramingFields
from lbtrace.http.h1.head import MAX_HEAD, HeadCaches, HeaderBlock, parse_lines
from lbtrace.http.place import MessagePlace, place
from lbtrace.http.weirds import AMBIGUOUS, Weirds
from lbtrace.model.http import Body, Framing, Mark

MAX_START_LINE: Final = 1 << 16
AHEAD: Final = 1 << 16  # bytes looked at to tell where another reading would end
LEAST_MESSAGE: Final = 16  # bytes of the shortest HTTP/1 message
_AT_HAND: Final = 8192  # bytes of a head that are looked at in one piece
CRLF: Final = b"\r\n"
HEAD_END: Final = b"\r\n\r\n"
_NO_BLOCK: Final = HeaderBlock((), PLAIN)


class Head(NamedTuple):
    """A head that took the slow road. `fits`: its start line is one; otherwise nothing behind it
    was read.
    """

    offset: int
    start: bytes
    block: HeaderBlock
    weirds: tuple[str, ...]
    whole: bool
    start_whole: bool
    fits: bool


class Looks(NamedTuple):
    """How to tell that a message begins: a cheap test on the first bytes of a piece, and a strict
    one.

    `side`: streams of clients (0) carry it, or those of servers (1), unless roles are reversed.
    """

    side: int
    may_begin: Callable[[bytes], bool]
    begins: Callable[[bytes], bool]


class ReaderContext(NamedTuple):
    """What all readers of a capture share. `decode`: content digests are wanted."""

    ready: ReadyMessages
    caches: HeadCaches
    weirds: Weirds
    decode: bool


class MessageReader:
    """What both directions share."""

    __slots__ = (
        "breaks", "caches", "clean", "cursor", "cut", "decode", "early", "ends", "heads", "holes",
        "lasts", "looks", "numbers", "offsets", "pieces", "ready", "resynced", "rows", "stopped",
        "stream", "weirds",
    )  # fmt: skip

    def __init__(self, cursor: Cursor, context: ReaderContext, looks: Looks) -> None:
        self.ready, self.caches, self.weirds, self.decode = context
        self.looks = looks
        p = self.pieces = cursor.pieces
        self.cursor = cursor
        self.stream = cursor.stream
        self.clean = bool(p.clean[cursor.stream])
        # Of each message: its number in what was read in bulk, or ~k when it is message k of those
        # read here,
        self.numbers: list[int] = []
        self.offsets: list[int] = []  # where it begins in the stream,
        self.heads: list[int] = []  # where its head ends,
        self.ends: list[int] = []  # where it ends,
        self.rows: list[int] = []  # the piece it began in,
        self.lasts: list[int] = []  # the frame it ended in.
        self.early: dict[int, int] = {}  # where a message with interim ones in front of it began
        self.cut: set[int] = set()  # messages that do not end where their framing says
        self.breaks: list[int] = []  # before these messages others may have been lost
        self.holes: set[int] = (
            set()
        )  # before these messages at least one was lost: a gap begins where one had to begin
        self.resynced = False
        self.stopped = False
        if self.late:
            self.breaks.append(0)
            if p.start[cursor.first_row] >= LEAST_MESSAGE:
                self.holes.add(0)

    @property
    def late(self) -> bool:
        """The first bytes of the stream are missing."""
        p, first = self.pieces, self.cursor.first_row
        return (
            bool(p.known_start[self.stream]) and first < self.cursor.end_row and p.start[first] > 0
        )

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
        """Of each message: its chain."""
        found: list[int] = []
        for number, (low, high) in enumerate(pairwise((0, *self.breaks, len(self.ends)))):
            found += [number] * (high - low)
        return found

    def take(self, most: int = 1 << 60) -> bool:
        """Take up to `most` messages that were read in bulk and follow each other from here on;
        False when there is none, or when bytes are missing since the last message: then one that is
        read here says so.
        """
        missing = self.resynced or (not self.ends and self.late)
        if (missing and not self.clean) or self.stream & 1 != self.looks.side:
            return False
        ready = self.ready
        k = ready.at(self.stream, self.cursor.offset)
        if k < 0:
            return False
        stop = min(ready.stop[k], k + most)
        self.numbers += ready.number[k:stop]
        self.offsets += ready.begin[k:stop]
        self.heads += ready.head[k:stop]
        self.ends += ready.end[k:stop]
        self.rows += ready.row[k:stop]
        self.lasts += ready.last[k:stop]
        self.cursor.skip(self.ends[-1])
        return True

    def keep(
        self, number: int, head: Head, head_end: int, place: MessagePlace, whole: bool
    ) -> None:
        """Note a message that was read here, as the cursor stands behind it."""
        if not whole:
            self.cut.add(len(self.ends))
        self.numbers.append(~number)
        self.offsets.append(head.offset)
        self.heads.append(head_end)
        self.ends.append(self.cursor.offset)
        self.rows.append(place.row)
        self.lasts.append(place.last_frame)
        self.resynced = False

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

    def place(self, offset: int, head_end: int, end: int) -> MessagePlace:
        """Frames and times of a message."""
        return place(self.cursor, offset, head_end, end)

    def note(self, slugs: tuple[str, ...], frame: int) -> None:
        """Count weirds."""
        for slug in slugs:
            self.weirds.add(slug, frame)

    def readings(self, fields: FramingFields, version: str, head_end: int, ahead: bytes) -> str:
        """Where the next message begins as read here, and as others may read it: offsets in the
        stream.
        """
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
        return (
            f"Stream offsets: the next message begins at {self.cursor.offset} as read here, "
            f"{', '.join(told)}."
            if told
            else ""
        )

    def judge(self, odd: tuple[str, ...], detail: str, frame: int) -> None:
        """Count the weirds of a message; the first that makes its end ambiguous carries the
        readings.
        """
        for slug in odd:
            ambiguous = slug in AMBIGUOUS
            self.weirds.add(slug, frame, detail if ambiguous else "")
            if ambiguous:
                detail = ""

    def marks(
        self, place: MessagePlace, whole_head: bool, body: Body, ended: bool, odd: tuple[str, ...]
    ) -> tuple[Mark, ...]:
        """The marks of a message."""
        marks: list[Mark] = []
        if not whole_head:
            marks.append(Mark.HEAD_TRUNCATED)
        if not body.complete and whole_head:
            marks.append(Mark.BODY_TRUNCATED)
        if (
            not whole_head
            or not ended
            or (body.framing is Framing.UNTIL_CLOSE and not body.complete)
        ) and self.cursor.ended():
            marks.append(self.cut_mark)
        if place.repeated:
            marks.append(Mark.RETRANSMITTED)
        if self.resynced and not self.clean:
            marks.append(Mark.RESYNCED)
        if odd:
            marks.append(Mark.MALFORMED)
            if not AMBIGUOUS.isdisjoint(odd):
                marks.append(Mark.AMBIGUOUS_FRAMING)
        return tuple(marks)

    # heads

    def head(self, fits: Callable[[bytes, bool], bool]) -> Head | None:
        """The head at the cursor, which moves behind it. None when the cursor is at the end or at a
        gap.

        When its start line does not pass `fits`, nothing behind that line is read.
        """
        cursor = self.cursor
        data, pos = cursor.data, cursor.pos
        end = data.find(HEAD_END, pos, pos + _AT_HAND)
        if end > pos:  # all of it is at hand
            eol = data.find(CRLF, pos)
            first = data[pos:eol]
            block = (
                self.caches.block[data[eol:end]]
                if first and b"\n" not in first and fits(first, True)
                else None
            )
            if block is not None:
                cursor.pos = end + len(HEAD_END)
                return Head(cursor.base + pos, first, block, (), True, True, True)
        return self._head(fits)

    def _head(self, fits: Callable[[bytes, bool], bool]) -> Head | None:
        """The same of a head of any shape."""
        cursor = self.cursor
        odd: dict[str, None] = {}
        while True:
            two = cursor.peek(2)
            if two == CRLF:
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
            if raw.endswith(CRLF):
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
        known = (
            self.caches.block[b"\r\n" + b"\r\n".join(lines)]
            if whole and lines and "bare-lf" not in odd
            else None
        )
        block = known or parse_lines(lines, self.caches.block.line)
        return Head(offset, start, block, tuple(odd), whole, start_whole, True)

    def find_again(self, after: int = -1) -> bool:
        """Move to the next piece that plausibly begins with a start line; False when there is none.

        Only pieces from the cursor on are looked at, and only those that begin after the offset
        `after`.
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

    def begins(self) -> list[int]:
        """Of each message: where it began, its interim ones included."""
        found = self.offsets[:]
        for k, begin in self.early.items():
            found[k] = begin
        return found


def captured_end(cursor: Cursor) -> int:
    """The offset after the last captured byte before the cursor."""
    p = cursor.pieces
    row = cursor.row_at(cursor.offset - 1)
    return min(cursor.offset, int(p.start[row]) + int(p.length[row]))
