"""The messages of a connection, paired → exchanges, each half that stands alone with the reason why."""

from __future__ import annotations

from bisect import bisect_right

from lbtrace.http.oddities import Oddities
from lbtrace.http.pairing import pair
from lbtrace.http.requests import Requests
from lbtrace.http.responses import Responses
from lbtrace.model.http import Exchange, Mark, Request, Response


def build(connection: int, requests: Requests, responses: Responses, oddities: Oddities, out: list[Exchange]) -> None:
    """Pair and append the exchanges of a connection; their ids are given when all connections are merged."""
    queries, answers, interims = requests.messages, responses.messages, responses.interims
    ack, rows, ends = requests.pieces.ack, requests.rows, responses.ends
    append, new = out.append, tuple.__new__
    answered_frame = answered_end = -1
    begun, n, m = len(out), len(queries), len(answers)
    alone = _Alone(requests, responses, oddities)
    for ordinal, (i, j, counted) in enumerate(pair(requests, responses), 1):
        request: Request | None = None
        response: Response | None = None
        marks: tuple[Mark, ...] = (Mark.PAIRED_BY_ORDER,) if counted else ()
        if i >= 0:
            request = queries[i]
            if request[5] < answered_frame and ack[rows[i]] < answered_end:
                request = request._replace(marks=(*request.marks, Mark.PIPELINED))
        if j >= 0:
            response = answers[j]
            answered_frame, answered_end = response[7], ends[j]
            if i < 0:
                marks = alone.unasked(j)
        else:
            marks = alone.unanswered(i)
        append(new(Exchange, (0, connection, ordinal, request, response, interims.get(j, ()) if interims else (), marks, None)))
    if len(out) - begun > max(n, m) and (requests.damaged or responses.damaged) and requests.pipelined():
        oddities.add("pairing-in-doubt", requests.pieces.frame[rows[0]])
    if responses.pending:
        _announce(connection, responses, out, len(out) - begun)


def _announce(connection: int, responses: Responses, out: list[Exchange], made: int) -> None:
    """Interim responses that no final one followed go to the first request that is still waiting, or stand alone."""
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

    def __init__(self, requests: Requests, responses: Responses, oddities: Oddities) -> None:
        self.requests, self.responses, self.oddities = requests, responses, oddities
        self._gaps: dict[int, tuple[list[int], list[int]]] = {}

    def gaps(self, side: Requests | Responses) -> tuple[list[int], list[int]]:
        """Begins and ends of what is missing from a stream, the part after its last captured byte included."""
        if side.stream not in self._gaps:
            p = side.pieces
            begins, ends = [], []
            at = 0
            for row in range(side.cursor.first_row, side.cursor.end_row):
                if p.start[row] > at:
                    begins.append(at)
                    ends.append(p.start[row])
                at = p.start[row] + p.length[row]
            if side.end > at:
                begins.append(at)
                ends.append(side.end)
            self._gaps[side.stream] = begins, ends
        return self._gaps[side.stream]

    def missing(self, side: Requests | Responses, low: int, high: int) -> bool:
        """True when bytes of [low, high) are missing."""
        begins, ends = self.gaps(side)
        k = bisect_right(ends, low)
        return k < len(begins) and begins[k] < high

    def unanswered(self, i: int) -> tuple[Mark, ...]:
        """Request i has no response: it is lost, or the connection or the capture ended before it."""
        requests, responses = self.requests, self.responses
        asked = requests.pieces.ack[requests.rows[i]]
        if self.missing(responses, max(asked, 0), 1 << 62):
            return (Mark.LOST,)
        if i + 1 < len(requests.messages) and responses.messages and responses.messages[-1].offset > asked >= 0:
            return ()
        return (responses.cut_mark,)

    def unasked(self, j: int) -> tuple[Mark, ...]:
        """Response j has no request: it is lost, it was before the capture, or there never was one."""
        requests, responses = self.requests, self.responses
        p = requests.pieces
        had = p.ack[responses.rows[j]]
        if self.missing(requests, 0, had if had > 0 else 1 << 62):
            return (Mark.LOST,)
        if p.known_start[requests.stream] and p.known_start[responses.stream]:
            self.oddities.add("response-before-request", p.frame[responses.rows[j]])
        return ()
