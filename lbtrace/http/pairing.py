"""Which response answers which request on one HTTP/1.x connection.

On a connection nothing was lost from, the k-th final response answers the k-th request (RFC 9112 §9.3). After loss that is not so, and
TCP
tells more:

    asked   the acknowledgement on a request's first segment: how much of the server's stream the client had when it asked.
            Its answer begins there or later.
    had     the acknowledgement on a response's first segment: how much of the client's stream the server had when it answered.
            The request it answers ends there or earlier (its head does, when the server answers early).

A client that does not pipeline asks when it has the whole previous response, so two *anchors* name the request of a response: the one
that
asked exactly where the response begins, and the one whose end is exactly what the server had. Messages of one chain (nothing was lost
between
them) share one shift between request and response, so an anchor pairs the whole chain. On a connection that was seen to pipeline
anchors prove nothing; there, only counting can: when `asked`, `had` and the number of requests leave one shift possible.
What none of this decides stays unpaired: a wrong pair is worse than none.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from lbtrace.http.h1 import Requests, Responses


class Pair(NamedTuple):
    """A request and a response by index, -1 for a half that is missing. `counted`: only counting says that they belong together."""

    request: int
    response: int
    counted: bool = False


def pair(requests: Requests, responses: Responses) -> list[Pair]:
    """Pairs and unpaired halves, in their order on the connection."""
    n, m = len(requests.messages), len(responses.messages)
    if not n or not m:
        return [Pair(i, -1) for i in range(n)] + [Pair(-1, j) for j in range(m)]
    together = _begin_together(requests, responses)
    if together and requests.chains[-1] == 0 and responses.chains[-1] == 0:
        matched = _in_order(requests, responses)
    else:
        matched = _Evidence(requests, responses).matched(together)
    return matched if len(matched) == n == m else _fill(requests, responses, matched)


def _begin_together(requests: Requests, responses: Responses) -> bool:
    """True when the first response seen cannot answer a request before the first one seen."""
    p = requests.pieces
    if p.table.known_start[requests.stream] and p.table.known_start[responses.stream]:
        return True
    asked = p.ack[requests.rows[0]]
    if asked >= 0:
        return asked <= responses.begins[0]
    return p.frame[requests.rows[0]] < p.frame[responses.rows[0]]


def _unsolicited(requests: Requests, responses: Responses, i: int, j: int) -> bool:
    """True when response j was sent before its sender had any byte of request i (a 408 on an idle connection, a banner)."""
    p = requests.pieces
    had = p.ack[responses.rows[j]]
    if had < 0 or had > requests.begins[i]:
        return False
    return had > 0 or p.frame[responses.rows[j]] < p.frame[requests.rows[i]]


def _in_order(requests: Requests, responses: Responses) -> list[Pair]:
    ack, frame, asked_rows, said_rows, begins = requests.pieces.ack, requests.pieces.frame, requests.rows, responses.rows, requests.begins
    matched: list[Pair] = []
    n, m = len(asked_rows), len(said_rows)
    i = j = 0
    while i < n and j < m:
        row = said_rows[j]
        had = ack[row]
        if had > begins[i] or had < 0 or (had == 0 and frame[row] > frame[asked_rows[i]]):
            matched.append(Pair(i, j))
            i += 1
        j += 1
    return matched


class _Evidence:
    """What the acknowledgements say about the messages of a damaged connection."""

    def __init__(self, requests: Requests, responses: Responses) -> None:
        p = requests.pieces
        self.requests, self.responses = requests, responses
        self.asked = [p.ack[row] for row in requests.rows]
        self.had = [p.ack[row] for row in responses.rows]
        chains = requests.chains
        self.pipelined = any(self.asked[i] == self.asked[i + 1] >= 0 and chains[i] == chains[i + 1] for i in range(len(chains) - 1))

    def matched(self, together: bool) -> list[Pair]:
        """The pairs that are certain."""
        shifts = {(0, 0): {0}} if together and self.requests.chains[0] == 0 == self.responses.chains[0] else {}
        direct: dict[int, int] = {}
        if not self.pipelined:
            for i, j in self._anchors():
                direct[i] = j
                shifts.setdefault((self.requests.chains[i], self.responses.chains[j]), set()).add(j - i)
        found: dict[int, int] = {}
        for (a, b), candidates in shifts.items():
            if len(candidates) == 1:
                found.update(self._spread(a, b, next(iter(candidates)), direct))
        pairs = [Pair(i, j) for i, j in sorted(found.items())]
        return _monotone(pairs + self._counted(pairs))

    def _anchors(self) -> list[tuple[int, int]]:
        """(request, response) where an anchor names the request and none names another."""
        requests, responses = self.requests, self.responses
        begun = {begin: j for j, begin in enumerate(responses.begins)}
        by_asked = {begun[offset]: i for i, offset in reversed(list(enumerate(self.asked))) if offset in begun}
        anchors = []
        for j, had in enumerate(self.had):
            i = by_asked.get(j, -1)
            k = bisect_right(requests.heads, had) - 1 if had > 0 else -1
            exact = k >= 0 and had <= requests.ends[k] and self.asked[k] <= responses.begins[j]
            if i < 0 and exact:
                anchors.append((k, j))
            elif i >= 0 and (k == i or had <= 0):
                anchors.append((i, j))
        return anchors

    def _spread(self, a: int, b: int, shift: int, direct: dict[int, int]) -> dict[int, int]:
        """Pairs of chains a and b under a shift, where nothing speaks against it."""
        requests, responses = self.requests, self.responses
        low, high = bisect_left(requests.chains, a), bisect_right(requests.chains, a)
        begin, stop = bisect_left(responses.chains, b), bisect_right(responses.chains, b)
        found = {}
        for i in range(max(low, begin - shift), min(high, stop - shift)):
            j = i + shift
            if direct.get(i, j) != j or self.asked[i] > responses.begins[j] or 0 < self.had[j] < requests.heads[i]:
                continue
            if not _unsolicited(requests, responses, i, j):
                found[i] = j
        return found

    def _counted(self, pairs: list[Pair]) -> list[Pair]:
        """Chains of responses that only one shift allows: every request was seen; what they asked and had bounds the shift from above."""
        requests, responses = self.requests, self.responses
        if requests.chains[-1] != 0 or not pairs or pairs[0] != (0, 0, False):
            return []
        asked_sorted = all(x <= y for x, y in zip(self.asked, self.asked[1:], strict=False))
        taken = {p.response for p in pairs}
        last_request = {p.response: p.request for p in pairs}
        n, m = len(requests.messages), len(responses.messages)
        found: list[Pair] = []
        j = 0
        low = 0  # the first request that may answer to the next chain
        while j < m:
            stop = bisect_right(responses.chains, responses.chains[j])
            if j in taken:
                low = max((last_request[k] for k in range(j, stop) if k in last_request), default=low) + 1
                j = stop
                continue
            if j and j - 1 not in responses.cut:
                low += 1  # the gap before this chain begins where a message begins: it holds one at least
            high = n - (stop - j)
            for k in range(j, stop):
                if asked_sorted:
                    high = min(high, bisect_right(self.asked, responses.begins[k]) - 1 - (k - j))
                if self.had[k] > 0:
                    high = min(high, bisect_right(requests.heads, self.had[k]) - 1 - (k - j))
            if low != high:
                return found
            found += [Pair(low + k - j, k, True) for k in range(j, stop)]
            low += stop - j
            j = stop
        return found


def _monotone(pairs: list[Pair]) -> list[Pair]:
    """Keep what is in order on both sides."""
    kept: list[Pair] = []
    i = j = -1
    for p in sorted(pairs):
        if p.request > i and p.response > j:
            kept.append(p)
            i, j = p.request, p.response
    return kept


def _fill(requests: Requests, responses: Responses, matched: list[Pair]) -> list[Pair]:
    """Put the unpaired halves in their places: in stream order, by frame where the two directions have to be merged."""
    result: list[Pair] = []
    i = j = 0
    frame = requests.pieces.frame
    n, m = len(requests.messages), len(responses.messages)
    for p in [*matched, Pair(n, m)]:
        while i < p.request or j < p.response:
            if j >= p.response or (i < p.request and frame[requests.rows[i]] <= frame[responses.rows[j]]):
                result.append(Pair(i, -1))
                i += 1
            else:
                result.append(Pair(-1, j))
                j += 1
        if p.request < n:
            result.append(p)
            i, j = i + 1, j + 1
    return result


def method_for(requests: Requests, responses: Responses, begin: int, ordinal: int, had: int) -> str | None:
    """The method that the response beginning at `begin` answers, None when it is not certain."""
    if not responses.chain and not requests.chain and ordinal < len(requests.messages):
        return requests.messages[ordinal].method
    ack = requests.pieces.ack
    k = bisect_right(requests.heads, had) - 1 if had > 0 else -1
    if k >= 0 and had <= requests.ends[k] and ack[requests.rows[k]] <= begin:
        return requests.messages[k].method
    return None
