"""The messages of one HTTP/1.x connection → which response answers which request.

Where nothing was lost, the k-th final response answers the k-th request (RFC 9112 §9.3). After a
loss that is not certain, and the acknowledgements of TCP say more:

    asked   the acknowledgement on the first segment of a request: how much of the server's stream
            the client had when it asked. The response begins there or later.
    had     the acknowledgement on the first segment of a response: how much of the client's stream
            the server had when it answered. The request ends there or earlier; when the server
            answers early, the head of the request does.

A client that does not pipeline asks when it has the whole response before. So two *anchors* name
the request of a response: a request that asked exactly where the response begins, and a request
that ends exactly where the server had read to. In a chain (messages with nothing lost between
them) all responses are shifted against their requests by the same number, so one anchor pairs the
whole chain.

On a connection that pipelines, anchors prove nothing. There, only counting does: when `asked`,
`had` and the number of requests leave a single shift possible. A message that none of this decides
stays unpaired: a wrong pair is worse than none.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import TypeAlias

from lbtrace.http.budget import LEAST_MESSAGE
from lbtrace.http.h1.requests import RequestReader
from lbtrace.http.h1.responses import ResponseReader
from lbtrace.http_fields import CONNECTION
from lbtrace.model.http import Framing

# request, response (-1: missing), and whether only counting says that they belong together
Pair: TypeAlias = tuple[int, int, bool]


def pair(requests: RequestReader, responses: ResponseReader) -> list[Pair]:
    """All messages as pairs and as halves that stand alone, in their order on the connection."""
    n, m = len(requests.ends), len(responses.ends)
    if not n or not m:
        return [(i, -1, False) for i in range(n)] + [(-1, j, False) for j in range(m)]
    p = requests.pieces
    seen_from_the_start = bool(p.known_start[requests.stream] and p.known_start[responses.stream])
    if seen_from_the_start and not requests.damaged and not responses.damaged:
        matched = _in_order(requests, responses)
    else:
        matched = _Evidence(requests, responses).matched(seen_from_the_start)
    return matched if len(matched) == n == m else _fill(requests, responses, matched)


def _in_order(requests: RequestReader, responses: ResponseReader) -> list[Pair]:
    """Pairs by order alone. A response is left out when its sender had no byte of a request yet: a
    408 on an idle connection, a greeting.
    """
    ack, frame, asked_rows, begins = (
        requests.pieces.ack,
        requests.pieces.frame,
        requests.rows,
        requests.offsets,
    )
    matched: list[Pair] = []
    i, n = 0, len(begins)
    for j, row in enumerate(responses.rows):
        if i == n:
            break
        had = ack[row]
        if had > begins[i] or had < 0 or (had == 0 and frame[row] > frame[asked_rows[i]]):
            matched.append((i, j, False))
            i += 1
    return matched


class _Evidence:
    """What the acknowledgements say about the messages of a damaged connection."""

    def __init__(self, requests: RequestReader, responses: ResponseReader) -> None:
        p = requests.pieces
        self.requests, self.responses = requests, responses
        self.asking, self.answering = requests.chains(), responses.chains()  # of each message
        self.query_heads = requests.heads
        self.answer_begins = responses.begins_of()
        self.asked = [p.ack[row] for row in requests.rows]
        self.had = [p.ack[row] for row in responses.rows]
        self.pipelined = self._pipelined()

    def _pipelined(self) -> bool:
        """Two requests of a chain were sent without a byte received between them, or two responses
        were; a 408 on an idle connection does not count.
        """
        asked, asking, had, answering = self.asked, self.asking, self.had, self.answering
        answer = self.responses.message
        # A request was lost before i. Without pipelining its response came before i was sent.
        for i in self.requests.holes:
            if (
                i < len(asked)
                and asked[i] >= 0
                and asked[i] - (asked[i - 1] if i else 0) < LEAST_MESSAGE * (1 + (i > 0))
            ):
                return True
        return any(
            asked[i] == asked[i + 1] >= 0 and asking[i] == asking[i + 1]
            for i in range(len(asked) - 1)
        ) or any(
            had[j] == had[j + 1] > 0
            and answering[j] == answering[j + 1]
            and answer(j + 1).status != 408
            for j in range(len(had) - 1)
        )

    def _without_acknowledgements(self) -> bool:
        """The capture has no acknowledgements. Then the first messages belong together when nothing
        is missing and the first request was seen before the first response.
        """
        p, requests, responses = self.requests.pieces, self.requests, self.responses
        if requests.damaged or responses.damaged or max(self.asked) > 0 or max(self.had) > 0:
            return False
        return bool(p.frame[requests.rows[0]] < p.frame[responses.rows[0]])

    def matched(self, seen_from_the_start: bool) -> list[Pair]:
        """The pairs that are certain. `seen_from_the_start`: both streams are."""
        together = seen_from_the_start or self._without_acknowledgements()
        shifts = {(0, 0): {0}} if together and self.asking[0] == 0 == self.answering[0] else {}
        direct: dict[int, int] = {}
        if not self.pipelined:
            for i, j in self._anchors():
                direct[i] = j
                shifts.setdefault((self.asking[i], self.answering[j]), set()).add(j - i)
        found: dict[int, int] = {}
        for (a, b), candidates in shifts.items():
            if len(candidates) == 1:
                found.update(self._spread(a, b, next(iter(candidates)), direct))
        pairs: list[Pair] = [(i, j, False) for i, j in sorted(found.items())]
        answered = all_answered(self.requests, self.responses, self.asked, self.had)
        if answered and found.items() <= dict(answered).items():
            return [(i, j, i not in found) for i, j in answered]
        return _monotone(pairs + self._counted(pairs))

    def _anchors(self) -> list[tuple[int, int]]:
        """(request, response) where an anchor names the request and no anchor names another one."""
        ends, asked, heads = self.requests.ends, self.asked, self.query_heads
        answer_begins = self.answer_begins
        begun = {begin: j for j, begin in enumerate(answer_begins)}
        by_asked = {
            begun[offset]: i for i, offset in reversed(list(enumerate(asked))) if offset in begun
        }
        sure: dict[int, int] = {}  # by the request: what it asked and what the server had agree
        others: list[tuple[int, int]] = []
        for j, had in enumerate(self.had):
            i = by_asked.get(j, -1)
            k = bisect_right(heads, had) - 1 if had > 0 else -1
            exact = k >= 0 and had <= ends[k] and asked[k] <= answer_begins[j]
            if i >= 0 and (k == i or had <= 0):
                sure[i] = j
            elif i < 0 and exact:
                others.append((k, j))
        # A second response that was sent in the same knowledge answers nothing (a 408).
        return [*sure.items(), *(pair for pair in others if pair[0] not in sure)]

    def _spread(self, a: int, b: int, shift: int, direct: dict[int, int]) -> dict[int, int]:
        """The pairs of request chain a and response chain b under a shift, as far as `asked` and
        `had` allow them.
        """
        asked, had, heads, answer_begins = (
            self.asked,
            self.had,
            self.query_heads,
            self.answer_begins,
        )
        asking_rows, answering_rows = self.requests.rows, self.responses.rows
        frame, named = self.requests.pieces.frame, direct.get
        low, high = bisect_left(self.asking, a), bisect_right(self.asking, a)
        begin, stop = bisect_left(self.answering, b), bisect_right(self.answering, b)
        found = {}
        for i in range(max(low, begin - shift), min(high, stop - shift)):
            j = i + shift
            if named(i, j) != j or asked[i] > answer_begins[j] or 0 < had[j] < heads[i]:
                continue
            if had[j] != 0 or frame[answering_rows[j]] > frame[asking_rows[i]]:
                found[i] = j
        return found

    def _counted(self, pairs: list[Pair]) -> list[Pair]:
        """Pairs of response chains that allow a single shift, on a connection where every request
        was seen; `asked` and `had` bound the shift from above.
        """
        requests, responses = self.requests, self.responses
        p = requests.pieces
        if (
            requests.breaks
            or requests.end > requests.ends[-1]
            or not (p.known_start[requests.stream] and p.known_start[responses.stream])
        ):
            return []
        asked_sorted = all(x <= y for x, y in zip(self.asked, self.asked[1:], strict=False))
        taken = {j for _, j, _ in pairs}
        last_request = {j: i for i, j, _ in pairs}
        n, m = len(requests.ends), len(responses.ends)
        found: list[Pair] = []
        j = 0
        low = 0  # the first request that may answer to the next chain
        while j < m:
            stop = bisect_right(self.answering, self.answering[j])
            if j in taken:
                low = (
                    max((last_request[k] for k in range(j, stop) if k in last_request), default=low)
                    + 1
                )
                j = stop
                continue
            if j in responses.holes:
                low += 1
            high = n - (stop - j)
            for k in range(j, stop):
                if asked_sorted:
                    high = min(high, bisect_right(self.asked, self.answer_begins[k]) - 1 - (k - j))
                if self.had[k] > 0:
                    high = min(high, bisect_right(self.query_heads, self.had[k]) - 1 - (k - j))
            if low != high:
                return found
            found += [(low + k - j, k, True) for k in range(j, stop)]
            low += stop - j
            j = stop
        return found


def all_answered(
    requests: RequestReader, responses: ResponseReader, asked: Sequence[int], had: Sequence[int]
) -> list[tuple[int, int]]:
    """All pairs of a connection of which only whole requests are missing: as many as there are more
    responses than requests. Empty when it is not certain in which holes they were, or the holes
    have the wrong size for them.
    """
    holes = requests.holes
    missing = len(responses.ends) - len(requests.ends)
    if (
        missing <= 0
        or set(requests.breaks) != holes
        or missing != len(holes) > 1
        or not _all_seen_but_holes(requests, responses)
    ):
        return []
    each = missing // len(holes)
    begins, ends = requests.offsets, requests.ends
    sizes = [end - begin for begin, end in zip(begins, ends, strict=True)]
    least, most = each * min(sizes), each * max(sizes)
    before = sorted(holes)
    lost = [begins[k] - (ends[k - 1] if k else 0) for k in before]
    if any(2 * gap < least or gap > 2 * most for gap in lost):
        return []
    answer_begins = responses.begins_of()
    pairs = [(i, i + each * bisect_right(before, i)) for i in range(len(begins))]
    fits = all(
        asked[i] <= answer_begins[j] and not 0 < had[j] < requests.heads[i] for i, j in pairs
    )
    return pairs if fits else []


def _all_seen_but_holes(requests: RequestReader, responses: ResponseReader) -> bool:
    """From SYN to FIN only whole requests are missing, and the server did not close before it
    had answered all.
    """
    p = requests.pieces
    last = responses.message(-1)
    return (
        bool(
            p.known_start[requests.stream]
            and p.known_start[responses.stream]
            and p.fin[requests.stream] >= 0
        )
        and not (p.reset[requests.stream] or requests.cut or responses.cut or responses.breaks)
        and requests.end <= requests.ends[-1]
        and responses.end <= responses.ends[-1]
        and last.version == "HTTP/1.1"
        and last.status != 408
        and last.body.framing is not Framing.UNTIL_CLOSE
        and not any(
            line.name.lower() == CONNECTION and "close" in line.value.lower() for line in last.lines
        )
    )


def _monotone(pairs: list[Pair]) -> list[Pair]:
    """The pairs that are in order on both sides; a pair that crosses an earlier one is dropped."""
    kept: list[Pair] = []
    i = j = -1
    for pair in sorted(pairs):
        if pair[0] > i and pair[1] > j:
            kept.append(pair)
            i, j, _ = pair
    return kept


def _fill(requests: RequestReader, responses: ResponseReader, matched: list[Pair]) -> list[Pair]:
    """The pairs with the unpaired halves between them: in the order of their stream, and by frame
    where both directions have one.
    """
    result: list[Pair] = []
    i = j = 0
    frame = requests.pieces.frame
    n, m = len(requests.ends), len(responses.ends)
    last: Pair = (n, m, False)
    for pair in [*matched, last]:
        a, b, _ = pair
        while i < a or j < b:
            if j >= b or (i < a and frame[requests.rows[i]] <= frame[responses.rows[j]]):
                result.append((i, -1, False))
                i += 1
            else:
                result.append((-1, j, False))
                j += 1
        if a < n:
            result.append(pair)
            i, j = i + 1, j + 1
    return result


def method_for(
    requests: RequestReader, responses: ResponseReader, begin: int, ordinal: int, had: int
) -> str | None:
    """The method that a response answers, None when it is not certain. The response begins at
    offset `begin`, is number `ordinal` from 0, and its sender `had` so many bytes.
    """
    seen = requests.breaks[0] if requests.breaks else len(requests.ends)
    if not responses.breaks and ordinal < seen:
        return requests.message(ordinal).method
    if requests.pipelined():
        return None
    k = bisect_left(requests.ends, had) if had > 0 else len(requests.ends)
    if k == len(requests.ends) or had < requests.heads[k]:
        return None
    return requests.message(k).method if requests.pieces.ack[requests.rows[k]] <= begin else None
