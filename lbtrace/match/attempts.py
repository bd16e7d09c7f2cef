"""Backend exchanges that belong to a client exchange beside the one it was answered from: retries,
hedges, copies.

A retry has the same request, came before, lies inside the same client exchange and failed: reset,
closed, timed out, or answered with 5xx. A backend exchange that was answered whole while the client
got another's answer is a lost hedge, a mirror, or a request that was sent twice.

A client that got no backend's answer may have caused a backend exchange all the same: the balancer
put a page of its own, a stored answer or a file in the place of what the backend sent. Time alone
shows that, so it is said only where the captures' own clocks agree (`agreeing_clocks`): a script
that ran twice has the same requests and other answers as well. The whole target must be the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence, Set
from itertools import pairwise

import numpy as np

from lbtrace.match.agreeing_clocks import agreeing
from lbtrace.match.exchange_times import FAR, Facts, may_be_answer, may_be_caused
from lbtrace.match.fingerprint import FORMS, Kept, TargetForm, request_keys
from lbtrace.match.order_statistics import Times
from lbtrace.match.pairing import Pairing
from lbtrace.match.timeline import Timeline
from lbtrace.model.pairing import Clue, Confidence, Reason, Tier
from lbtrace.tables.columns import distinct
from lbtrace.tables.packets import Column

MOST_UNDER_WAY = (
    256  # of one shape: one of more is not found by elimination, and looking would take the square
)
OWN_ERRORS = {500, 502, 503, 504}
FEW = 3  # client exchanges: fewer show nothing by their times alone
Points = tuple[int, int]  # of clients, of backends
SAME_TARGET = FORMS[:2]  # the forms in which nothing of a target is lost


def attach(
    state: Pairing, form: TargetForm, kept: Kept | None, line: Timeline
) -> list[tuple[int, int]]:
    """Give every free backend exchange that only one client exchange can have caused to it; those
    that others of its attempts were known of are returned.
    """
    if not line.known:
        return []
    of_sets = _tries_in_sets(state, line)
    free = [b for b in state.free_backends() if b not in state.left_over]
    if not free:
        return of_sets
    wanted: dict[Hashable, list[int]] = defaultdict(list)
    for b, key in zip(free, request_keys(state.backend, free, form, kept), strict=True):
        if key is not None:
            wanted[key].append(b)
    everyone = range(len(state.client))
    askers: dict[Hashable, list[int]] = defaultdict(list)
    for c, key in zip(everyone, request_keys(state.client, everyone, form, kept), strict=True):
        if key in wanted:
            askers[key].append(c)
    more = of_sets
    sure = _agreeing(state, wanted, askers) if form in SAME_TARGET else set()
    for key, backends in wanted.items():
        more += _attach_class(
            state,
            sorted(askers[key], key=line.client_asked.__getitem__),
            sorted(backends, key=line.backend_asked.__getitem__),
            line,
            sure,
        )
        if askers[key]:
            state.shared.update(b for b in backends if state.owner[b] < 0)
    return more


def _agreeing(
    state: Pairing, wanted: Mapping[Hashable, list[int]], askers: Mapping[Hashable, list[int]]
) -> set[Points]:
    """The points whose own clocks agree, by backend exchanges that are free and client exchanges
    with the same request.
    """
    client, backend = state.client, state.backend
    sets: dict[Points, list[Times]] = defaultdict(list)
    for key, backends in wanted.items():
        mine, theirs = np.array(askers[key], np.int64), np.array(backends, np.int64)
        for i in distinct(client.point[mine]).tolist():
            for j in distinct(backend.point[theirs]).tolist():
                c, b = mine[client.point[mine] == i], theirs[backend.point[theirs] == j]
                times = client.start[c], client.reply[c], backend.start[b], backend.reply[b]
                sets[i, j].append(times)
    return {
        points
        for points, held in sets.items()
        if sum(len(a) for a, *_ in held) >= FEW and agreeing(held) is not None
    }


def detach(state: Pairing, more: Sequence[tuple[int, int]]) -> None:
    """Take attempts back that may be another client's."""
    for c, b in more:
        state.detach(c, b)


def _tries_in_sets(state: Pairing, line: Timeline) -> list[tuple[int, int]]:
    """Give a client exchange that is alone in its set the backend exchanges that are left in it,
    where they and its own were tried one after another: no other can have caused them.
    """
    alone = Counter([*state.group.values(), *state.left_out.values()])
    left: dict[int, list[int]] = defaultdict(list)
    for b, group in state.left_over.items():
        if state.owner[b] < 0:
            left[group].append(b)
    more: list[tuple[int, int]] = []
    for c, group in state.group.items():
        numbers = sorted([*state.caused[c], *left[group]], key=line.backend_asked.__getitem__)
        if (
            alone[group] == 1
            and all(line.began_inside(c, b) for b in numbers)
            and _in_turn(state, numbers, line)
        ):
            more += [(c, b) for b in left[group]]
    for c, b in more:
        state.attach(c, b)
    return more


def settle(state: Pairing, more: Sequence[tuple[int, int]]) -> None:
    """A set whose exchanges all turned out to be attempts for one client exchange is none."""
    for c, b in more:
        state.left_over.pop(b, None)
        if state.group.pop(c, None) is not None:
            state.spare[c] = (False, False)  # as sure as that nobody else was there
            state.retold(c, Tier.TIME, Confidence.MEDIUM, (Reason(Clue.SAME_EXCHANGE),))


