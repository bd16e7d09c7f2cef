"""HTTP/2 without TLS (RFC 9113; prior knowledge §3.3, or after an h2c upgrade as RFC 7540 §3.2 had
it) → exchanges, one for each stream.

In: the cursors of both directions, each at its preface or first frame. Each direction is read on
its own (`direction`). A request and a response belong together because their stream id is the
same, so loss can remove a half and never mix two.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from lbtrace.http.h2.direction import Http2Direction
from lbtrace.http.h2.messages import request, response
from lbtrace.http.h2.rows import StreamRows
from lbtrace.model.http import Exchange, Interim, Mark, Request, Response

_ALONE = {mark: (mark,) for mark in Mark}  # one tuple for all that stand alone for this reason


def exchanges(
    connection: int,
    asking: Http2Direction,
    answering: Http2Direction,
    out: list[Exchange],
    upgraded: Exchange | None = None,
    rows: StreamRows | None = None,
    apart: AbstractSet[int] = frozenset(),
    ordinals: Mapping[int, int] | None = None,
) -> int:
    """The exchanges of an HTTP/2 connection, appended to `out`, or to `rows`, if given, when there
    is nothing unusual about them; how many there are. The halves of both directions are used up.
    `apart`: streams of which there is more to say. `ordinals`: by stream, where others are rows
    already.

    `upgraded` is the HTTP/1.1 exchange that asked for h2c: its request is stream 1 (RFC 7540 §3.2),
    whose response answers it; 101 was an interim one.
    """
    made = 0
    resets = asking.resets | answering.resets
    for stream in _in_order(asking, answering):
        if (
            rows is not None
            and stream not in apart
            and rows.add(connection, made + 1, stream, asking, answering)
        ):
            made += 1
            continue
        reset = stream in resets
        asked = _request(asking, answering, stream, reset)
        answer, interims = _response(answering, stream, reset)
        if stream == 1 and upgraded is not None and asked is None:
            out[-1 - made] = _answered(upgraded, answer, interims)
        elif asked is not None or answer is not None or interims:
            made += 1
            marks: tuple[Mark, ...] = ()
            if asked is None or answer is None:
                marks = _why(asking, answering, reset, answer is None)
            ordinal = made if ordinals is None else ordinals[stream]
            out.append(Exchange(0, connection, ordinal, asked, answer, interims, marks, stream))
    return made


def _answered(
    upgraded: Exchange, answer: Response | None, interims: tuple[Interim, ...]
) -> Exchange:
    """An upgraded exchange with the answer of its stream; its 101 was an interim response."""
    switch = upgraded.response
    if answer is None or switch is None:
        return upgraded
    before = Interim(switch.status, switch.lines, switch.first_frame, switch.first_ns)
    interims = (*upgraded.interim, before, *interims)
    return upgraded._replace(response=answer, interim=interims, stream_id=1)


def is_reversed(one: Http2Direction, other: Http2Direction) -> bool:
    """True when `other` is the client: more of its streams begin with `:method` and fewer with
    `:status`. Where header blocks cannot be read, the end that begins most streams is the client.
    """
    votes = _asks(one) - _asks(other)
    if votes:
        return votes < 0
    first = 0
    for stream in one.halves.keys() & other.halves.keys():
        of_one, of_other = (side.frame_at(side.halves[stream].begin) for side in (one, other))
        first += (of_other > of_one) - (of_other < of_one)
    return first < 0


def _asks(side: Http2Direction) -> int:
    """Streams on which a direction asks, less those on which it answers."""
    sections = [half.section for half in side.halves.values() if half.section is not None]
    return sum(bool(s.method) - bool(s.status) for s in sections)


def _in_order(asking: Http2Direction, answering: Http2Direction) -> list[int]:
    """The streams, by the frame they begin in."""
    begins: dict[int, int] = {}
    for side in (asking, answering):
        for stream, half in side.halves.items():
            frame = side.frame_at(half.begin)
            begins[stream] = min(begins.get(stream, frame), frame)
    return sorted(begins, key=lambda stream: (begins[stream], stream))


def _request(
    asking: Http2Direction, answering: Http2Direction, stream: int, reset: bool
) -> Request | None:
    """The request of a stream: the server's own when it promised the stream (RFC 9113 §8.4)."""
    half = asking.halves.pop(stream, None)
    promised = answering.promised.pop(stream, None)
    if promised is not None:
        return request(promised, answering, False)
    if half is None or (half.section is None and not half.length):
        return None
    return request(half, asking, reset)


def _response(
    answering: Http2Direction, stream: int, reset: bool
) -> tuple[Response | None, tuple[Interim, ...]]:
    """The response of a stream, and the interim ones before it."""
    half = answering.halves.pop(stream, None)
    if half is None:
        return None, ()
    interims = tuple(half.interims) if half.interims else ()
    return response(half, answering, reset) if half.section is not None else None, interims


def _why(
    asking: Http2Direction, answering: Http2Direction, reset: bool, unanswered: bool
) -> tuple[Mark, ...]:
    """Why a half stands alone."""
    if not unanswered:
        return _ALONE[Mark.LOST] if asking.ending.holed else ()
    if reset:
        return _ALONE[Mark.RESET]
    return _ALONE[Mark.LOST if answering.ending.holed else answering.ending.cut_mark]
