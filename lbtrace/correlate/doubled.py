"""Requests that reach backends several times, each of them answered → whose they are, and which of
the answers the client got.

A balancer that mirrors traffic sends every request twice, and a rare value that two backend
exchanges share is no longer one request's alone: two clients that follow one script would share it
too. They hardly walk in step, and a balancer spreads them over its servers as it does others. When
one value after another is in as many backend exchanges, all with the same method, target and body,
one of them always at the same server, and one offset puts all copies within the time that their
client exchange took, they are copies of one request. The offset is free where two capture points
saw them: their clocks are not known yet.

Which answer the client got is not known by that: all may be alike. It is known where one answer
alone fits, or where one has header lines of the client's that the others lack; and where a server
answers whenever that is known, and another of the copies' servers never, it answers always: a
mirror's answers are thrown away, all of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from lbtrace.correlate.attempts import failed, fitting
from lbtrace.correlate.classes import Timeline
from lbtrace.correlate.connections import Stated
from lbtrace.correlate.facts import FAR, body_key, may_be_answer
from lbtrace.correlate.pairing import UNTOLD, Pairing
from lbtrace.correlate.repeats import SESSION
from lbtrace.correlate.tokens import Found, drawn
from lbtrace.model.http import Mark, Request, Response
from lbtrace.model.net import Endpoint

FEW = 3  # requests: fewer are no habit
_OF_THE_HOP = {
    "date",
    "age",
    "server",
    "via",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
}

Server = tuple[int, Endpoint]


def find(
    state: Pairing, matched: Sequence[Found], said: Sequence[Stated | None]
) -> dict[int, list[int]]:
    """Client exchange → the backend exchanges that are its request and copies of it; empty where
    that is no habit of the balancer.
    """
    several = [
        m for m in matched if m.by_request and len(m.backends) > 1 and _one_request(state, m, said)
    ]
    habit = Counter(len(m.backends) for m in several).most_common(1)
    asked = sum(m.by_request for m in matched)
    if not habit or habit[0][1] < FEW or 2 * habit[0][1] < asked:
        return {}
    out = {
        m.client: sorted(m.backends, key=lambda b: (_server(state, b), int(state.backend.start[b])))
        for m in several
    }
    out = {c: bs for c, bs in out.items() if len(bs) == habit[0][0]}
    shadow = set.intersection(*({_server(state, b) for b in bs} for bs in out.values()))
    if not shadow:
        return {}
    out = {c: sorted(bs, key=lambda b: _server(state, b) != min(shadow)) for c, bs in out.items()}
    return out if _in_step(state, out) else {}


def _one_request(state: Pairing, found: Found, said: Sequence[Stated | None]) -> bool:
    """Whether the backend exchanges of a match are the same request, of nobody else as far as the
    balancer states it, and one of them was answered as the client was.
    """
    client, backend = state.client, state.backend
    c, numbers = found.client, found.backends
    requests = [backend.exchange(b).request for b in numbers]
    shapes = {(q.method, q.target, body_key(q.body)) for q in requests if q is not None}
    askers = {told.address if (told := said[b]) is not None else "" for b in numbers}
    if None in requests or len(shapes) != 1 or None in next(iter(shapes)) or len(askers) != 1:
        return False
    answered = any(
        backend.exchange(b).response is not None
        and may_be_answer(client.exchange(c), backend.exchange(b))
        for b in numbers
    )
    return (
        answered
        and client.exchange(c).response is not None
        and bool(client.solid_start[c] and client.solid_reply[c])
    )


def of_one_id(state: Pairing, client: int, numbers: Sequence[int]) -> bool:
    """Whether backend exchanges carry one value drawn at random that their client exchange has not:
    the balancer's id of the request.
    """
    q = state.client.exchange(client).request
    held = [_drawn(p) for b in numbers if (p := state.backend.exchange(b).request) is not None]
    return (
        q is not None
        and len(held) == len(numbers)
        and bool(set.intersection(*held) - {line.value for line in q.lines})
    )


def _drawn(request: Request) -> set[str]:
    return {
        line.value
        for line in request.lines
        if drawn(line.value) and line.name.lower() not in SESSION
    }


def _in_step(state: Pairing, copies: dict[int, list[int]]) -> bool:
    """Whether, for every two servers, one offset puts all copies within the time that their client
    exchange took.
    """
    client, backend = state.client, state.backend
    between: dict[tuple[Server, Server], tuple[int, int]] = {}
    for c, bs in copies.items():
        took = int(client.reply[c]) - int(client.start[c])
        for b in bs[1:]:
            servers = _server(state, bs[0]), _server(state, b)
            apart = int(backend.start[b]) - int(backend.start[bs[0]])
            low, high = between.get(
                servers,
                (-took, took) if servers[0][0] == servers[1][0] else (apart - took, apart + took),
            )
            between[servers] = max(low, apart - took), min(high, apart + took)
    return all(low <= high for low, high in between.values())


def answers(state: Pairing, line: Timeline) -> dict[int, int]:
    """Client exchange with copies, several of which may be the one that was answered → which of
    them it was, UNTOLD where nothing does.

    Where all but the last failed it may have been tried again, and is left out unless the copies of
    these servers are a habit.
    """
    untold: dict[int, list[int]] = {}
    retried: dict[int, list[int]] = {}
    known: defaultdict[frozenset[Server], Counter[Server]] = defaultdict(Counter)
    lost: defaultdict[frozenset[Server], set[str]] = defaultdict(
        set
    )  # fields of answers known to be passed on that did not arrive as sent
    habit: Counter[frozenset[Server]] = Counter()
    out: dict[int, int] = {}
    for c in [
        c
        for c, bs in state.caused.items()
        if len(bs) > 1 and state.client.exchange(c).response is not None
    ]:
        may = fitting(state, c, line)
        if not may:
            continue
        if _may_be_retries(state, may, line):
            retried[c] = may
            continue
        habit[_servers(state, c)] += 1
        chosen = may[0] if len(may) == 1 else _by_lines(state, c, may)
        if chosen == UNTOLD:
            untold[c] = may
        else:
            known[_servers(state, c)][_server(state, chosen)] += 1
            lost[_servers(state, c)] |= _lost(state, c, chosen)
        if len(may) > 1:
            out[c] = chosen
    for c, may in (untold | retried).items():
        seen = known[_servers(state, c)]
        if len(seen) == 1 and seen.total() >= FEW:
            of_server = [b for b in may if _server(state, b) in seen]
            if len(of_server) == 1 and _lost(state, c, of_server[0]) <= lost[_servers(state, c)]:
                out[c] = of_server[0]
        elif c in retried and habit[_servers(state, c)] >= FEW and len(may) > 1:
            out[c] = UNTOLD
    return out


def _lost(state: Pairing, c: int, b: int) -> set[str]:
    """The fields of a backend's answer that the client did not get as they were sent."""
    got, gave = state.client.exchange(c).response, state.backend.exchange(b).response
    return (
        {name for name, _ in _lines(gave) - _lines(got)}
        if got is not None and gave is not None
        else set()
    )


