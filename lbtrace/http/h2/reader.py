"""HTTP/2 without TLS (RFC 9113; prior knowledge §3.3, or after an h2c upgrade as RFC 7540 §3.2 had
it) → exchanges, one per stream.

In: the cursors of both directions, each at its preface or first frame. Each direction is read on
its own into halves by stream id; a request and a response belong together because their stream id
is the same, so loss can remove a half and never mix two.

Lost bytes: a DATA frame over a gap is skipped by its length; otherwise reading goes on at the next
piece that begins with a chain of plausible frames, and the header compression state is forgotten
(see `hpack_tolerant`). `lines` hold the fields in order, `:authority` among them; the other pseudo
fields are in method, target and status.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from lbtrace.http.cursor import Cursor
from lbtrace.http.digest import BodyDigest
from lbtrace.http.h2.frames import (
    CONTINUATION,
    DATA,
    HEADERS,
    PREFACE,
    PUSH_PROMISE,
    RST_STREAM,
    is_extension,
    move_to_plausible,
    plausible,
    plausible_frame,
)
from lbtrace.http.h2.hpack_tolerant import Decoder, HpackField, MalformedBlockError
from lbtrace.http.place import Delivery, Ending
from lbtrace.http.weirds import Weirds
from lbtrace.model.http import Body, Exchange, Framing, HeaderLine, Interim, Mark, Request, Response

END_STREAM, END_HEADERS, PADDED, PRIORITY_FLAG = 0x1, 0x4, 0x8, 0x20
_MAX_BLOCK: Final = 1 << 20  # bytes of a header block put together from CONTINUATION frames
_MAX_FRAME: Final = 1 << 20  # bytes of a frame that is not DATA; a longer one is no frame
_VERSION: Final = "HTTP/2"


@dataclass(slots=True)
class StreamHalf:
    """What one direction sent on one stream. Offsets are of the direction's byte stream."""

    stream: int
    begin: int
    head_end: int = 0
    end: int = 0
    fields: list[HpackField] = field(default_factory=list)
    trailers: list[HpackField] = field(default_factory=list)
    interims: list[Interim] = field(default_factory=list)
    digest: BodyDigest | None = None
    length: int = 0
    ended: bool = False
    holes: bool = False
    unreadable: bool = False
    headed: bool = False


