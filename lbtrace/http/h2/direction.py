"""One direction of an HTTP/2 connection → what it sent on each stream (RFC 9113 §4, §6).

In: a cursor at the preface or at the first frame. Out: a `StreamHalf` for each stream, by stream
id. Which end is the client does not matter here.

Lost bytes: a DATA frame over a gap is skipped by its length; otherwise reading goes on at the next
piece that begins with a chain of plausible frames, and the header compression state is forgotten
(see `hpack_tolerant`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lbtrace.http.budget import FRAMES_EACH, UNFOLDED_EACH
from lbtrace.http.cursor import Cursor
from lbtrace.http.digest import BodyDigest
from lbtrace.http.event_digest import EventDigest
from lbtrace.http.grpc import GrpcDigest
from lbtrace.http.h2.control import KINDS, ControlNotes
from lbtrace.http.h2.field_sections import SCHEMES, FieldSection, FieldSections, KnownSections
from lbtrace.http.h2.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEAD,
    HEADERS,
    PADDED,
    PREFACE,
    PUSH_PROMISE,
    RST_STREAM,
    WITH_PRIORITY,
    FrameHead,
    begins_well,
    can_be_frame,
    frame_head,
    is_extension,
    move_to_frames,
)
from lbtrace.http.h2.hpack_tolerant import HpackField
from lbtrace.http.place import Delivery, Ending
from lbtrace.http.websocket import WEB_SOCKET, WebSocketDigest
from lbtrace.http.weirds import Weirds
from lbtrace.http_fields.content import is_event_stream, is_grpc
from lbtrace.model.http import HeaderLine, Interim

if TYPE_CHECKING:
    from lbtrace.http.h2.plain_streams import ToldEnd

_MAX_BLOCK: Final = 1 << 20  # bytes of a header block put together from CONTINUATION frames
_MAX_FRAME: Final = 1 << 20  # bytes of a frame that is not DATA; a longer one is no frame


@dataclass(slots=True)
class StreamHalf:
    """What one direction sent on one stream. Offsets are of the direction's byte stream.

    `section` is the final header block, None without. `ended`: END_STREAM was seen; `holes`: bytes
    are missing; `unreadable`: part of the head cannot be read.
    """

    stream: int
    begin: int
    head_end: int = 0
    end: int = 0
    section: FieldSection | None = None
    trailers: tuple[HeaderLine, ...] = ()
    interims: list[Interim] | None = None
    digest: BodyDigest | None = None
    length: int = 0
    ended: bool = False
    holes: bool = False
    unreadable: bool = False

    @property
    def messages(self) -> int | None:
        """How many messages of gRPC it sent; None where they cannot be counted."""
        if self.digest is None:
            return 0 if self.ended and not self.holes else None
        if isinstance(self.digest, GrpcDigest) and not self.holes:
            return self.digest.messages
        return None


class Http2Direction:
    """One direction of an HTTP/2 connection, read to its end.

    `halves` are by stream id, `promised` the requests of PUSH_PROMISE by the stream they promise,
    `resets` the streams it reset. `control` are its control frames. `whole`: no byte of it is
    missing, as far as the capture shows.
    """

    def __init__(
        self,
        cursor: Cursor,
        weirds: Weirds,
        decode: bool,
        limit: int,
        asked: frozenset[int] = frozenset(),
        told: tuple[ToldEnd, Mapping[int, HpackField]] | None = None,
    ) -> None:
        """`decode`: content digests are wanted. `limit`: the most messages that are read, interim
        ones included. `asked`: streams on which the other end asked for a WebSocket. `told`: what
        the compiled core found, and the fields by number; then only the frames that it names are
        read.
        """
        self.asked = asked
        self.cursor = cursor
        self._limit = limit
        self._interims = 0
        self.ending = Ending.of(cursor)
        self.delivery = Delivery(cursor)
        self.weirds = weirds
        self.decode = decode
        self.sections = FieldSections()
        self.halves: dict[int, StreamHalf] = {}
        self.promised: dict[int, StreamHalf] = {}
        self.resets: set[int] = set()
        self.control = ControlNotes()
        pieces = cursor.pieces
        self.whole = bool(pieces.known_start[cursor.stream]) and not self.ending.holed
        if told is None:
            self._run()
        else:
            self._read(*told)

    def _read(self, told: ToldEnd, fields: Mapping[int, HpackField]) -> None:
        """Read the frames that the compiled core left, with the fields that it found in them."""
        self.sections = sections = KnownSections()
        for begin, numbers in told.frames:
            self.cursor.move_to(begin)
            sections.fields = [fields[n] for n in memoryview(numbers or b"").cast("I")]
            self._frame()
        sections.unfolded = told.unfolded
        self.whole = self.whole and bool(told.whole)
        self.control = ControlNotes.told(*told[:5])
        self.resets = self.control.resets
        self.cursor.take(told.stop - self.cursor.offset, None)

    def _run(self) -> None:
        cursor = self.cursor
        if not begins_well(cursor) and not self._find_again():
            return
        if cursor.peek(len(PREFACE)) == PREFACE:
            cursor.pos += len(PREFACE)
        while not cursor.ended() and not self._full():
            if not self._frame() and not self._find_again():
                return

    def _full(self) -> bool:
        made = len(self.halves) + len(self.promised) + self._interims
        return (
            made >= self._limit
            or self.control.kept > FRAMES_EACH * self._limit
            or self.sections.unfolded > UNFOLDED_EACH * self._limit
        )

    @property
    def unread(self) -> int:
        """Bytes that were not read because of the limit."""
        return self.ending.end - self.cursor.offset if self._full() else 0

    @property
    def of_grpc(self) -> set[int]:
        """The streams with a body of gRPC."""
        return {n for n, half in self.halves.items() if isinstance(half.digest, GrpcDigest)}

    def frame_at(self, offset: int) -> int:
        """The frame of the capture that carried the byte at an offset."""
        return int(self.cursor.pieces.frame[self.cursor.row_at(offset)])

    def _frame(self) -> bool:
        """Read a frame; False when there is no whole one here."""
        cursor = self.cursor
        begin = cursor.offset
        head = frame_head(cursor.peek(HEAD))
        if head is None:
            return False
        if is_extension(head):
            return cursor.take(HEAD + head.size, None) == HEAD + head.size
        if not can_be_frame(head):
            return False
        cursor.pos += HEAD
        if head.kind == DATA:
            return self._data(head)
        return head.size <= _MAX_FRAME and self._small(head, begin)

    def _small(self, head: FrameHead, begin: int) -> bool:
        """Read the payload of a frame that is kept as a whole: any but DATA."""
        cursor = self.cursor
        payload = cursor.peek(head.size)
        cursor.pos += len(payload)
        if len(payload) < head.size:
            if head.kind == HEADERS:
                self._cut_headers(head.stream, begin)
            return False
        if head.kind in (HEADERS, PUSH_PROMISE):
            return self._headers(head, payload, begin)
        if head.kind in KINDS:
            self.control.add(head, payload, cursor.offset - 1)
        if head.kind == RST_STREAM:
            self.resets.add(head.stream)
        return True

    def _data(self, head: FrameHead) -> bool:
        """§6.1: padding length, data, padding."""
        cursor = self.cursor
        size, padding = head.size, 0
        self.control.add_data(head, cursor.offset + size - 1)
        if head.flags & PADDED and size:
            first = cursor.peek(1)
            cursor.take(1, None)
            size -= 1
            padding = min(first[0] if first else 0, size)
        half = self.halves.get(head.stream)
        if half is None:
            begin = cursor.offset - HEAD
            half = StreamHalf(head.stream, begin, cursor.offset, unreadable=True)
            self.halves[head.stream] = half
        if half.digest is None:
            half.digest = self._digest(half)
        if isinstance(half.digest, WebSocketDigest):
            row = cursor.row_at(cursor.offset)
            half.digest.place = cursor.pieces.frame[row], cursor.pieces.time_ns[row]
        before = cursor.offset
        taken = cursor.take(size - padding, half.digest)
        half.length += taken
        half.holes |= taken < size - padding
        short = cursor.offset - before < size - padding
        if padding and not short:
            cursor.take(padding, None)
        half.end = cursor.offset
        half.ended |= not short and bool(head.flags & END_STREAM)
        return not short

    def _digest(self, half: StreamHalf) -> BodyDigest:
        """What counts and digests the body of a stream."""
        section = half.section
        if section is None:
            return BodyDigest("")
        if half.stream in self.asked or section.protocol == WEB_SOCKET:
            return WebSocketDigest()
        if is_event_stream(section.content_type) and section.coding in ("", "identity"):
            return EventDigest()
        kind = GrpcDigest if is_grpc(section.content_type) else BodyDigest
        return kind(section.coding if self.decode else "")

    @property
    def schemes(self) -> tuple[str, ...]:
        """What `:scheme` says in the requests of this end, each once, the first few (RFC 9113
        §8.3.1).
        """
        sections = (half.section for half in self.halves.values() if half.section is not None)
        return tuple(dict.fromkeys(s.scheme for s in sections if s.scheme))[:SCHEMES]

    @property
    def web_sockets(self) -> frozenset[int]:
        """The streams on which this end asked for a WebSocket (RFC 8441)."""
        return frozenset(
            stream
            for stream, half in self.halves.items()
            if half.section is not None and half.section.protocol == WEB_SOCKET
        )

    def _cut_headers(self, stream: int, begin: int) -> None:
        """A HEADERS frame of which bytes are missing."""
        half = self.halves.setdefault(stream, StreamHalf(stream, begin))
        half.holes = half.unreadable = True
        half.head_end = half.end = self.cursor.offset

    def _headers(self, head: FrameHead, payload: bytes, begin: int) -> bool:
        """§6.2, §6.6, §6.10: a header block, from HEADERS or PUSH_PROMISE and the CONTINUATION
        frames behind it.
        """
        if head.flags & PADDED:
            padding = payload[0] if payload else 0
            payload = payload[1 : max(len(payload) - padding, 1)]
        if head.kind == HEADERS and head.flags & WITH_PRIORITY:
            payload = payload[5:]
        promised = 0
        if head.kind == PUSH_PROMISE:
            promised = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
            payload = payload[4:]
        whole = bool(head.flags & END_HEADERS)
        if not whole:
            payload, whole = self._continued(payload)
        section, malformed = self.sections.read(payload, whole)
        if malformed:
            self.weirds.add("http2-malformed", self.frame_at(begin))
        if not section.readable:
            self.weirds.add("http2-state-lost", self.frame_at(begin))
        if head.kind == PUSH_PROMISE:
            end = self.cursor.offset
            self.promised[promised] = StreamHalf(promised, begin, end, end, section, ended=True)
        else:
            self._add(head.stream, section, bool(head.flags & END_STREAM), begin)
        return whole

    def _continued(self, first: bytes) -> tuple[bytes, bool]:
        """A header block with what CONTINUATION frames add to it, and whether it is whole."""
        cursor = self.cursor
        parts, total = [first], len(first)
        while True:
            head = frame_head(cursor.peek(HEAD))
            if head is None or head.kind != CONTINUATION or total + head.size > _MAX_BLOCK:
                return b"".join(parts), False
            more = cursor.peek(HEAD + head.size)
            cursor.pos += len(more)
            parts.append(more[HEAD:])
            total += head.size
            whole = len(more) == HEAD + head.size
            if not whole or head.flags & END_HEADERS:
                return b"".join(parts), whole

    def _add(self, stream: int, section: FieldSection, ended: bool, begin: int) -> None:
        """Note a header block: the head of a message, an interim response, or trailers."""
        end = self.cursor.offset
        half = self.halves.get(stream)
        if half is None:
            half = self.halves[stream] = StreamHalf(stream, begin)
        elif half.section is not None:
            half.trailers = section.lines
            half.end = end
            half.ended |= ended
            return
        if not ended and _is_interim(section.status):
            row, p = self.cursor.row_at(begin), self.cursor.pieces
            self._interims += 1
            half.interims = half.interims or []
            half.interims.append(
                Interim(int(section.status), section.lines, p.frame[row], p.time_ns[row])
            )
            return
        if not half.interims and not half.digest:
            half.begin = begin
        half.section = section
        half.unreadable |= not section.readable
        half.head_end = half.end = end
        half.ended |= ended

    def _find_again(self) -> bool:
        """Go on at the next piece that begins with plausible frames. What was inserted into the
        compression state meanwhile is unknown.
        """
        cursor = self.cursor
        self.whole = False
        rows = cursor.rows_ahead(cursor.offset)
        self.sections.decoder.forget()
        if rows:
            self.weirds.add("http2-state-lost", cursor.pieces.frame[rows[0]])
        return move_to_frames(cursor, rows)


def _is_interim(status: str) -> bool:
    return len(status) == 3 and status[0] == "1" and status.isascii() and status.isdigit()
