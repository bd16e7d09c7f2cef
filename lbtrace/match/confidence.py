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

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field

from lbtrace.match.clock import Clocks
from lbtrace.match.completeness import Strays
from lbtrace.match.pairing import Pairing
from lbtrace.match.rare_values import telling
from lbtrace.match.timeline import Timeline
from lbtrace.model.pairing import Clue, Completeness, Confidence, Tier

HANDFUL = 2  # pairs, which may be chance …
TELLING = 20.0  # bits, of the values of a handful of pairs: less is shared by chance
TELLING_OF_MANY = 40.0  # bits, where the backends were asked more than that
FEW_OF = 3  # … when each side has more than three times as many exchanges
HOLDING = 4  # pairs that hold a clock: so many do not agree on an offset by chance
CHANCE = 1 / 1000  # odds of a coincidence that are small enough to rest a pair on
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
    limits: dict[int, Confidence] = {}
    timed = {
        state.group[c]
        for c in state.spare
        if c in state.group and _points(state, c) in known.clocks
    }
    for c in state.spare:
        group = state.group.get(c)
        held = group in timed if group is not None else _points(state, c) in known.clocks
        held |= c in known.named
        if _doubtful(state, known, c, held):
            limits[c] = Confidence.LOW
    low = {state.group[c] for c in limits if c in state.group}
    return limits | {c: Confidence.LOW for c, group in state.group.items() if group in low}


def _doubtful(state: Pairing, known: Known, c: int, held: bool) -> bool:
    """Whether others may have been there. `held`: a clock that is known says when."""
    spare_client, spare_backend = state.spare[c]
    # An answer that a capture's end cut off may belong anywhere.
    if state.client.unknown[c] or any(state.backend.unknown[b] for b in state.caused[c]):
        return True
    if c in state.group and (spare_client or spare_backend or not held):
        return True
    if state.tier[c] is Tier.SHAPE and not held:
        return True  # alike, and nothing else says that the captures belong together
    client, backend = (side.complete for side in known.whole)
    if (client and not spare_backend) or (backend and not spare_client):
        return False
    return not (held and c not in state.group and _improbable(state, known, c))


def _improbable(state: Pairing, known: Known, c: int) -> bool:
    """Whether a coincidence is improbable enough."""
    if known.strays is None or known.line is None or len(state.caused[c]) > 1:
        return False
    return known.strays.odds(known.line, c, state.caused[c][0]) <= CHANCE


def _by_values(state: Pairing, known: Known) -> Iterator[tuple[int, Confidence]]:
    """The most that pairs may be which share a value that is rare here, where that is a limit. Many
    pairs are of few kinds.
    """
    of_kind: dict[tuple[Points, Clue | None, bool], Confidence] = {}
    front, behind = state.client.point.tolist(), state.backend.point.tolist()
    for c in state.weak:
        clue = state.reasons[c][0].clue if state.reasons[c] else None
        kind = (front[c], behind[state.caused[c][-1]]), clue, c in known.named
        if kind not in of_kind:
            of_kind[kind] = _by_value(known, *kind)
        if of_kind[kind] is not Confidence.CERTAIN:
            yield c, of_kind[kind]


def _by_value(known: Known, points: Points, clue: Clue | None, named: bool) -> Confidence:
    """The most that a pair may be which shares a value that is rare here.

    Where some pairs contradict each other's times, a field of the response may belong to another
    exchange with the same resource: an ETag, say, which a cache sends on. A field of the request
    may be a session's, and stand in many requests.
    """
    if known.contradicted.get(points) or (points in known.contradicted and clue in _OF_ANSWER):
        return Confidence.LOW
    clock = known.clocks.get(points)
    if clock is not None and not clock.refused and (clock.pairs >= HOLDING or clock.stated):
        return Confidence.CERTAIN
    complete = [side.complete for side in known.whole]
    if all(complete) or (any(complete) and (clue not in _OF_SESSION or named)):
        return Confidence.MEDIUM
    return Confidence.LOW


def _handful(state: Pairing, context: Known) -> list[int]:
    """The pairs that are likenesses between strangers: one or two, where either side has many
    exchanges more that found no partner. A form that is sent again and again has the same body each
    time. So are one or two that share nothing but a few letters, or not many where others may have
    asked. A client that the balancer names is no stranger.
    """
    known = [c for c, sure in state.confidence.items() if sure is not Confidence.LOW]
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
