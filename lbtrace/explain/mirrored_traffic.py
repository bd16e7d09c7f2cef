"""Backend exchanges without an owner → those that are copies: traffic a balancer mirrors to another
backend, whose answers nobody gets.

One exchange is never told from another client's. A backend endpoint is: when every one of its
exchanges (three at least; the balancer's checks are left out) repeats a request that another
endpoint got from the same asker, method, target and body, one for one, within the time the client
exchange took that caused it, and no client got any of its answers. Both must have answered: of two
tries, one fails. Nor may a client exchange be left that could be the cause, or one be missing from
the capture.

A capture of nothing but copies has no clock: no client got any of its answers. Then one offset must
put all copies, five at least, within the time of their client exchanges, and it must be that of
another backend capture, as far as clocks of servers agree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Set

import numpy as np

from lbtrace.match.clock import Clocks
from lbtrace.match.completeness import lossless
from lbtrace.match.exchange_times import FAR, Facts, body_keys
from lbtrace.match.pairing import Pairing
from lbtrace.match.timeline import Timeline
from lbtrace.tables.packets import Column
from lbtrace.tables.words import joint

FEW = 3  # exchanges: fewer may repeat others by chance
FEW_WITHOUT_CLOCK = 5
AGREE_NS = 5_000_000  # clocks of servers that one network sets hardly differ by more

# who asked, and the numbers of what was asked: method, target, body, whether it is known whole
_Key = tuple[str, int, int, int, bool]


def find(
    state: Pairing, line: Timeline, known: Clocks, askers: Sequence[str], checks: Set[int]
) -> dict[int, int]:
    """Backend exchange → the one it is a copy of. `known`: the clocks of `line`; `askers`: who
    asked, per backend exchange; `checks`: health checks.
    """
    free = [b for b in state.free_backends() if b not in checks]
    if not free or not state.caused or not line.known:
        return {}
    servers, answers = _servers(state), state.backend.table.responses
    served = answers.there & (answers.start < 500)
    owned = set(servers[state.owners >= 0].tolist())
    alone: dict[int, list[int]] = defaultdict(list)
    for b, server in zip(free, servers[free].tolist(), strict=True):
        if server not in owned:
            alone[server].append(b)
    wanted = {
        server: numbers
        for server, numbers in alone.items()
        if len(numbers) >= FEW and served[numbers].all()
    }
    if not wanted or not lossless(state.client):
        return {}
    unanswered = _asked(state.client, state.free_clients())
    wanted = {
        server: numbers
        for server, numbers in wanted.items()
        if unanswered.isdisjoint(_asked(state.backend, numbers))
    }
    keys = _Keys(state.backend, askers)
    originals: dict[_Key, list[int]] = defaultdict(list)
    for bs in state.caused.values():
        key = keys.of(bs[-1])
        if key is not None and served[bs[-1]]:
            originals[key].append(bs[-1])
    out: dict[int, int] = {}
    for numbers in wanted.values():
        timed = all(line.backend_asked[b] < FAR for b in numbers)
        found = (_twins if timed else _in_step)(state, line, known, keys, originals, numbers)
        if len(found) == len(numbers):
            out |= found
    return out


def _twins(
    state: Pairing,
    line: Timeline,
    _: Clocks,
    keys: _Keys,
    originals: dict[_Key, list[int]],
    numbers: Sequence[int],
) -> dict[int, int]:
    """The copies of one endpoint with their originals, each of which has one copy; as far as there
    are any.
    """
    of = _by_key(keys, numbers)
    if of is None:
        return {}
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


def _in_step(
    state: Pairing,
    line: Timeline,
    known: Clocks,
    keys: _Keys,
    originals: dict[_Key, list[int]],
    numbers: Sequence[int],
) -> dict[int, int]:
    """The same for an endpoint whose capture has no clock: every original has its copy, and in the
    order of time they are in step.
    """
    of, start = _by_key(keys, numbers), state.backend.start
    if of is None or len(numbers) < FEW_WITHOUT_CLOCK:
        return {}
    out: dict[int, int] = {}
    for key, mine in of.items():
        held = sorted(originals.get(key, ()), key=line.backend_asked.__getitem__)
        if len(held) != len(mine):
            return {}
        out.update(zip(sorted(mine, key=start.__getitem__), held, strict=True))
    owners = [state.owner[b] for b in out.values()]
    low = max(line.client_asked[c] - int(start[b]) for b, c in zip(out, owners, strict=True))
    high = min(line.client_answered[c] - int(start[b]) for b, c in zip(out, owners, strict=True))
    agree = any(
        k.low_ns - AGREE_NS <= high and low <= k.high_ns + AGREE_NS
        for k in known.values()
        if not k.refused
    )
    return out if low <= high and agree else {}


def _by_key(keys: _Keys, numbers: Sequence[int]) -> dict[_Key, list[int]] | None:
    """Exchanges by what is the same of a request and its copy, None where a request is missing."""
    of: dict[_Key, list[int]] = defaultdict(list)
    for b in numbers:
        key = keys.of(b)
        if key is None:
            return None
        of[key].append(b)
    return of


def _asked(facts: Facts, numbers: Sequence[int]) -> set[tuple[int, int]]:
    """Method and target, by number, of the requests of some exchanges."""
    q, at = facts.table.requests, np.array(numbers, np.int64)
    at = at[q.there[at]]
    return set(zip(q.method[at].tolist(), q.start[at].tolist(), strict=True))


def _servers(state: Pairing) -> Column:
    """A number for the endpoint of each backend exchange, and its point."""
    table = state.backend.table
    return joint(table.servers[table.connection], table.point)


class _Keys:
    """What is the same of a request and its copy."""

    def __init__(self, facts: Facts, askers: Sequence[str]) -> None:
        self._requests, self._askers = facts.table.requests, askers
        self._bodies = body_keys(self._requests)

    def of(self, b: int) -> _Key | None:
        """That of an exchange; None where its request is not in the capture."""
        q = self._requests
        if not q.there[b]:
            return None
        body, whole = int(self._bodies[b]), bool(q.complete[b])
        return self._askers[b], int(q.method[b]), int(q.start[b]), body, whole