class Http2Direction:
    """One direction of an HTTP/2 connection, read to halves."""

    def __init__(self, cursor: Cursor, weirds: Weirds, decode: bool) -> None:
        self.cursor = cursor
        self.ending = Ending.of(cursor)
        self.delivery = Delivery(cursor)
        self.weirds = weirds
        self.decode = decode
        self.decoder = Decoder()
        self.halves: dict[int, StreamHalf] = {}
        self.promised: dict[int, StreamHalf] = {}
        self.resets: set[int] = set()

    def run(self) -> None:
        """Read to the end of the stream."""
        cursor = self.cursor
        if cursor.peek(len(PREFACE)) == PREFACE:
            cursor.pos += len(PREFACE)
        elif not plausible(cursor.peek(4096)) and not self._find_again():
            return
        while not cursor.ended():
            if not self._frame() and not self._find_again():
                return

    def _frame(self) -> bool:
        """Read a frame; False when there is none whole here."""
        cursor = self.cursor
        begin = cursor.offset
        head = cursor.peek(9)
        if is_extension(head):
            size = 9 + int.from_bytes(head[:3], "big")
            return cursor.take(size, None) == size
        if not plausible_frame(head):
            return False
        size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream = int.from_bytes(head[5:9], "big") & 0x7FFFFFFF
        cursor.pos += 9
        if kind == DATA:
            return self._data(stream, flags, size)
        if size > _MAX_FRAME:
            return False
        payload = cursor.peek(size)
        whole = len(payload) == size
        cursor.pos += len(payload)
        if not whole:
            if kind == HEADERS:
                half = self.halves.setdefault(stream, StreamHalf(stream, begin))
                half.holes = half.unreadable = True
                half.head_end = half.end = cursor.offset
            return False
        if kind in (HEADERS, PUSH_PROMISE):
            return self._headers(kind, stream, flags, payload, begin)
        if kind == RST_STREAM:
            self.resets.add(stream)
        return True

    def _data(self, stream: int, flags: int, size: int) -> bool:
        cursor = self.cursor
        half = self.halves.get(stream)
        padding = 0
        if flags & PADDED and size:
            first = cursor.peek(1)
            cursor.take(1, None)
            size -= 1
            padding = min(first[0] if first else 0, size)
        if half is None:
            half = self.halves[stream] = StreamHalf(
                stream, cursor.offset - 9, cursor.offset, unreadable=True
            )
        if half.digest is None:
            half.digest = BodyDigest(self._coding(half))
        before = cursor.offset
        taken = cursor.take(size - padding, half.digest)
        half.length += taken
        half.holes |= taken < size - padding
        short = cursor.offset - before < size - padding
        if padding and not short:
            cursor.take(padding, None)
        half.end = cursor.offset
        if short:
            half.holes = True
            return False
        half.ended |= bool(flags & END_STREAM)
        return True

    def _coding(self, half: StreamHalf) -> str:
        if not self.decode:
            return ""
        return next(
            (
                f.value.decode("latin-1").lower()
                for f in half.fields
                if f.name == b"content-encoding" and f.value
            ),
            "",
        )

    def _headers(self, kind: int, stream: int, flags: int, payload: bytes, begin: int) -> bool:
        cursor = self.cursor
        if flags & PADDED:
            padding = payload[0] if payload else 0
            payload = payload[1 : max(len(payload) - padding, 1)]
        if kind == HEADERS and flags & PRIORITY_FLAG:
            payload = payload[5:]
        target = stream
        if kind == PUSH_PROMISE:
            target = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
            payload = payload[4:]
        parts = [payload]
        total = len(payload)
        whole = bool(flags & END_HEADERS)
        while not whole:
            head = cursor.peek(9)
            size = int.from_bytes(head[:3], "big")
            if len(head) < 9 or head[3] != CONTINUATION or total + size > _MAX_BLOCK:
                break
            more = cursor.peek(9 + size)
            cursor.pos += len(more)
            parts.append(more[9:])
            total += size
            if len(more) < 9 + size:
                break
            whole = bool(head[4] & END_HEADERS)
        try:
            fields = self.decoder.decode(b"".join(parts))
            unreadable = not whole or any(f.name is None or f.value is None for f in fields)
        except MalformedBlockError as error:
            fields, unreadable = error.fields, True
            self.decoder.forget()
            self.weirds.add("http2-malformed", self.frame_at(begin))
        if unreadable:
            self.weirds.add("http2-state-lost", self.frame_at(begin))
        if kind == PUSH_PROMISE:
            self.promised[target] = StreamHalf(
                target, begin, cursor.offset, cursor.offset, fields, ended=True, headed=True
            )
        else:
            self._add(target, fields, unreadable, bool(flags & END_STREAM), begin)
        return whole

    def frame_at(self, offset: int) -> int:
        """The frame of the byte at an offset."""
        return int(self.cursor.pieces.frame[self.cursor.row_at(offset)])

    def _add(
        self, stream: int, fields: list[HpackField], unreadable: bool, ended: bool, begin: int
    ) -> None:
        cursor = self.cursor
        half = self.halves.get(stream)
        status = next((f.value for f in fields if f.name == b":status"), None)
        if half is None:
            half = self.halves[stream] = StreamHalf(stream, begin)
        elif half.headed:
            half.trailers = fields
            half.end = cursor.offset
            half.ended |= ended
            return
        if (
            status is not None
            and len(status) == 3
            and status[:1] == b"1"
            and status.isdigit()
            and not ended
        ):
            row = cursor.row_at(begin)
            half.interims.append(
                Interim(
                    int(status), lines(fields), cursor.pieces.frame[row], cursor.pieces.time_ns[row]
                )
            )
            return
        if not half.interims and not half.digest:
            half.begin = begin
        half.fields, half.headed = fields, True
        half.unreadable |= unreadable
        half.head_end = half.end = cursor.offset
        half.ended |= ended

    def _find_again(self) -> bool:
        """Go on at the next piece that begins with plausible frames; what was inserted into the
        compression state meanwhile is unknown.
        """
        cursor = self.cursor
        p = cursor.pieces
        rows = cursor.rows_ahead(cursor.offset)
        self.decoder.forget()
        if rows:
            self.weirds.add("http2-state-lost", p.frame[rows[0]])
        return move_to_plausible(cursor, rows)


def lines(fields: list[HpackField]) -> tuple[HeaderLine, ...]:
    """The readable fields as lines, `:authority` among them, without the other pseudo fields."""
    found = []
    for name, value in fields:
        if name is None or value is None or (name[:1] == b":" and name != b":authority"):
            continue
        n, v = name.decode("latin-1"), value.decode("latin-1")
        found.append(HeaderLine(n, v, f"{n}: {v}"))
    return tuple(found)


def _pseudo(half: StreamHalf, name: bytes) -> str:
    return next(
        (f.value.decode("latin-1") for f in half.fields if f.name == name and f.value is not None),
        "",
    )


