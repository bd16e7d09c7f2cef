"""The messages of a connection, paired → exchanges, each half that stands alone with the reason
why.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right

from lbtrace.http.h1.pairing import pair
from lbtrace.http.h1.requests import RequestReader
from lbtrace.http.h1.responses import ResponseReader
from lbtrace.http.weirds import Weirds
from lbtrace.model.http import Exchange, Mark, Request


def build(
    connection: int,
    requests: RequestReader,
    responses: ResponseReader,
    weirds: Weirds,
    out: list[Exchange],
    rows: array[int] | None = None,
    unasked: str = "response-before-request",
) -> None:
    """Pair and append the exchanges of a connection; their ids are given when all connections are
    merged.

    Those that are just two messages read in bulk go to `rows`, if given: connection, ordinal,
    numbers of the request and of the response. `unasked` is the weird that a response without
    request is, where none is missing and its sender had bytes of the client.
    """
    ack, asked_rows, ends, interims = (
        requests.pieces.ack,
        requests.rows,
        responses.ends,
        responses.interims,
    )
    frame, lasts = requests.pieces.frame, responses.lasts
    asking, answering = requests.numbers, responses.numbers
    answered_frame = answered_end = -1
    alone = _Alone(requests, responses, weirds, unasked)
    pairs = pair(requests, responses)
    for ordinal, (i, j, counted) in enumerate(pairs, 1):
        ahead = (
            i >= 0 and frame[asked_rows[i]] < answered_frame and ack[asked_rows[i]] < answered_end
        )
        if j >= 0:
            answered_frame, answered_end = lasts[j], ends[j]
        if (
            rows is not None
            and i >= 0 <= j
            and asking[i] >= 0 <= answering[j]
            and not (ahead or counted)
        ):
            rows.extend((connection, ordinal, asking[i], answering[j]))
            continue
        marks: tuple[Mark, ...] = (Mark.PAIRED_BY_ORDER,) if counted else ()
        request: Request | None = None
        if i >= 0:
            request = requests.message(i)
            if ahead:
                request = request._replace(marks=(*request.marks, Mark.PIPELINED))
        response = responses.message(j) if j >= 0 else None
        if i < 0:
            marks = alone.unasked(j)
        elif j < 0:
            marks = alone.unanswered(i)
        out.append(Exchange(0, connection, ordinal, request, response, interims.get(j, ()), marks))
    if (
        len(pairs) > max(len(asking), len(answering))
        and (requests.damaged or responses.damaged)
        and requests.pipelined()
    ):
        weirds.add("pairing-in-doubt", frame[asked_rows[0]])
    if responses.pending:
        _announce(connection, responses, out, len(pairs))


def _announce(connection: int, responses: ResponseReader, out: list[Exchange], made: int) -> None:
    """Interim responses that no final one followed go to the first request that is still waiting,
    or stand alone.
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

    def missing(self, side: RequestReader | ResponseReader, low: int, high: int) -> bool:
        """True when bytes of [low, high) are missing."""
        if side.stream not in self._gaps:
            self._gaps[side.stream] = side.pieces.gaps(side.stream)
        begins, ends = self._gaps[side.stream]
        k = bisect_right(ends, low)
        return k < len(begins) and begins[k] < high

    def unanswered(self, i: int) -> tuple[Mark, ...]:
        """Request i has no response: it is lost, or the connection or the capture ended before
        it.
        """
        requests, responses = self.requests, self.responses
        asked = requests.pieces.ack[requests.rows[i]]
        if self.missing(responses, max(asked, 0), 1 << 62):
            return (Mark.LOST,)
        if i + 1 < len(requests.ends) and responses.ends and responses.offsets[-1] > asked >= 0:
            return ()
        return (responses.cut_mark,)

    def unasked(self, j: int) -> tuple[Mark, ...]:
        """Response j has no request: it is lost, it was before the capture, or there never was
        one.
        """
        requests, responses = self.requests, self.responses
        p = requests.pieces
        had = p.ack[responses.rows[j]]
        if self.missing(requests, 0, had if had > 0 else 1 << 62):
            return (Mark.LOST,)
        if p.known_start[requests.stream] and p.known_start[responses.stream]:
            weird = self._weird if had > 0 else "response-before-request"
            self.weirds.add(weird, p.frame[responses.rows[j]])
        return ()
