"""Case → what became of whole requests: on which connections they went on, which the balancer answered, which it sent again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lbtrace.case import RANK, Case, Match, evidence
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, UnpairedReason
from lbtrace.model.report import Value
from lbtrace.verdict.weigh import Observation

CROSSING_PERCENT = 25  # of the pairs of MEDIUM confidence, before they show that connections are shared


def connection_mapping(case: Case) -> Iterator[Observation]:
    """Whether requests of one client connection stay together, and apart from those of others.

    A single wrong pair must not decide: pairs of MEDIUM confidence count only when many of them cross. For interchangeable pairs only the
    numbers of requests per connection count, and only when no exchange is left over on either side.
    """
    single = [m for m in case.distinct_matches if len(m.pair.attempts) == 1]
    sure = [m for m in single if RANK[m.pair.confidence] >= RANK[Confidence.HIGH]]
    for matches, enough in ((sure, 0), (single, CROSSING_PERCENT)):
        merged, split, crossing = _crossings(matches)
        if crossing and crossing * 100 >= enough * len(matches):
            widest = merged if len(merged) >= len(split) else split
            yield Observation(
                "connection-mapping",
                "shared",
                "One backend connection carried requests of {count} client connections."
                if widest is merged
                else "The requests of one client connection went over {count} backend connections.",
                (Value("count", len(widest), "count"),),
                evidence(case.request_frames(widest)),
            )
            return
    if any(m.pair.group is not None for m in case.matches):
        yield from _by_numbers(case)
    elif not _crossings(single)[2]:
        fronts = {(m.pair.client.point, m.front.connection): m for m in single}
        if len(fronts) > 1:
            yield Observation(
                "connection-mapping",
                "one-to-one",
                "Each of {count} client connections has one backend connection of its own"
                + ("." if len(single) == len(case.distinct_matches) else ", requests that were sent again left out."),
                (Value("count", len(fronts), "count"),),
                evidence(case.request_frames(fronts.values())),
            )


def _crossings(matches: Sequence[Match]) -> tuple[list[Match], list[Match], int]:
    """(a match for each client connection of the backend connection with most, a match for each backend connection of the client connection
    with most, how many matches are outside the pairing of connections that most matches agree on)."""
    fronts: dict[tuple[int, int], dict[tuple[int, int], Match]] = {}
    backs: dict[tuple[int, int], dict[tuple[int, int], Match]] = {}
    weight: Counter[tuple[tuple[int, int], tuple[int, int]]] = Counter()
    for m in matches:
        front, back = (m.pair.client.point, m.front.connection), (m.backend.point, m.back.connection)
        fronts.setdefault(front, {}).setdefault(back, m)
        backs.setdefault(back, {}).setdefault(front, m)
        weight[front, back] += 1
    of_front: dict[tuple[int, int], tuple[int, int]] = {}
    of_back: dict[tuple[int, int], tuple[int, int]] = {}
    for (front, back), _ in weight.most_common():
        if front not in of_front and back not in of_back:
            of_front[front], of_back[back] = back, front
    agreed = sum(weight[front, back] for front, back in of_front.items())
    merged = max(backs.values(), key=len, default={})
    split = max(fronts.values(), key=len, default={})
    return list(merged.values()), list(split.values()), len(matches) - agreed


def _by_numbers(case: Case) -> Iterator[Observation]:
    """The numbers of requests per connection: a proxy of byte streams has the same on both sides, whoever is paired with whom."""
    per_front = Counter((m.pair.client.point, m.front.connection) for m in case.matches)
    per_back = Counter((m.backend.point, m.back.connection) for m in case.matches)
    if _left_over(case):
        return
    if sorted(per_front.values()) != sorted(per_back.values()):
        yield Observation(
            "connection-mapping",
            "shared",
            "{fronts} client connections with at most {most_front} requests each, "
            "but {backs} backend connections with at most {most_back}.",
            (
                Value("fronts", len(per_front), "count"),
                Value("most_front", max(per_front.values()), "count"),
                Value("backs", len(per_back), "count"),
                Value("most_back", max(per_back.values()), "count"),
            ),
            evidence(case.request_frames(case.matches)),
        )
    elif len(per_front) > 1:
        yield Observation(
            "connection-mapping",
            "one-to-one",
            "As many connections with as many requests each on both sides ({count}).",
            (Value("count", len(per_front), "count"),),
            evidence(case.request_frames(case.matches)),
        )


def _left_over(case: Case) -> bool:
    """True when something that could have a partner has none, or was captured in part only: then numbers per connection prove nothing."""
    if any(u.reason not in (UnpairedReason.HEALTH_CHECK, UnpairedReason.ANSWERED_BY_BALANCER) for u in case.correlation.unpaired):
        return True
    if len(case.matches) < len(case.correlation.pairs):
        return True
    connections = {id(c): c for m in case.matches for c in (m.front_connection, m.back_connection)}
    return any(c.already_open or c.from_client.missing or c.from_server.missing for c in connections.values())


def own_answers(case: Case) -> Iterator[Observation]:
    """Requests the balancer answered itself. An uncaptured backend would look the same, so this never decides alone."""
    own = [
        u.ref
        for u in case.correlation.unpaired
        if u.side == Side.CLIENT and u.reason is UnpairedReason.ANSWERED_BY_BALANCER and u.confidence.value in ("certain", "high")
    ]
    if own and case.matches:
        yield Observation(
            "own-answers",
            "some",
            "{count} requests were answered without a backend exchange.",
            (Value("count", len(own), "count"),),
            evidence(case.response_frame(Side.CLIENT, ref) for ref in own[:5]),
        )


def attempts(case: Case) -> Iterator[Observation]:
    """Requests that were sent to a backend more than once."""
    several = [m for m in case.distinct_matches if len(m.pair.attempts) > 1]
    if several:
        frames = []
        for m in several[:2]:
            frames.append(case.request_frame(Side.CLIENT, m.pair.client))
            frames += [case.request_frame(Side.BACKEND, a.backend) for a in m.pair.attempts[:2]]
        yield Observation(
            "attempts",
            "several",
            "{count} requests were sent to a backend more than once.",
            (Value("count", len(several), "count"),),
            evidence(frames),
        )