def _attach_class(
    state: Pairing, clients: list[int], backends: list[int], line: Timeline, sure: Set[Points]
) -> list[tuple[int, int]]:
    more: list[tuple[int, int]] = []
    at = 0
    waiting: list[int] = []
    for b in backends:
        while at < len(clients) and line.client_asked[clients[at]] <= line.backend_asked[b]:
            waiting.append(clients[at])
            at += 1
        waiting = [c for c in waiting if line.client_answered[c] >= line.backend_began[b]]
        if len(waiting) > MOST_UNDER_WAY:
            continue
        around = [
            c
            for c in waiting
            if line.began_inside(c, b)
            and may_be_caused(state.client.exchange(c), state.backend.exchange(b))
        ]
        # Several requests of this shape were under way: a failed try may belong to any that is not
        # known to have another's; what was answered may be a copy that any of them has beside its
        # own.
        if len(around) > 1 and failed(state.backend, b):
            around = [
                c
                for c in around
                if c in state.group or c not in state.caused or _could_retry(state, c, b, line)
            ]
        if len(around) != 1 or around[0] in state.group:
            continue
        c = around[0]
        points = int(state.client.point[c]), int(state.backend.point[b])
        tried = _could_retry(state, c, b, line)
        if not tried and not (points in sure and _replaced(state, c, b, line)):
            continue
        if c in state.caused:
            state.attach(c, b)
            more.append((c, b))
            continue
        alike = Clue.SAME_REQUEST_UNANSWERED if tried else Clue.SAME_REQUEST
        reasons = Reason(Clue.ONLY_ONE_INSIDE), Reason(alike)
        state.add(c, [b], Tier.TIME, Confidence.MEDIUM, reasons)
        state.spare[c] = (True, False)  # known only where every client was captured
        if not tried:
            state.replaced.add(c)
    return more


def _replaced(state: Pairing, c: int, b: int, line: Timeline) -> bool:
    """Whether c can have caused b and got another answer in the place of b's."""
    connection, mine, theirs = (
        state.client.connection_ref(c),
        state.client.exchange(c),
        state.backend.exchange(b),
    )
    return (
        c not in state.caused
        and c not in state.left_out
        and state.pinned.get(b, connection) == connection
        and mine.response is not None
        and theirs.response is not None
        and line.inside(c, b)
        and not may_be_answer(mine, theirs)
    )


def _could_retry(state: Pairing, c: int, b: int, line: Timeline) -> bool:
    """Whether backend exchange b can be an attempt for c beside those it has: it failed, and ended
    before the next one began.
    """
    backend = state.backend
    connection, mine = state.client.connection_ref(c), state.client.exchange(c)
    if (
        state.pinned.get(b, connection) != connection
        or backend.unknown[b]
        or not may_be_caused(mine, backend.exchange(b))
    ):
        return False
    answer = mine.response
    late = (
        line.known and line.backend_answered[b] > line.client_answered[c]
    )  # it answered after the client had an answer: the balancer gave up on it
    unused = late or bool(backend.broken_off[b])
    own = answer is not None and answer.status in OWN_ERRORS
    if not failed(backend, b) and not (unused and own):
        return False
    if c not in state.caused:
        return answer is not None and answer.status in OWN_ERRORS
    return all(_one_after_another(backend, o, b, line) for o in state.caused[c])


def _in_turn(state: Pairing, numbers: Sequence[int], line: Timeline) -> bool:
    """Whether each of these, in order of time, can have begun when the one before had failed: they
    are tries, not copies beside each other.
    """
    timed = len({int(state.backend.point[b]) for b in numbers}) == 1 or all(
        line.backend_asked[b] < FAR for b in numbers
    )
    return timed and all(
        _one_after_another(state.backend, one, other, line) for one, other in pairwise(numbers)
    )


def _one_after_another(backend: Facts, one: int, other: int, line: Timeline) -> bool:
    """Whether the earlier of two exchanges failed and had ended (of two captures: can have ended)
    when the later began. Without a clock any of them may be the earlier one.
    """
    if backend.point[one] == backend.point[other]:
        first, second = sorted((one, other), key=lambda b: int(backend.start[b]))
        return failed(backend, first) and int(backend.end[first]) <= int(backend.start[second])
    first, second = sorted((one, other), key=line.backend_asked.__getitem__)
    if line.backend_asked[second] >= FAR:
        return failed(backend, first) or failed(backend, second)
    return failed(backend, first) and line.backend_answered[first] <= line.backend_asked[second]


def failed(backend: Facts, b: int) -> bool:
    """Whether a balancer may have tried again after this: no answer came, or a server error."""
    answer = backend.exchange(b).response
    return bool(backend.silent[b]) or (answer is not None and answer.status >= 500)


def fitting(state: Pairing, client: int, line: Timeline) -> list[int]:
    """The backend exchanges whose answer may be the one the client got, in order of time."""
    numbers, mine, backend = (
        in_order(state, client, line),
        state.client.exchange(client),
        state.backend,
    )
    may = [b for b in numbers if in_time(state, client, b, line)]
    may = [
        b
        for b in may
        if backend.exchange(b).response is not None and may_be_answer(mine, backend.exchange(b))
    ]
    return (
        [b for b in may if b not in state.copied] or may
        if state.copied and not _in_turn(state, numbers, line)
        else may
    )


def in_order(state: Pairing, client: int, line: Timeline) -> list[int]:
    begun: Sequence[int] | Column = line.backend_asked if line.known else state.backend.start
    return sorted(state.caused[client], key=begun.__getitem__)


def in_time(state: Pairing, client: int, b: int, line: Timeline) -> bool:
    """Whether the answer can have reached the client: it came before the client's, and the balancer
    had not given it up.
    """
    if state.backend.silent[b] and state.backend.exchange(b).response is not None:
        return False
    return (
        not line.known
        or bool(line.backend_answered[b] <= line.client_answered[client])
        or state.tier[client] is Tier.SAME_PACKETS
    )
