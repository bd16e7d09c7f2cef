"""Pairs that were decided by who else there was → how sure they are.

"The only one inside it" is knowledge only when whoever else could have been there was captured. A
lone pair (c, b) is wrong only when c's true partner and b's true partner are both missing; so it is
sure when one side is complete: every backend exchange has its client exchange in the captures (the
client side lacks no packet, and nothing but the balancer's own checks is left without a client), or
every client exchange has its backend exchange in them. A pair that follows by elimination in a set
needs the complete side to be the one that has none to spare; so does the claim that a set of
interchangeable pairs holds the right exchanges. What cannot be known complete is LOW, and never
counted as knowledge.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lbtrace.match.balancer_signature import hand, manner
from lbtrace.match.clock import Clocks
from lbtrace.match.exchange_times import Facts, unasked
from lbtrace.match.pairing import Pairing
from lbtrace.match.rare_values import telling
from lbtrace.match.windows import windows
from lbtrace.model.pairing import Clue, Confidence, Tier

HANDFUL = 2  # pairs, which may be chance …
TELLING = 20.0  # bits, of the values of a handful of pairs: less is shared by chance
TELLING_OF_MANY = 40.0  # bits, where the backends were asked more than that
FEW_OF = 3  # … when each side has more than three times as many exchanges


def weigh(
    state: Pairing,
    clocks: Clocks,
    contradicted: Mapping[tuple[int, int], bool] = MappingProxyType({}),
) -> None:
    """Lower the confidence of what rests on completeness where neither side is complete.
    `contradicted`: points whose pairs no offset fits, and whether that is half of them, or all
    answers contradict them: then a script that ran twice looks like this.
    """
    client_whole = every_client(state, clocks)
    backend_whole = lossless(state.backend) and not _left(state, clocks, of_client=True)
    # An answer that a capture's end cut off may belong anywhere: whoever stands in one set with it
    # is not sure either.
    unknown, unknown_there = state.client.unknown.tolist(), state.backend.unknown.tolist()
    open_ended = {
        c for c in state.spare if unknown[c] or any(unknown_there[b] for b in state.caused[c])
    }
    doubtful = {state.group[c] for c in open_ended if c in state.group}
    mine, theirs = state.client.point.tolist(), state.backend.point.tolist()
    points_of = {c: (mine[c], theirs[state.caused[c][-1]]) for c in state.spare}
    timed = {
        state.group[c] for c, points in points_of.items() if c in state.group and points in clocks
    }
    for c, (spare_client, spare_backend) in state.spare.items():
        points = points_of[c]
        unsettled = c in state.group and (
            spare_client or spare_backend or state.group[c] not in timed
        )
        alone = (
            state.tier[c] is Tier.SHAPE and points not in clocks
        )  # alike, and nothing else says that they belong together
        cut = c in open_ended or state.group.get(c) in doubtful
        if (
            unsettled
            or alone
            or cut
            or not ((client_whole and not spare_backend) or (backend_whole and not spare_client))
        ):
            state.confidence[c] = Confidence.LOW
    low = {
        state.group[c]
        for c in state.spare
        if c in state.group and state.confidence[c] is Confidence.LOW
    }
    for c, group in state.group.items():
        if group in low:  # a set is as sure as the least sure in it
            state.confidence[c] = Confidence.LOW
    _weigh_values(
        state, clocks, contradicted, client_whole and backend_whole, client_whole or backend_whole
    )
    if any(contradicted.values()):
        for c, bs in state.caused.items():
            if state.tier[c] > Tier.STATED_ADDRESS and contradicted.get((mine[c], theirs[bs[-1]])):
                state.confidence[c] = Confidence.LOW
    _weigh_handful(state)


def _weigh_values(
    state: Pairing,
    clocks: Clocks,
    contradicted: Mapping[tuple[int, int], bool],
    both: bool,
    one: bool,
) -> None:
    """Values that are rare here and common elsewhere decide when a clock that others hold agrees;
    else completeness must. Where some pairs contradict each other's times, a field of the response
    may belong to another exchange with the same resource.
    """
    mine, theirs = state.client.point.tolist(), state.backend.point.tolist()
    for c in state.weak:
        points = (mine[c], theirs[state.caused[c][-1]])
        clue = state.reasons[c][0].clue if state.reasons[c] else None
        # An ETag, say, is the resource's: a cache sends it on.
        if contradicted.get(points) or (
            points in contradicted and clue in (Clue.RESPONSE_VALUE, Clue.RESPONSE_FIELD)
        ):
            state.confidence[c] = Confidence.LOW
            continue
        held = clocks.get(points)
        if held is not None and not held.refused and (held.pairs >= 4 or held.stated):
            continue
        # A field of the request may be a session's, and stand in many requests.
        of_session = clue in (Clue.REQUEST_VALUE, Clue.REQUEST_FIELD)
        state.confidence[c] = (
            Confidence.MEDIUM if both or (one and not of_session) else Confidence.LOW
        )


def _weigh_handful(state: Pairing) -> None:
    """One or two pairs, where either side has many exchanges more that found no partner, are
    likenesses between strangers: a form that is sent again and again has the same body each time.
    So are one or two that share nothing but a few letters, or not many where others may have asked.
    """
    known = [c for c, sure in state.confidence.items() if sure is not Confidence.LOW]
    if len(known) > HANDFUL or any(state.tier[c] <= Tier.STATED_ADDRESS for c in known):
        return
    said = sum(
        telling(state.client.exchange(c), state.backend.exchange(state.caused[c][-1]))
        for c in known
        if c in state.weak
    )
    if len(known) * FEW_OF >= min(len(state.client), len(state.backend)) and (
        said >= (TELLING_OF_MANY if state.free_backends() else TELLING)
        or not state.weak.issuperset(known)
    ):
        return
    for c in known:
        state.confidence[c] = Confidence.LOW


def lossless(facts: Facts) -> bool:
    """Whether no bytes that were sent are missing from the captures of a side, and no exchange
    lacks its request that had one.
    """
    if not (facts.table.requests.there | unasked(facts)).all():
        return False
    return not any(
        bool((held.ends.missing > held.ends.truncated).any()) for held in facts.table.connections
    )


def every_client(state: Pairing, clocks: Clocks) -> bool:
    """Whether the client captures show every client: no packet is missing, and no backend exchange
    of their kind is left without one.
    """
    return lossless(state.client) and not _left(state, clocks, of_client=False)


def _left(state: Pairing, clocks: Clocks, of_client: bool) -> bool:
    """Whether an exchange is left that should have a partner in the other side's captures."""
    facts = state.client if of_client else state.backend
    free = (
        state.free_clients()
        if of_client
        else [b for b in state.free_backends() if b in state.shared]
    )
    seen = windows(state, clocks, of_client)
    nothing = unasked(facts)
    backends = manner(state) if of_client and free else None
    for n in free:
        start, end = int(facts.start[n]), int(facts.end[n])
        known = seen[facts.point[n]]
        if nothing[n] or (known and all(end < w.first or start > w.last for w in known)):
            continue
        if backends is None:
            return True
        answer = facts.exchange(n).response
        redirected = answer is not None and answer.status in (
            301,
            302,
            303,
            307,
            308,
            502,
            503,
            504,
        )
        own = hand(answer, backends, int(facts.reply[n]) - start)
        sure = own is not None and own.confidence is Confidence.HIGH
        if not (facts.cached[n] or redirected or sure):
            return True
    return False
