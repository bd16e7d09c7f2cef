"""Requests that reach backends several times, each of them answered → whose they are, and which of
the answers the client got.

A balancer that mirrors traffic sends every request twice, and a rare value that two backend
exchanges share is no longer one request's alone: two clients that follow one script would share it
too. They hardly walk in step, and a balancer spreads them over its servers as it does others. When
one value after another is in as many backend exchanges, all with the same method, target and body,
one of them always at the same server, and one offset puts all copies within the time that their
client exchange took, they are copies of one request. The offset is free where two capture points
saw them: their clocks are not known yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from lbtrace.http_fields.secrets import is_secret
from lbtrace.match.connections import Stated
from lbtrace.match.drawn import drawn
from lbtrace.match.exchange_times import body_key, may_be_answer
from lbtrace.match.pairing import Pairing
from lbtrace.match.rare_values import Found, Matches
from lbtrace.model.http import Request
from lbtrace.model.net import Endpoint

FEW = 3  # requests: fewer are no habit

Server = tuple[int, Endpoint]


def find(state: Pairing, matched: Matches, said: Sequence[Stated | None]) -> dict[int, list[int]]:
    """Client exchange → the backend exchanges that are its request and copies of it; empty where
    that is no habit of the balancer.
    """
    rows = np.flatnonzero(matched.by_request & matched.several).tolist()
    several = [m for m in map(matched.found, rows) if _one_request(state, m, said)]
    habit = Counter(len(m.backends) for m in several).most_common(1)
    asked = int(matched.by_request.sum())
    if not habit or habit[0][1] < FEW or 2 * habit[0][1] < asked:
        return {}
    out = {
        m.client: sorted(
            m.backends, key=lambda b: (server_of(state, b), int(state.backend.start[b]))
        )
        for m in several
    }
    out = {c: bs for c, bs in out.items() if len(bs) == habit[0][0]}
    shadow = set.intersection(*({server_of(state, b) for b in bs} for bs in out.values()))
    if not shadow:
        return {}
    out = {c: sorted(bs, key=lambda b: server_of(state, b) != min(shadow)) for c, bs in out.items()}
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
    return {line.value for line in request.lines if drawn(line.value) and not is_secret(line.name)}


def _in_step(state: Pairing, copies: dict[int, list[int]]) -> bool:
    """Whether, for every two servers, one offset puts all copies within the time that their client
    exchange took.
    """
    client, backend = state.client, state.backend
    between: dict[tuple[Server, Server], tuple[int, int]] = {}
    for c, bs in copies.items():
        took = int(client.reply[c]) - int(client.start[c])
        for b in bs[1:]:
            servers = server_of(state, bs[0]), server_of(state, b)
            apart = int(backend.start[b]) - int(backend.start[bs[0]])
            low, high = between.get(
                servers,
                (-took, took) if servers[0][0] == servers[1][0] else (apart - took, apart + took),
            )
            between[servers] = max(low, apart - took), min(high, apart + took)
    return all(low <= high for low, high in between.values())


def server_of(state: Pairing, b: int) -> Server:
    return int(state.backend.point[b]), state.backend.connection_of(b).server