def _body(half: StreamHalf, reset: bool) -> Body:
    declared = next((f.value for f in half.fields if f.name == b"content-length" and f.value), None)
    number = (
        int(declared)
        if declared is not None and declared.isdigit() and len(declared) <= 19
        else None
    )
    complete = half.ended and not half.holes and not reset
    if half.digest is None:
        return Body(Framing.NONE, 0, number, complete, None)
    return half.digest.body(Framing.DATA_FRAMES, half.length, number, complete)


def _marks(half: StreamHalf, side: Http2Direction, repeated: bool, reset: bool) -> tuple[Mark, ...]:
    marks = []
    if half.unreadable or not half.headed:
        marks.append(Mark.HEAD_TRUNCATED)
    if half.holes or not half.ended:
        marks.append(Mark.BODY_TRUNCATED)
    if reset:
        marks.append(Mark.RESET)
    elif not half.ended and side.cursor.ended():
        marks.append(side.ending.cut_mark)
    if repeated:
        marks.append(Mark.RETRANSMITTED)
    return tuple(marks)


def request(half: StreamHalf, side: Http2Direction, reset: bool) -> Request:
    """A half as a request."""
    where = side.delivery.place(half.begin, half.head_end, half.end)
    return Request(
        _pseudo(half, b":method"),
        _pseudo(half, b":path")
        or (_pseudo(half, b":authority") if _pseudo(half, b":method") == "CONNECT" else ""),
        _VERSION,
        lines(half.fields),
        _body(half, reset),
        *where[1:7],
        _marks(half, side, where.repeated, reset),
        lines(half.trailers),
        half.begin,
    )


def response(half: StreamHalf, side: Http2Direction, reset: bool) -> Response:
    """A half as a response."""
    status = _pseudo(half, b":status")
    where = side.delivery.place(half.begin, half.head_end, half.end)
    return Response(
        int(status) if len(status) == 3 and status.isascii() and status.isdigit() else 0,
        "",
        _VERSION,
        lines(half.fields),
        _body(half, reset),
        *where[1:7],
        _marks(half, side, where.repeated, reset),
        lines(half.trailers),
        half.begin,
    )


def read(
    connection: int,
    client: Cursor,
    server: Cursor,
    weirds: Weirds,
    decode: bool,
    out: list[Exchange],
    upgraded: Exchange | None,
) -> int:
    """The exchanges of an HTTP/2 connection, appended to `out`; how many there are.

    `upgraded` is the HTTP/1.1 exchange that asked for h2c: its request is stream 1 (RFC 7540 §3.2),
    whose response answers it; 101 was an interim one.
    """
    asking, answering = (
        Http2Direction(client, weirds, decode),
        Http2Direction(server, weirds, decode),
    )
    asking.run()
    answering.run()
    streams = sorted(
        (set(asking.halves) | set(answering.halves)) - {0},
        key=lambda s: (_first_frame(asking, answering, s), s),
    )
    made = 0
    for stream in streams:
        q, a = asking.halves.get(stream), answering.halves.get(stream)
        promised = answering.promised.get(stream)
        asked: Request | None = None
        if promised is not None:
            asked = request(promised, answering, False)
        elif q is not None and (q.headed or q.length):
            asked = request(q, asking, stream in asking.resets)
        answer = (
            response(a, answering, stream in answering.resets)
            if a is not None and a.headed
            else None
        )
        interims = tuple(a.interims) if a is not None else ()
        if stream == 1 and upgraded is not None and asked is None:
            switch = upgraded.response
            if answer is not None and switch is not None:
                before = Interim(switch.status, switch.lines, switch.first_frame, switch.first_ns)
                out[-1 - made] = upgraded._replace(
                    response=answer, interim=(*upgraded.interim, before, *interims), stream_id=1
                )
            continue
        if asked is None and answer is None and not interims:
            continue
        made += 1
        marks = (
            ()
            if asked is not None and answer is not None
            else _why(asking, answering, stream, answer is None)
        )
        out.append(Exchange(0, connection, made, asked, answer, interims, marks, stream))
    return made


def _why(
    asking: Http2Direction, answering: Http2Direction, stream: int, unanswered: bool
) -> tuple[Mark, ...]:
    """Why a half stands alone."""
    if not unanswered:
        return (Mark.LOST,) if asking.ending.holed else ()
    if stream in asking.resets or stream in answering.resets:
        return (Mark.RESET,)
    return (Mark.LOST if answering.ending.holed else answering.ending.cut_mark,)


def _first_frame(asking: Http2Direction, answering: Http2Direction, stream: int) -> int:
    frames = [
        side.frame_at(side.halves[stream].begin)
        for side in (asking, answering)
        if stream in side.halves
    ]
    return min(frames)
