"""The messages of a connection → exchanges; each half that stands alone says why (RFC 9112 §9)."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right

from lbtrace.http.h1.pairing import pair
from lbtrace.http.h1.requests import RequestReader
from lbtrace.http.h1.responses import ResponseReader
from lbtrace.http.weirds import Weirds
from lbtrace.model.http import Exchange, Mark, Request
from lbtrace.tables.exchanges import PIPELINED

UNASKED = "response-before-request"


def build(
    connection: int,
    requests: RequestReader,
    responses: ResponseReader,
    weirds: Weirds,
    out: list[Exchange],
    rows: array[int] | None = None,
    unasked: str = UNASKED,
) -> None:
    """Pair the messages of a connection and append the exchanges to `out`, with id 0: ids are given
    when all connections are together.

    An exchange of two messages read in bulk goes to `rows` instead, if given, when there is nothing
    else to say about it (see `ConnectionReader.rows`). `unasked` is the weird of a response without
    request, where no request is missing and the server had bytes of the client; "" where that needs
    no saying.
    """
    pairs = pair(requests, responses)
    asking, answering, interims = requests.numbers, responses.numbers, responses.interims
    ahead = _sent_ahead(requests, responses, pairs)
    alone = _Alone(requests, responses, weirds, unasked)
    for ordinal, (i, j, counted) in enumerate(pairs, 1):
        if rows is not None and i >= 0 <= j and asking[i] >= 0 <= answering[j] and not counted:
            marked = requests.marked[i] | (PIPELINED if i in ahead else 0), responses.marked[j]
            rows.extend((connection, ordinal, asking[i], answering[j], *marked))
            continue
        request: Request | None = None
        if i >= 0:
            request = requests.message(i)
            if i in ahead:
                request = request._replace(marks=(*request.marks, Mark.PIPELINED))
        response = responses.message(j) if j >= 0 else None
        marks = alone.marks(i, j) if i < 0 or j < 0 else (Mark.PAIRED_BY_ORDER,) * counted
        out.append(Exchange(0, connection, ordinal, request, response, interims.get(j, ()), marks))
    if (
        len(pairs) > max(len(asking), len(answering))
        and (requests.damaged or responses.damaged)
        and requests.pipelined()
    ):
        weirds.add("pairing-in-doubt", requests.pieces.frame[requests.rows[0]])
    if responses.pending:
        _announce(connection, responses, out, len(pairs))


def _sent_ahead(
    requests: RequestReader, responses: ResponseReader, pairs: list[tuple[int, int, bool]]
) -> set[int]:
    """The requests that were sent before the response to the one before them was complete."""
    ack, frame, rows = requests.pieces.ack, requests.pieces.frame, requests.rows
    lasts, ends = responses.lasts, responses.ends
    found = set()
    answered_frame = answered_end = -1
    for i, j, _ in pairs:
        if i >= 0 and frame[rows[i]] < answered_frame and ack[rows[i]] < answered_end:
            found.add(i)
        if j >= 0:
            answered_frame, answered_end = lasts[j], ends[j]
    return found


def _announce(connection: int, responses: ResponseReader, out: list[Exchange], made: int) -> None:
    """Interim responses that no final one followed go to the first of the last `made` exchanges
    that still waits for a response, or stand alone.
    """
    interim = tuple(responses.pending)
    waiting = len(out)
    while waiting > len(out) - made and out[waiting - 1].response is None:
        waiting -= 1
    if waiting < len(out):
        out[waiting] = out[waiting]._replace(interim=interim)
    else:
        out.append(Exchange(0, connection, made + 1, None, None, interim, (responses.cut_mark,)))


class _Alone:
    """Why a half of an exchange stands alone."""

    def __init__(
        self, requests: RequestReader, responses: ResponseReader, weirds: Weirds, unasked: str
    ) -> None:
        self.requests, self.responses, self.weirds = requests, responses, weirds
        self._weird = unasked
        self._gaps: dict[int, tuple[list[int], list[int]]] = {}

    def marks(self, i: int, j: int) -> tuple[Mark, ...]:
        """The marks of request i without response (j < 0), or of response j without request."""
        return self._unanswered(i) if j < 0 else self._unasked(j)

    def _missing(self, side: RequestReader | ResponseReader, low: int, high: int) -> bool:
        """True when bytes of [low, high) are missing."""
        if side.stream not in self._gaps:
            self._gaps[side.stream] = side.pieces.gaps(side.stream)
        begins, ends = self._gaps[side.stream]
        k = bisect_right(ends, low)
        return k < len(begins) and begins[k] < high

    def _unanswered(self, i: int) -> tuple[Mark, ...]:
        """Request i has no response: it is lost, or the connection or the capture ended before
        it.
        """
        requests, responses = self.requests, self.responses
        asked = requests.pieces.ack[requests.rows[i]]
        if self._missing(responses, max(asked, 0), 1 << 62) or self._headless(i):
            return (Mark.LOST,)
        if i + 1 < len(requests.ends) and responses.ends and responses.offsets[-1] > asked >= 0:
            return ()
        return (responses.pieces.ended_by(responses.stream),)

    def _headless(self, i: int) -> bool:
        """True when the server answered request i by bytes that no response was read from, and the
        beginning of what it sent is not in the capture.
        """
        requests, responses = self.requests, self.responses
        p, stream = responses.pieces, responses.stream
        if p.known_start[stream]:
            return False
        first, stop = p.first[stream], p.first[stream + 1]
        if responses.offsets:
            stop = bisect_left(p.start, responses.offsets[0], first, stop)
        return bool(stop > first and p.ack[stop - 1] >= requests.ends[i])

    def _unasked(self, j: int) -> tuple[Mark, ...]:
        """Response j has no request: it is lost, it was sent before the capture, or there never was
        one.
        """
        requests, responses = self.requests, self.responses
        p = requests.pieces
        had = p.ack[responses.rows[j]]
        if self._missing(requests, 0, had if had > 0 else 1 << 62):
            return (Mark.LOST,)
        if p.known_start[requests.stream] and p.known_start[responses.stream]:
            weird = self._weird if had > 0 else UNASKED
            if weird:
                self.weirds.add(weird, p.frame[responses.rows[j]])
        return ()