def _may_be_retries(state: Pairing, numbers: Sequence[int], line: Timeline) -> bool:
    """Whether each failed before the next began, as far as is known; one alone that failed was
    perhaps the last of several tries.
    """
    if len(numbers) == 1:
        return failed(state.backend, numbers[0])
    return all(failed(state.backend, b) for b in numbers[:-1]) and not any(
        _overlap(state, one, other, line) for one, other in pairwise(numbers)
    )


def _overlap(state: Pairing, one: int, other: int, line: Timeline) -> bool:
    """Whether the later of two backend exchanges began before the earlier was answered, for all
    that the clocks may be.
    """
    if state.backend.point[one] == state.backend.point[other]:
        return int(state.backend.reply[one]) > int(state.backend.start[other])
    return (
        line.x[one] < FAR
        and line.x[other] < FAR
        and line.y[one] > line.x[other]
        and line.y[other] > line.x[one]
    )


def _by_lines(state: Pairing, c: int, held: Sequence[int]) -> int:
    """The one whose answer has every line of the client's that any of them has, and one that no
    other has; UNTOLD without.
    """
    gave = [r for b in held if (r := state.backend.exchange(b).response) is not None]
    got = state.client.exchange(c).response
    if got is None or any(Mark.HEAD_TRUNCATED in r.marks for r in (got, *gave)):
        return UNTOLD
    shared = [_lines(got) & _lines(r) for r in gave]
    best = max(range(len(held)), key=lambda i: len(shared[i]))
    return (
        held[best]
        if all(shared[i] < shared[best] for i in range(len(held)) if i != best)
        else UNTOLD
    )


def _lines(response: Response) -> set[tuple[str, str]]:
    return {
        (name, line.value)
        for line in response.lines
        if (name := line.name.lower()) not in _OF_THE_HOP
    }


def _servers(state: Pairing, c: int) -> frozenset[Server]:
    return frozenset(_server(state, b) for b in state.caused[c])


def _server(state: Pairing, b: int) -> Server:
    return int(state.backend.point[b]), state.backend.connection_of(b).server
