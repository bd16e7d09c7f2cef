"""Backend exchanges without an owner → those that are copies: traffic a balancer mirrors to another
backend, whose answers nobody gets.

One exchange is never told from another client's. A backend endpoint is: when every one of its
exchanges (three at least; the balancer's checks are left out) repeats a request that another
endpoint got from the same asker, method, target and body, one for one, within the time the client
exchange took that caused it, and no client got any of its answers. Both must have answered: of two
tries, one fails. Nor may a client exchange be left that could be the cause, or one be missing from
the capture.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Set

import numpy as np

from lbtrace.match.completeness import lossless
from lbtrace.match.exchange_times import FAR, body_key
from lbtrace.match.pairing import Pairing
from lbtrace.match.timeline import Timeline
from lbtrace.tables.packets import Column
from lbtrace.tables.words import joint

FEW = 3  # exchanges: fewer may repeat others by chance

_Key = tuple[str, str, str | None, str]


def find(state: Pairing, line: Timeline, askers: Sequence[str], checks: Set[int]) -> dict[int, int]:
    """Backend exchange → the one it is a copy of. `askers`: who asked, per backend exchange;
    `checks`: health checks.
    """
    free = [b for b in state.free_backends() if b not in checks]
    if not free:
        return {}
    servers = _servers(state)
    owned = set(servers[np.array(state.owner, np.int64) >= 0].tolist())
    alone: dict[int, list[int]] = defaultdict(list)
    for b, server in zip(free, servers[free].tolist(), strict=True):
        if server not in owned:
            alone[server].append(b)
    wanted = {
        server: numbers
        for server, numbers in alone.items()
        if len(numbers) >= FEW and all(_served(state, b) for b in numbers)
    }
    if not wanted or not line.known or not lossless(state.client):
        return {}
    unanswered = {
        (q.method, q.target)
        for c in state.free_clients()
        if (q := state.client.exchange(c).request) is not None
    }
    wanted = {
        server: numbers
        for server, numbers in wanted.items()
        if not any(_asked(state, b) in unanswered for b in numbers)
    }
    originals: dict[_Key, list[int]] = defaultdict(list)
    for bs in state.caused.values():
        key = _key(state, bs[-1], askers)
        if key is not None and _served(state, bs[-1]):
            originals[key].append(bs[-1])
    out: dict[int, int] = {}
    for numbers in wanted.values():
        found = _twins(state, line, askers, originals, numbers)
        if len(found) == len(numbers):
            out |= found
    return out


def _twins(
    state: Pairing,
    line: Timeline,
    askers: Sequence[str],
    originals: dict[_Key, list[int]],
    numbers: Sequence[int],
) -> dict[int, int]:
    """The copies of one endpoint with their originals, each of which has one copy; as far as there
    are any.
    """
    of: dict[_Key, list[int]] = defaultdict(list)
    for b in numbers:
        key = _key(state, b, askers)
        if key is None or line.backend_asked[b] >= FAR:
            return {}
        of[key].append(b)
    out: dict[int, int] = {}
    for key, mine in of.items():
        held = sorted(originals.get(key, ()), key=line.backend_asked.__getitem__)
        at = 0
        for b in sorted(mine, key=line.backend_asked.__getitem__):
            while (
                at < len(held)
                and line.client_answered[state.owner[held[at]]] < line.backend_began[b]
            ):
                at += 1
            if at == len(held) or not line.began_inside(state.owner[held[at]], b):
                return {}
            out[b] = held[at]
            at += 1
    return out


def _served(state: Pairing, b: int) -> bool:
    answer = state.backend.exchange(b).response
    return answer is not None and answer.status < 500


def _asked(state: Pairing, b: int) -> tuple[str, str] | None:
    q = state.backend.exchange(b).request
    return (q.method, q.target) if q is not None else None


def _servers(state: Pairing) -> Column:
    """A number for the endpoint of each backend exchange, and its point."""
    table = state.backend.table
    return joint(table.servers[table.connection], table.point)


def _key(state: Pairing, b: int, askers: Sequence[str]) -> _Key | None:
    q = state.backend.exchange(b).request
    return (q.method, q.target, body_key(q.body), askers[b]) if q is not None else None
