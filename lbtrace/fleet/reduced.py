"""SliceResults → what they show together.

Counts add, because each exchange is in one slice; connections that slices share are counted once.
Times are put together and measured again. Findings keep the words and the numbers of their slice: a
sentence may count what several slices share, and a sum would say more than was seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from lbtrace.comparison.latency import INTERCHANGEABLE, NO_CLOCK, rank_index
from lbtrace.fleet.slices import SLOWEST, CutConnection, SliceResult, counts_with, counts_without
from lbtrace.model.fleet import (
    FindingInSlice,
    FleetChange,
    FleetFinding,
    PairCount,
    PointPair,
    SlowExchange,
    UnpairedTotal,
)
from lbtrace.model.net import Side
from lbtrace.model.pairing import CONFIDENCES, ChangeKind, Confidence, HeaderChange, Pattern, Tier
from lbtrace.model.report import Excluded, Finding, Kind, Latency, SideCounts, Verdict
from lbtrace.tables.columns import Column, median_low

DECIDED: Final = (Kind.DIRECT, Kind.L4_PASSTHROUGH, Kind.L4_PROXY, Kind.L7_PROXY)
NOT_THE_SAME = "The slices show different kinds of balancer."


def counts(results: Sequence[SliceResult], side: Side) -> SideCounts:
    """What a side counts."""
    held: dict[object, list[CutConnection]] = defaultdict(list)
    total: SideCounts | None = None
    for result in results:
        own = result.report.client_counts if side is Side.CLIENT else result.report.backend_counts
        cut_ones = result.cut[side is Side.BACKEND]
        own = counts_without(own, cut_ones)
        for each in cut_ones:
            held[each.key].append(each)
        total = own if total is None else _added(total, own)
    assert total is not None
    return counts_with(total, held)


def _added(one: SideCounts, other: SideCounts) -> SideCounts:
    per = dict(one.requests_per_connection)
    for requests, connections in other.requests_per_connection:
        per[requests] = per.get(requests, 0) + connections
    names = [n for n in SideCounts.__slots__ if n not in ("side", "requests_per_connection")]
    return replace(
        one,
        **{name: getattr(one, name) + getattr(other, name) for name in names},
        requests_per_connection=tuple(sorted(per.items())),
    )


def cut_connections(results: Sequence[SliceResult]) -> int:
    """How many connections slices share."""
    return sum(len({c.key for r in results for c in r.cut[side]}) for side in (0, 1))


def pairs(results: Sequence[SliceResult]) -> tuple[PairCount, ...]:
    """The pairs by the evidence that decided them, and by confidence."""
    return tuple(
        PairCount(Tier(tier), CONFIDENCES[rank], count)
        for (tier, rank), count in _summed(r.by_tier for r in results)
    )


def by_points(results: Sequence[SliceResult]) -> tuple[PointPair, ...]:
    """The pairs by the capture points of their exchanges."""
    return tuple(PointPair(*at, count) for at, count in _summed(r.by_points for r in results))


def _summed(
    rows: Iterable[Iterable[tuple[int, int, int]]],
) -> list[tuple[tuple[int, int], int]]:
    found: dict[tuple[int, int], int] = defaultdict(int)
    for of_slice in rows:
        for one, other, count in of_slice:
            found[one, other] += count
    return sorted(found.items())


def unpaired(results: Sequence[SliceResult]) -> tuple[UnpairedTotal, ...]:
    """The exchanges without a partner, the most frequent reason first."""
    found: dict[tuple[Side, str], UnpairedTotal] = {}
    for result in results:
        for side, reason, count in result.unpaired:
            before = found.get((side, reason))
            found[side, reason] = UnpairedTotal(
                side, reason, count + (before.exchanges if before else 0)
            )
    return tuple(sorted(found.values(), key=lambda u: (u.side, -u.exchanges, u.reason)))


def changes(results: Sequence[SliceResult]) -> tuple[FleetChange, ...]:
    """The changes to header fields, those of requests first."""
    found: dict[tuple[bool, ChangeKind, str], list[tuple[int, HeaderChange]]] = defaultdict(list)
    of: dict[tuple[bool, int], int] = {}
    for result in results:
        for change in result.report.correlation.changes:
            found[change.request, change.kind, change.name].append((result.number, change))
            of[change.request, result.number] = max(
                change.of, of.get((change.request, result.number), 0)
            )
    out = [
        _change(held, sum(n for (request, _), n in of.items() if request == key[0]))
        for key, held in found.items()
    ]
    return tuple(sorted(out, key=lambda c: (not c.request, -c.count, c.name, c.kind)))


def _change(held: Sequence[tuple[int, HeaderChange]], of: int) -> FleetChange:
    """One change. A value that is constant in each slice is constant only if it is the same."""
    first = held[0][1]
    patterns = {change.behaviour for _, change in held}
    constant = patterns == {Pattern.CONSTANT} and len({change.after for _, change in held}) > 1
    return FleetChange(
        first.request,
        first.kind,
        first.name,
        None if len(patterns) > 1 or constant else first.behaviour,
        sum(change.count for _, change in held),
        of,
        first.before,
        first.after,
        tuple(number for number, _ in held),
    )


def findings(results: Sequence[SliceResult]) -> tuple[FleetFinding, ...]:
    """The findings by their kind, the gravest first."""
    found: dict[str, list[FindingInSlice]] = defaultdict(list)
    for result in results:
        for finding in result.report.findings:
            found[finding.slug].append(FindingInSlice(result.number, finding))
    out = []
    for slug, held in found.items():
        strongest = max((each.finding for each in held), key=_weight)
        out.append(
            FleetFinding(
                slug,
                strongest.title,
                strongest.severity,
                max(each.finding.confidence for each in held),
                tuple(sorted({each.number for each in held})),
                tuple(sorted(held, key=lambda e: _weight(e.finding), reverse=True)),
            )
        )
    return tuple(sorted(out, key=lambda f: (f.severity, f.confidence, len(f.slices)), reverse=True))


def _weight(finding: Finding) -> tuple[object, ...]:
    """By what a finding is put before another one of its kind."""
    frames = sum(len(e.frames) for e in finding.evidence)
    return finding.severity, finding.confidence, frames


def slowest(results: Sequence[SliceResult]) -> tuple[SlowExchange, ...]:
    """The pairs in which most was added."""
    every = [SlowExchange(r.number, *row) for r in results for row in r.slowest]
    return tuple(sorted(every, key=lambda e: -e.added_ns)[:SLOWEST])


def latency(results: Sequence[SliceResult]) -> Latency | None:
    """What the balancer added, over all slices: as it is measured of one (`comparison.latency`)."""
    measured = [r for r in results if r.report.latency is not None]
    alone = [r for r in measured if r.alone]
    left_out: dict[str, int] = defaultdict(int)
    for result in measured:
        assert result.report.latency is not None
        for reason, count in result.report.latency.left_out:
            left_out[reason] += count
        if alone and not result.alone:
            left_out[INTERCHANGEABLE] += result.report.latency.count
    if not alone:
        return _of_sets(measured, left_out)
    times = {name: np.concatenate([r.timed[name] for r in alone]) for name in alone[0].timed}
    added = np.sort(times["added"])
    known = times["width"] != NO_CLOCK
    forward, back = times["forward"][known], times["back"][known]
    return Latency(
        count=len(added),
        added_median_ns=median_low(added),
        added_p95_ns=int(added[rank_index(len(added), 95)]),
        added_max_ns=int(added[-1]),
        client_median_ns=median_low(times["client"]),
        backend_median_ns=median_low(times["backend"]),
        forward_median_ns=median_low(forward) if len(forward) else None,
        return_median_ns=median_low(back) if len(back) else None,
        half_width_ns=int(times["width"][known].max()) if known.any() else None,
        slowest_pair=0,
        sending=_some(times["sending"]),
        reading=_some(times["reading"]),
        left_out=tuple(sorted(left_out.items())),
    )


def _some(times: Column) -> Excluded:
    return Excluded(int((times > 0).sum()), int(times.max(initial=0)))


def _of_sets(measured: Sequence[SliceResult], left_out: dict[str, int]) -> Latency | None:
    """Where no slice has a pair that stands alone: the average over all of their sets."""
    held = [r.report.latency for r in measured if r.report.latency is not None]
    if not held:
        return None
    count = sum(each.count for each in held)
    average = sum(each.added_median_ns * each.count for each in held) // count
    times = {n: np.concatenate([r.timed[n] for r in measured]) for n in ("client", "backend")}
    return replace(
        held[0],
        count=count,
        added_median_ns=average,
        added_p95_ns=average,
        added_max_ns=average,
        client_median_ns=median_low(times["client"]),
        backend_median_ns=median_low(times["backend"]),
        slowest_pair=0,
        sending=Excluded(
            sum(each.sending.pairs for each in held), max(e.sending.longest_ns for e in held)
        ),
        left_out=tuple(sorted(left_out.items())),
    )


def verdict(
    results: Sequence[SliceResult],
) -> tuple[Verdict, tuple[tuple[Kind, tuple[int, ...]], ...]]:
    """What kind of balancer it is, and which slices say what if they do not agree.

    Slices that decide nothing take nothing from those that do. Those that decide must agree.
    """
    by_kind: dict[Kind, list[int]] = defaultdict(list)
    for result in results:
        by_kind[result.report.verdict.kind].append(result.number)
    said = tuple((kind, tuple(numbers)) for kind, numbers in by_kind.items())
    decided = [kind for kind in by_kind if kind in DECIDED]
    against = Kind.UNRELATED in by_kind and bool(decided)
    if len(decided) > 1 or against:
        return (
            Verdict(Kind.AMBIGUOUS, Confidence.LOW, (), (), (), NOT_THE_SAME, "", tuple(decided)),
            said,
        )
    kind = decided[0] if decided else max(by_kind, key=lambda k: len(by_kind[k]))
    held = [r.report.verdict for r in results if r.report.verdict.kind is kind]
    best = max(held, key=lambda v: (v.confidence, len(v.witnesses)))
    return best, said if len(by_kind) > 1 else ()
