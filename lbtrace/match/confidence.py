"""Pairs → how sure each is: what its evidence is worth, and no more than each rule allows.

What a pair's own evidence is worth was entered with it. Four things limit that, and a pair is as
sure as the strictest of them says:

    elimination   a pair that was decided by who else there was needs to know who else there was
                  (`completeness`), or that a coincidence is improbable
    values        one that is rare here may be common elsewhere; a clock that other pairs hold
                  decides, else completeness does
    clocks        where no offset fits the pairs of two points, or their answers contradict each
                  other, a script that ran twice looks like that
    a handful     one or two pairs among many exchanges without a partner are chance

A set of interchangeable pairs is as sure as the least sure in it. What is LOW never counts as
knowledge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from lbtrace.match.clock import Clocks
from lbtrace.match.completeness import Strays
from lbtrace.match.pairing import Pairing
from lbtrace.match.timeline import Timeline
from lbtrace.match.tokens import telling
from lbtrace.model.pairing import Clue, Completeness, Confidence, Tier
from lbtrace.tables.columns import Column, among, distinct

HANDFUL = 2  # pairs, which may be chance …
TELLING = 20.0  # bits, of the values of a handful of pairs: less is shared by chance
TELLING_OF_MANY = 40.0  # bits, where the backends were asked more than that
FEW_OF = 3  # … when each side has more than three times as many exchanges
HOLDING = 4  # pairs that hold a clock: so many do not agree on an offset by chance
CHANCE = 1 / 1000  # odds of a coincidence that are small enough to rest a pair on
NONE = -1
Points = tuple[int, int]
_OF_ANSWER = (Clue.RESPONSE_VALUE, Clue.RESPONSE_FIELD)
_OF_SESSION = (Clue.REQUEST_VALUE, Clue.REQUEST_FIELD)


@dataclass(slots=True)
class Known:
    """What the confidence of pairs rests on beside their own evidence.

    `clocks`: those that pairs hold or that the user stated. `contradicted`: points whose pairs no
    offset fits, and whether that is half of them, or all answers contradict each other.
    """

    whole: Completeness
    clocks: Clocks
    contradicted: Mapping[Points, bool] = field(default_factory=dict)
    strays: Strays | None = None
    line: Timeline | None = None
    named: Set[int] = frozenset()  # client exchanges whose client the balancer names by its address


def weigh(state: Pairing, known: Known) -> None:
    """Enter how sure each pair is."""
    limits = _by_elimination(state, known)
    for c, most in _by_values(state, known):
        limits[c] = min(limits.get(c, Confidence.CERTAIN), most)
    if any(known.contradicted.values()):
        for c in state.caused:
            if state.tier[c] > Tier.STATED_ADDRESS and known.contradicted.get(_points(state, c)):
                limits[c] = Confidence.LOW
    for c, most in limits.items():
        state.confidence[c] = min(state.confidence[c], most)
    for c in _handful(state, known):
        state.confidence[c] = Confidence.LOW


def _points(state: Pairing, c: int) -> Points:
    return int(state.client.point[c]), int(state.backend.point[state.caused[c][-1]])


def _by_elimination(state: Pairing, known: Known) -> dict[int, Confidence]:
    """The most that pairs may be which were decided by who else there was."""
    c = np.fromiter(state.spare, np.int64, len(state.spare))
    if not len(c):
        return {}
    group = _per_client(state, state.group, NONE)
    by_clock, unknown = _of_pairs(state, known)
    timed = np.zeros(state.groups, bool)
    timed[group[c[by_clock[c] & (group[c] != NONE)]]] = True
    named = np.zeros(len(state.client), bool)
    named[list(known.named)] = True
    grouped = group[c] != NONE
    held = np.where(grouped, np.append(timed, False)[group[c]], by_clock[c]) | named[c]
    spare_client, spare_backend = np.array(list(state.spare.values()), bool).T
    tier = np.zeros(len(state.client), np.int64)
    tier[state.flat()[0]] = state.tiers()
    # An answer that a capture's end cut off may belong anywhere.
    doubtful = unknown[c] | (grouped & (spare_client | spare_backend | ~held))
    doubtful |= (tier[c] == Tier.SHAPE) & ~held  # nothing else says that they belong together
    whole = [side.complete for side in known.whole]
    nobody_else = (whole[0] & ~spare_backend) | (whole[1] & ~spare_client)
    asked = ~doubtful & ~nobody_else
    likely = asked & held & ~grouped
    doubtful |= asked & ~likely
    low = c[doubtful].tolist()
    low += [n for n in c[likely].tolist() if not _improbable(state, known, n)]
    limits = dict.fromkeys(low, Confidence.LOW)
    groups = {state.group[n] for n in low if n in state.group}
    return limits | {n: Confidence.LOW for n, held in state.group.items() if held in groups}


def _per_client(state: Pairing, held: Mapping[int, int], nothing: int) -> Column:
    """Numbers of some client exchanges, as a column of all."""
    out = np.full(len(state.client), nothing, np.int64)
    out[np.fromiter(held, np.int64, len(held))] = np.fromiter(held.values(), np.int64, len(held))
    return out


def _of_pairs(state: Pairing, known: Known) -> tuple[Column, Column]:
    """Per client exchange, whether the clock of the points of its pair is known, and whether an
    answer of it is unknown, its own or one that it caused (bool each).
    """
    by_clock, unknown = np.zeros(len(state.client), bool), state.client.unknown.copy()
    c, b = state.last()
    width = len(state.backend.traces)
    clocks = np.array([i * width + j for i, j in known.clocks], np.int64)
    by_clock[c] = among(state.client.point[c] * width + state.backend.point[b], clocks)
    c, b = state.every_attempt()
    unknown[c[state.backend.unknown[b]]] = True
    return by_clock, unknown


def _improbable(state: Pairing, known: Known, c: int) -> bool:
    """Whether a coincidence is improbable enough."""
    if known.strays is None or known.line is None or len(state.caused[c]) > 1:
        return False
    return known.strays.odds(known.line, c, state.caused[c][0]) <= CHANCE


def _by_values(state: Pairing, known: Known) -> Iterator[tuple[int, Confidence]]:
    """The most that pairs may be which share a value that is rare here, where that is a limit. Many
    pairs are of few kinds.
    """
    weak = np.fromiter(state.weak, np.int64, len(state.weak))
    last = np.zeros(len(state.client), np.int64)
    clients, backends = state.last()
    last[clients] = backends
    points = state.client.point[weak] * len(state.backend.traces) + state.backend.point[last[weak]]
    for place in distinct(points).tolist():
        between = divmod(place, len(state.backend.traces))
        if between not in known.contradicted and _clock_holds(known, between):
            continue  # certain, whatever they share
        of_kind: dict[tuple[tuple[Clue, ...], bool], Confidence] = {}
        for c in weak[points == place].tolist():
            kind = tuple(reason.clue for reason in state.reasons[c]), c in known.named
            if kind not in of_kind:
                of_kind[kind] = _by_value(known, between, *kind)
            if of_kind[kind] is not Confidence.CERTAIN:
                yield c, of_kind[kind]


def _clock_holds(known: Known, points: Points) -> bool:
    """Whether a clock that enough pairs hold, or the user stated, says when."""
    clock = known.clocks.get(points)
    return clock is not None and not clock.refused and (clock.pairs >= HOLDING or clock.stated)


def _by_value(known: Known, points: Points, clues: Sequence[Clue], named: bool) -> Confidence:
    """The most that a pair may be which shares values that are rare here: the rarest one first, and
    then one that nobody else has.

    Where some pairs contradict each other's times, a field of the response may belong to another
    exchange with the same resource: an ETag, say, which a cache sends on. A field of the request
    may be a session's, and stand in many requests; then what nobody else has tells which.
    """
    of_answer = bool(clues) and clues[0] in _OF_ANSWER
    of_session = bool(clues) and clues[-1] in _OF_SESSION
    if known.contradicted.get(points) or (points in known.contradicted and of_answer):
        return Confidence.LOW
    if _clock_holds(known, points):
        return Confidence.CERTAIN
    complete = [side.complete for side in known.whole]
    if all(complete) or (any(complete) and (not of_session or named)):
        return Confidence.MEDIUM
    return Confidence.LOW


def _handful(state: Pairing, context: Known) -> list[int]:
    """The pairs that are likenesses between strangers: one or two, where either side has many
    exchanges more that found no partner. A form that is sent again and again has the same body each
    time. So are one or two that share nothing but a few letters, or not many where others may have
    asked. A client that the balancer names is no stranger.
    """
    sure = (c for c, sure in state.confidence.items() if sure is not Confidence.LOW)
    known = list(islice(sure, HANDFUL + 1))
    if len(known) > HANDFUL or any(
        state.tier[c] <= Tier.STATED_ADDRESS or c in context.named for c in known
    ):
        return []
    said = sum(
        telling(state.client.exchange(c), state.backend.exchange(state.caused[c][-1]))
        for c in known
        if c in state.weak
    )
    many = len(known) * FEW_OF < min(len(state.client), len(state.backend))
    enough = said >= (TELLING_OF_MANY if state.free_backends() else TELLING)
    if not many and (enough or not state.weak.issuperset(known)):
        return []
    return known
