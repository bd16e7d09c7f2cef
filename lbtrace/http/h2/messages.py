"""What one direction sent on one HTTP/2 stream → a request or a response (RFC 9113 §8.1).

`lines` hold the fields in order, `:authority` among them; the other pseudo fields are in method,
target and status.
"""

from __future__ import annotations

from typing import Final

from lbtrace.http.digest import CONTENT_LIMITED
from lbtrace.http.h2.direction import Http2Direction, StreamHalf
from lbtrace.http.h2.field_sections import FieldSection
from lbtrace.http.place import MessagePlace
from lbtrace.http.websocket import WEB_SOCKET
from lbtrace.model.http import NO_BODY, Body, Framing, Mark, Request, Response

_VERSION: Final = "HTTP/2"
TUNNEL: Final = Body(Framing.TUNNEL, 0, None, True, None)
_NO_SECTION: Final = FieldSection("", "", "", "", (), "", None, False)


def request(half: StreamHalf, side: Http2Direction, reset: bool) -> Request:
    """A half as a request. `reset`: one of the ends reset the stream."""
    section = half.section or _NO_SECTION
    tunnel = section.protocol == WEB_SOCKET
    target = section.path or (section.authority if section.method == "CONNECT" else "")
    where = place(half, side, tunnel)
    return Request(
        section.method,
        target,
        _VERSION,
        section.lines,
        body(half, side, section, tunnel),
        *where[1:7],
        _marks(half, side, where.repeated, reset, tunnel),
        half.trailers,
        half.begin,
    )


def response(half: StreamHalf, side: Http2Direction, reset: bool) -> Response:
    """A half as a response. `reset`: one of the ends reset the stream."""
    section = half.section or _NO_SECTION
    status = section.status
    tunnel = half.stream in side.asked and status[:1] == "2"
    where = place(half, side, tunnel)
    return Response(
        int(status) if len(status) == 3 and status.isascii() and status.isdigit() else 0,
        "",
        _VERSION,
        section.lines,
        body(half, side, section, tunnel),
        *where[1:7],
        _marks(half, side, where.repeated, reset, tunnel),
        half.trailers,
        half.begin,
    )


def place(half: StreamHalf, side: Http2Direction, tunnel: bool) -> MessagePlace:
    """Where a message is. What follows the head of one that makes the stream a tunnel is no part of
    it (RFC 8441 §5.1), as with a 101.
    """
    return side.delivery.place(half.begin, half.head_end, half.head_end if tunnel else half.end)


def body(half: StreamHalf, side: Http2Direction, section: FieldSection, tunnel: bool) -> Body:
    """A body that ended is complete, whatever follows it: a server may answer early and then reset
    the stream, so that the client stops sending (§8.1).
    """
    if tunnel:
        return TUNNEL
    complete = half.ended and not half.holes
    if half.digest is None and complete and section.declared is None:
        return NO_BODY
    if half.digest is None:
        return Body(Framing.NONE, 0, section.declared, complete, None)
    found = half.digest.body(Framing.DATA_FRAMES, half.length, section.declared, complete)
    if half.digest.limited:
        side.weirds.add(CONTENT_LIMITED, side.frame_at(half.begin))
    return found


def _marks(
    half: StreamHalf, side: Http2Direction, repeated: bool, reset: bool, tunnel: bool
) -> tuple[Mark, ...]:
    ended = half.ended or tunnel
    holes = half.holes and not tunnel
    if ended and not (holes or half.unreadable or half.section is None or repeated):
        return ()
    marks = []
    if half.unreadable or half.section is None:
        marks.append(Mark.HEAD_TRUNCATED)
    if holes or not ended:
        marks.append(Mark.BODY_TRUNCATED)
    if not ended and reset:
        marks.append(Mark.RESET)
    elif not ended and side.cursor.ended():
        marks.append(side.ending.cut_mark)
    if repeated:
        marks.append(Mark.RETRANSMITTED)
    return tuple(marks)
