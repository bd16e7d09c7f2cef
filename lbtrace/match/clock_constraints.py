"""Pairs ↔ times: what the pairs say of the clocks, everything on one time line, and which pairs
that contradicts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from lbtrace.match import clock, order_statistics
from lbtrace.match.agreeing_clocks import agreeing
from lbtrace.match.attempts import failed
from lbtrace.match.classes import Class
from lbtrace.match.clock import Clocks
from lbtrace.match.completeness import lossless
from lbtrace.match.exchange_times import FAR, may_be_answer, may_be_answer_each
from lbtrace.match.pairing import Pairing
from lbtrace.match.timeline import Timeline
from lbtrace.model.pairing import Clock, ClockRefusal, Confidence, Tier
from lbtrace.tables.columns import distinct
from lbtrace.tables.connections import STAMPED_LATE_NS
from lbtrace.tables.packets import Column

FEW = 3  # client exchanges: fewer say nothing of the clocks by their times alone


def clocks(state: Pairing, stated_ns: int | None) -> Clocks:
    """The clock between each client point and each backend point, as the pairs bound it."""
    bounds = _bounds(state)
    empty = clock.Bounds(*(np.zeros(0, np.int64) for _ in range(3)))
    return {
        (i, j): clock.estimate(i, j, bounds.get((i, j), empty), stated_ns)
        for i in range(len(state.client.traces))
        for j in range(len(state.backend.traces))
    }


def _bounds(state: Pairing) -> dict[tuple[int, int], clock.Bounds]:
    """Per pair of points, what the pairs that bound its clock say, in the order of the client
    capture.
    """
    client, backend = state.client, state.backend
    clients, sizes, backends = state.flat()
    counts = ~state.grouped()[clients]
    single = counts & (sizes == 1)
    c, b = clients[single], backends[np.cumsum(sizes)[single] - 1]
    solid = (
        client.solid_start[c]
        & client.solid_reply[c]
        & backend.solid_start[b]
        & backend.solid_reply[b]
    )
    solid &= may_be_answer_each(client, backend, c, b)
    c, b = c[solid], b[solid]
    high = client.reply[c] - backend.reply[b]
    several = [
        row
        for c in clients[counts & (sizes > 1)].tolist()
        for row in _of_attempts(state, c, state.caused[c])
    ]
    more = np.array(several, np.int64).reshape(-1, 3).T
    c, b, high = (np.concatenate(columns) for columns in zip((c, b, high), more, strict=True))
    order = np.argsort(c, kind="stable")
    c, b, high = c[order], b[order], high[order]
    at = backend.start[b]
    frame = backend.table.requests.first_frame[b]
    points = client.point[c] * len(backend.traces) + backend.point[b]
    found = {
        divmod(p, len(backend.traces)): clock.Bounds(
            *(column[points == p] for column in (at, client.start[c] - at, high, frame))
        )
        for p in distinct(points).tolist()
    }
    return found | {
        points: clock.joined(found[points], more) if points in found else more
        for points, more in state.passed_on.items()
    }


def _of_attempts(state: Pairing, c: int, bs: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """A client exchange with several attempts → for each point that shows any of them: it, the
    first of them, the upper bound on δ.
    """
    client, backend = state.client, state.backend
    of_point: dict[int, list[int]] = defaultdict(list)
    for b in bs:
        of_point[int(backend.point[b])].append(b)
    for here in of_point.values() if client.solid_start[c] and client.solid_reply[c] else ():
        high = _latest(state, c, here, bs)
        if backend.solid_start[here[0]] and high is not None:
            yield c, here[0], high


def _latest(state: Pairing, c: int, here: list[int], every: Sequence[int]) -> int | None:
    """The upper bound on δ from the attempts for c that one point shows, of `every` attempt:
    whichever of them answered, the client's answer came no earlier than the first of their answers;
    where one of another point may have answered, or one whose answer is not in the capture, or none
    of them did, those that failed were at least begun before the client was answered. A copy may be
    sent after that.
    """
    client, backend = state.client, state.backend
    mine = client.exchange(c)
    may = {b for b in every if not backend.silent[b] and may_be_answer(mine, backend.exchange(b))}
    if may and may <= set(here) and all(backend.solid_reply[b] for b in may):
        return int(client.reply[c]) - min(int(backend.reply[b]) for b in may)
    if not all(backend.solid_start[b] and failed(backend, b) for b in here):
        return None
    return int(client.reply[c]) - max(int(backend.start[b]) for b in here)


def bootstrap(state: Pairing, known: Clocks, made: Sequence[Class]) -> Clocks:
    """Clocks that no pair bounds, from the times of what nothing tells apart."""
    out = dict(known)
    c_facts, b_facts = state.client, state.backend
    whole = lossless(c_facts) and lossless(b_facts)
    complete = (
        whole and len(c_facts.traces) == 1 and all(len(k.clients) == len(k.backends) for k in made)
    )
    for (i, j), held in known.items():
        if not held.refused or held.stated or held.outliers:
            # known; or pairs contradict every offset, so none that times alone suggest is true
            continue
        sets = []
        alone = True
        for k in made:
            # A time that was not seen is a bound on the safe side (facts), so retransmitted
            # messages may take part here.
            mine, theirs = np.array(k.clients, np.int64), np.array(k.backends, np.int64)
            mine, theirs = mine[c_facts.point[mine] == i], theirs[b_facts.point[theirs] == j]
            alone &= len(mine) == len(k.clients) and len(theirs) == len(k.backends)
            if len(mine) and len(theirs):
                sets.append(
                    (
                        c_facts.start[mine],
                        c_facts.reply[mine],
                        b_facts.start[theirs],
                        b_facts.reply[theirs],
                    )
                )
        if not sets or len(c_facts) < FEW:
            continue
        found = None
        if sum(len(s[0]) for s in sets) >= FEW:  # one or two likenesses would bound any clock
            found = (
                order_statistics.surrounded(sets)
                if complete and not alone
                else clock.from_order(sets, whole and alone)
            )
        if found is None:
            found = agreeing(sets)
        if found is not None:
            out[i, j] = replace(clock.estimate(i, j, found), times_alone=found.times_alone)
    return out


def take_back(state: Pairing, line: Timeline) -> bool:
    """Remove the pairs that the clock contradicts; the same packets are beyond its reach."""
    if not line.known:
        return False
    clients, tries, backends = state.flat()
    strong = np.zeros(len(state.client), bool)
    strong[list(state.strong)] = True
    asked = ~(strong[clients] & (state.tiers() == Tier.SAME_PACKETS))
    if not asked.any():
        return False
    backends = backends[np.repeat(asked, tries)]
    clients, tries = clients[asked], tries[asked]
    whole, some = _fit(state, line, clients, tries, backends, strong[clients])
    wrong = clients[~np.where(tries == 1, some, whole & some)].tolist()
    for c in wrong:
        state.remove(c)
    return bool(wrong)


def _fit(
    state: Pairing,
    line: Timeline,
    clients: Column,
    tries: Column,
    bs: Column,
    strong: Column,
) -> tuple[Column, Column]:
    """Client exchanges with their attempts `bs`, `tries` of them each → whether time allows that
    all of these began, and that one was answered in time; an answer that the client did not get may
    come after the client's.

    What can hardly be shared by chance (`strong`) stands against a small contradiction: packets are
    stamped late, and out of order.
    """
    times = line.columns
    a, p, x, y, z = times.client_asked, times.client_answered, *times[2:5]
    client, backend = state.client, state.backend
    place = np.repeat(np.arange(len(clients)), tries)
    cs = clients[place]
    slack = np.where(strong, STAMPED_LATE_NS, 0)[place]
    answers = may_be_answer_each(client, backend, cs, bs)
    early = a[cs] <= x[bs] + slack
    inside = np.where(answers, y[bs], z[bs]) <= p[cs] + slack
    timed = (x[bs] < FAR) & (a[cs] > -FAR)
    long = client.reply[cs] - client.start[cs] + slack >= backend.reply[bs] - backend.start[bs]
    fits = early & np.where(answers & ~timed, long, inside)
    began = early & (z[bs] <= p[cs] + slack)
    whole, some = (np.bincount(place[which], minlength=len(clients)) for which in (began, fits))
    return whole == tries, some > 0


def sure(state: Pairing, points: tuple[int, int]) -> bool:
    """Whether a pair of the first two tiers, a connection that was passed on, or a value that can
    hardly be shared by chance, holds these points together.
    """
    return points in state.passed_on or any(
        int(state.client.point[c]) == points[0]
        and int(state.backend.point[state.caused[c][-1]]) == points[1]
        for c in state.strong
    )


def without_doubt(state: Pairing, points: tuple[int, int], known: Clock) -> Clock:
    """A clock that few pairs of low confidence bound, or more exchanges than were paired in the
    end, is no clock.
    """
    if known.refused or known.stated:
        return known
    held = _of_points(state, points)
    sure = len(state.passed_on[points].at) if points in state.passed_on else 0
    doubtful = (len(held) + sure) * 2 < known.pairs or (
        known.pairs <= FEW and not sure and all(state.confidence[c] is Confidence.LOW for c in held)
    )
    return Clock(*points, refused=ClockRefusal.DOUBTFUL) if doubtful else known


def _of_points(state: Pairing, points: tuple[int, int]) -> list[int]:
    """The client exchanges of a point that were paired with exchanges of the other."""
    c, b = state.every_attempt()
    here = (state.client.point[c] == points[0]) & (state.backend.point[b] == points[1])
    found: list[int] = distinct(c[here]).tolist()
    return found
