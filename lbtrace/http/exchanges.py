"""Messages of both directions of a connection → exchanges.

On a connection nothing was lost from, the k-th final response answers the k-th request (RFC 9112 §9.3). After loss that is not so, and
TCP tells more:

    the acknowledgement on a request's first segment says how much of the server's stream the client had when it asked: the answer begins
    there or later
    the acknowledgement on a response's first segment says how much of the client's stream the server had when it answered: the request
    ends there or earlier

A client that does not pipeline asks when it has the whole previous response, so its answer begins exactly at the offset it acknowledged:
an *anchor*.
Messages of one chain (nothing lost between them) share one shift between request and response, so one anchor pairs the whole chain.
On a connection seen to pipeline anchors prove nothing after a loss; what only a guess could pair stays unpaired.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

from lbtrace.http.h1 import Requests, Responses
from lbtrace.http.oddities import Oddities
from lbtrace.model.http import Exchange, Mark, Request, Response

Pairing = list[tuple[int, int]]  # (request or -1, response or -1), in order of appearance


def pair(requests: Requests, responses: Responses) -> Pairing:
    """Which response answers which request."""
    n, m = len(requests.messages), len(responses.messages)
    if not n or not m:
        return [(i, -1) for i in range(n)] + [(-1, j) for j in range(m)]
    if requests.chains[-1] == 0 and responses.chains[-1] == 0 and _begin_together(requests, responses):
        matched = [(k, k) for k in range(min(n, m))]
    else:
        matched = _by_anchors(requests, responses)
    matched = [(i, j) for i, j in matched if _possible(requests, responses, i, j)]
    if len(matched) == n == m:
        return matched
    return _fill(requests, responses, matched)


def _begin_together(requests: Requests, responses: Responses) -> bool:
    """True when the first response seen cannot answer a request before the first one seen."""
    p = requests.pieces
    if p.table.known_start[requests.stream] and p.table.known_start[responses.stream]:
        return True
    asked = p.ack[requests.rows[0]]
    if asked >= 0:
        return asked <= responses.begins[0]
    return p.frame[requests.rows[0]] < p.frame[responses.rows[0]]


def _possible(requests: Requests, responses: Responses, i: int, j: int) -> bool:
    """False when the response was sent before its sender had any byte of the request."""
    p = requests.pieces
    had = p.ack[responses.rows[j]]
    if had < 0 or had > requests.begins[i]:
        return True
    return had == 0 and p.frame[responses.rows[j]] > p.frame[requests.rows[i]]


def _by_anchors(requests: Requests, responses: Responses) -> Pairing:
    p = requests.pieces
    n, m = len(requests.messages), len(responses.messages)
    asked = [p.ack[row] for row in requests.rows]
    had = [p.ack[row] for row in responses.rows]
    known = bool(p.table.known_start[requests.stream] and p.table.known_start[responses.stream])
    pipelined = any(asked[i] == asked[i + 1] >= 0 for i in range(n - 1))
    votes: dict[tuple[int, int], Counter[int]] = {}
    at = {begin: j for j, begin in enumerate(responses.begins)}
    if not pipelined:
        for i in range(n):
            j = at.get(asked[i], -1)
            if j >= 0 and (had[j] < 0 or had[j] >= requests.heads[i] or had[j] == 0):
                votes.setdefault((requests.chains[i], responses.chains[j]), Counter())[j - i] += 1
    if known:
        votes.setdefault((0, 0), Counter())[0] += n + m
    matched: dict[int, int] = {}
    taken: set[int] = set()
    first_of = _first_of(requests.chains)
    for (a, b), counter in votes.items():
        shift, count = counter.most_common(1)[0]
        if len(counter) > 1 and count * 2 <= sum(counter.values()):
            continue
        lo, hi = first_of[a]
        begin, stop = _first_of_one(responses.chains, b)
        for i in range(max(lo, begin - shift), min(hi, stop - shift)):
            j = i + shift
            if (
                i in matched
                or j in taken
                or asked[i] > responses.begins[j]
                or (0 < had[j] < requests.heads[i] <= requests.ends[i] - 0 and had[j] <= requests.begins[i])
            ):
                continue
            matched[i] = j
            taken.add(j)
    return _monotone(sorted(matched.items()))


def _first_of(chains: list[int]) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for i, chain in enumerate(chains):
        lo, _ = found.get(chain, (i, i))
        found[chain] = (lo, i + 1)
    return found


def _first_of_one(chains: list[int], chain: int) -> tuple[int, int]:
    return bisect_left(chains, chain), bisect_left(chains, chain + 1)


def _monotone(matched: Pairing) -> Pairing:
    """Keep what is in order on both sides."""
    kept: Pairing = []
    last = -1
    for i, j in matched:
        if j > last:
            kept.append((i, j))
            last = j
    return kept


def _fill(requests: Requests, responses: Responses, matched: Pairing) -> Pairing:
    """Put the unpaired halves in their places: in stream order, by frame where the two directions have to be merged."""
    result: Pairing = []
    i = j = 0
    p = requests.pieces
    for a, b in [*matched, (len(requests.messages), len(responses.messages))]:
        while i < a or j < b:
            if j >= b or (i < a and p.frame[requests.rows[i]] <= p.frame[responses.rows[j]]):
                result.append((i, -1))
                i += 1
            else:
                result.append((-1, j))
                j += 1
        if a < len(requests.messages):
            result.append((a, b))
            i, j = a + 1, b + 1
    return result


def method_for(requests: Requests, responses: Responses, begin: int, ordinal: int) -> str | None:
    """The method that the response beginning at `begin` answers, None when it is not certain."""
    if requests.clean and responses.clean:
        return requests.messages[ordinal].method if ordinal < len(requests.messages) else None
    p = requests.pieces
    for i, row in enumerate(requests.rows):
        if p.ack[row] == begin:
            return requests.messages[i].method
    return None


def build(connection: int, requests: Requests, responses: Responses, oddities: Oddities, out: list[Exchange]) -> None:
    """Pair and append the exchanges of a connection; ids are given later, when all connections are merged."""
    queries, answers, interims = requests.messages, responses.messages, responses.interims
    n, m = len(queries), len(answers)
    pairing = pair(requests, responses)
    append = out.append
    new = tuple.__new__
    previous_end_frame = -1
    previous_end = -1
    asked = requests.pieces.ack
    for ordinal, (i, j) in enumerate(pairing, 1):
        request: Request | None = None
        response: Response | None = None
        inter = interims[j] if j >= 0 else ()
        marks: tuple[Mark, ...] = ()
        if i >= 0:
            request = queries[i]
            if request[5] < previous_end_frame and asked[requests.rows[i]] < previous_end:
                request = request._replace(marks=(*request.marks, Mark.PIPELINED))
        if j >= 0:
            response = answers[j]
            previous_end_frame = response[6]
            previous_end = responses.ends[j]
        if request is None or response is None:
            if request is not None:
                marks = _unanswered(requests, responses, i, out, n, m)
            elif response is not None:
                marks = _unasked(requests, responses, j, oddities)
        append(new(Exchange, (0, connection, ordinal, request, response, inter, marks, None)))


def _unanswered(requests: Requests, responses: Responses, i: int, _out: list[Exchange], _n: int, _m: int) -> tuple[Mark, ...]:
    p = requests.pieces
    asked = p.ack[requests.rows[i]]
    stream = responses.stream
    first, last = int(p.first[stream]), int(p.first[stream + 1])
    captured_end = p.start[last - 1] + p.length[last - 1] if last > first else 0
    if responses.chains and responses.chains[-1] > 0:
        return (Mark.LOST,)
    if responses.end > captured_end and asked <= responses.end:
        return (Mark.LOST,)
    if first == last and not p.table.known_start[stream] and not p.table.known_start[requests.stream]:
        return (responses.cut_mark,)
    return (responses.cut_mark,)


def _unasked(requests: Requests, responses: Responses, j: int, oddities: Oddities) -> tuple[Mark, ...]:
    p = requests.pieces
    if requests.chains and requests.chains[-1] > 0:
        return (Mark.LOST,)
    had = p.ack[responses.rows[j]]
    captured = requests.cursor.base + len(requests.cursor.data)
    if had > captured or requests.end > captured:
        return (Mark.LOST,)
    if p.table.known_start[requests.stream]:
        oddities.add("response-before-request", p.frame[responses.rows[j]])
    return ()
