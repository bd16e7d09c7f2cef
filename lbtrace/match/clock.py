"""Pairs → δ = client clock − backend clock, as an interval, with drift where the capture is long
enough to show one.

A request passes the client's capture point before the balancer has sent it on, and its answer
passes the backend's before the client's:

    a_c ≤ a_b + δ   request, first byte to first byte
    p_b + δ ≤ p_c   response, first byte to first byte

First bytes are compared with first bytes, because a balancer may forward before it has everything;
last with last holds too and is not tighter than what is used here. Each pair so gives a lower bound
L = a_c − a_b and an upper bound U = p_c − p_b on δ at its own time. The interval is [max L, min U]
over the pairs; with drift, the line must run between the lower and the upper hull of the bounds (S.
B. Moon, P. Skelly, D. Towsley, "Estimation and removal of clock skew from network delay
measurements", INFOCOM 1999; L. Zhang, Z. Liu, C. H. Xia, "Clock synchronization algorithms for
network measurements", INFOCOM 2002: both from convex hulls, in linear time after sorting).

A wrong pair must not empty the interval: the point that lies in most of the intervals [L, U]
decides (Marzullo 1984), pairs that exclude it are outliers, and when those are more than a quarter
there is no estimate. Pairs that agree on one offset up to some moment and on another from there are
no outliers: a clock was set, no one offset is true, and that is what is said. Retransmitted
messages bound nothing. A refused clock says why.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import comb, inf, log2

import numpy as np

from lbtrace.model.pairing import Clock, ClockRefusal, ClockStep, TimesAlone
from lbtrace.tables.columns import distinct, union
from lbtrace.tables.packets import Column

OUTLIERS = 0.25  # more contradicting pairs than this: refused
DRIFT_SPAN_NS = 10_000_000_000  # shorter captures show no drift
SAMPLE = 40  # backend exchanges per set that an offset is tried on
SAMPLED_CLIENTS = 5000
LEAST_SAMPLE = 8  # exchanges of each side: fewer fit under many offsets
LEAST_INSIDE = 0.4  # share of them that must fit
MOST_BITS = 1000.0
SIGNIFICANT = 7.0  # bits: 1 in 128, and the best of all other offsets is the measure
UNSEEN_PPB = 100_000  # 100 ppm, a bad crystal: allowed for where no drift can be fitted
SLOPE_PPB = 1000
STEP_PAIRS = 4  # on either side of a step; fewer may be wrong pairs
# per (client point, backend point)
Clocks = dict[tuple[int, int], Clock]
MAX_DRIFT_PPB = 500_000  # 500 ppm: worse than any crystal in use


@dataclass(slots=True)
class Bounds:
    """What pairs say about δ: at backend time `at`, `low` ≤ δ ≤ `high`; in the order of the client
    capture.
    """

    at: Column
    low: Column
    high: Column
    frame: Column | None = None  # of the backend request
    times_alone: TimesAlone | None = field(default=None, kw_only=True)


def joined(one: Bounds, other: Bounds) -> Bounds:
    """What both say, in order of the backend requests."""
    at = np.concatenate([one.at, other.at])
    order = np.argsort(at, kind="stable")
    low, high = np.concatenate([one.low, other.low]), np.concatenate([one.high, other.high])
    frames = [b.frame for b in (one, other) if b.frame is not None]
    frame = np.concatenate(frames)[order] if len(frames) == 2 else None
    return Bounds(at[order], low[order], high[order], frame)


def estimate(
    client_point: int, backend_point: int, bounds: Bounds, stated_ns: int | None = None
) -> Clock:
    """Bounds → the Clock of a pair of points; refused when there is no evidence or it contradicts
    itself.
    """
    n = len(bounds.at)
    if stated_ns is not None:
        at = int(bounds.at.min()) if n else 0
        return Clock(
            client_point, backend_point, stated_ns, stated_ns, reference_ns=at, pairs=n, stated=True
        )
    if not n:
        return Clock(client_point, backend_point, refused=ClockRefusal.NO_PAIR)
    reference = int(bounds.at.min())
    flat = _interval(bounds)
    span = int(bounds.at.max()) - reference
    if flat.outliers or (span > DRIFT_SPAN_NS and n >= 8):
        drift = _drift(bounds, reference) if span > DRIFT_SPAN_NS and n >= 8 else 0
        if drift:
            turned = Bounds(
                bounds.at,
                *(b - _turn(bounds.at, reference, drift) for b in (bounds.low, bounds.high)),
            )
            sloped = _interval(turned)
            if (sloped.outliers, sloped.low - sloped.high) < (
                flat.outliers,
                flat.low - flat.high,
            ) and _drift_needed(flat, sloped):
                return _clock(client_point, backend_point, sloped, n, reference, drift)
    step = _step(bounds, reference) if flat.outliers else None
    if step is not None:
        return Clock(
            client_point,
            backend_point,
            refused=ClockRefusal.CLOCK_SET,
            pairs=n,
            outliers=flat.outliers,
            step=step,
        )
    if flat.outliers:  # perhaps a drift that so short a capture cannot show
        allowance = min(span, DRIFT_SPAN_NS) // 10_000
        flat = _Interval(flat.low - allowance, flat.high + allowance, flat.outliers)
    elif span <= DRIFT_SPAN_NS:
        reference += span // 2
        flat = _leaning(bounds, flat, reference)
    return _clock(client_point, backend_point, flat, n, reference, 0)


def tightened(known: Clock, found: Clock) -> Clock:
    """A clock that many exchanges bound by their times alone, and what the few pairs say that could
    be told apart under it: both hold. Else what was found.
    """
    low, high = max(known.low_ns, found.low_ns), min(known.high_ns, found.high_ns)
    both_flat = not (known.refused or known.stated or known.drift_ppb or found.drift_ppb)
    if found.pairs >= known.pairs or not both_flat or low > high or found.outliers:
        return found
    return replace(known, low_ns=low, high_ns=high)


def stepped(known: Clock) -> bool:
    """Whether it was refused because a clock was set: then every pair is as good as ever."""
    return known.refused is ClockRefusal.CLOCK_SET


def _step(bounds: Bounds, reference: int) -> ClockStep | None:
    """The step of a clock that was set: all pairs before some moment agree on one interval, all
    from there on another, and the two lie farther apart than they are wide. None when it is not so.
    """
    n = len(bounds.at)
    if n < 2 * STEP_PAIRS:
        return None
    before = np.maximum.accumulate(bounds.low), np.minimum.accumulate(bounds.high)
    after = (
        np.maximum.accumulate(bounds.low[::-1])[::-1],
        np.minimum.accumulate(bounds.high[::-1])[::-1],
    )
    last = (
        int(np.flatnonzero(before[0] <= before[1])[-1]) if before[0][0] <= before[1][0] else -1
    )  # in agreement with all before it
    first = int(np.flatnonzero(after[0] <= after[1])[0]) if after[0][-1] <= after[1][-1] else n
    if not STEP_PAIRS <= first <= last + 1 <= n - STEP_PAIRS:
        return None
    low, high = int(before[0][first - 1]), int(before[1][first - 1])
    new_low, new_high = int(after[0][last + 1]), int(after[1][last + 1])
    apart = max(new_low - high, low - new_high)
    if apart <= (high - low) + (new_high - new_low):
        return None
    by_ns = (new_low + new_high - low - high) // 2
    step = ClockStep(
        by_ns, int(bounds.at[:first].max()) - reference, (low, high), (new_low, new_high)
    )
    if bounds.frame is None:
        return step
    last_frame, first_frame = int(bounds.frame[:first].max()), int(bounds.frame[last + 1 :].min())
    if last_frame >= first_frame:
        return step  # other messages of the two sides passed each other: its place is not known
    return step._replace(last_frame=last_frame, first_frame=first_frame)


def _leaning(bounds: Bounds, flat: _Interval, reference: int) -> _Interval:
    """The interval at the reference when the clocks may drift by UNSEEN_PPB, which so short a
    capture cannot show: that of every slope under which no bound contradicts another.
    """
    if not len(bounds.at):
        return flat
    x = (bounds.at - reference).astype(np.float64)
    base = flat.low
    below = np.array(_hull(x, (bounds.low - base).astype(np.float64), upper=True))
    above = np.array(_hull(x, (bounds.high - base).astype(np.float64), upper=False))
    slopes = np.linspace(-UNSEEN_PPB, UNSEEN_PPB, 2 * UNSEEN_PPB // SLOPE_PPB + 1)[:, None] / 1e9
    left = (below[:, 1] - slopes * below[:, 0]).max(axis=1)
    right = (above[:, 1] - slopes * above[:, 0]).min(axis=1)
    fits = left <= right
    if not fits.any():
        return flat
    between = (
        int(np.abs(x).max() * SLOPE_PPB / 2e9) + 1
    )  # what lies between two slopes that were tried
    low, high = base + int(left[fits].min()) - between, base + int(right[fits].max()) + between
    return _Interval(min(low, flat.low), max(high, flat.high), flat.outliers)


def from_order(sets: list[tuple[Column, Column, Column, Column]], complete: bool) -> Bounds | None:
    """Exchanges that nothing tells apart → bounds on δ from their times alone, without knowing who
    is whose.

    Each set is (client starts, client replies, backend starts, backend replies). When every backend
    exchange of a set lies inside its own client exchange, then so do the sorted times: the k-th
    earliest start on the client side is no later than the k-th on the backend side, and likewise
    for the answers (order statistics keep dominance). So a set with as many of each, completely
    captured, bounds δ. Clocks that drift keep the order: then the k-th of each bound δ at their
    time, and a line fits all of them. Otherwise the offset is looked for under which nearly all
    backend exchanges of a sample lie inside some client exchange, and taken only when no other does
    as well.
    """
    if complete and all(len(a) == len(x) for a, _, x, _ in sets):
        rows = [
            (
                int(x.min()),
                int((np.sort(a) - np.sort(x)).max()),
                int((np.sort(p) - np.sort(y)).min()),
                len(x),
            )
            for a, p, x, y in sets
        ]
        if max(r[1] for r in rows) <= min(r[2] for r in rows):
            times = [r[3] for r in rows]
            return Bounds(
                *(np.repeat(np.array([r[k] for r in rows], np.int64), times) for k in range(3))
            )
        drifting = _drifting(sets)
        if drifting is not None:
            return drifting
    return _search(sets)


def _drifting(sets: list[tuple[Column, Column, Column, Column]]) -> Bounds | None:
    """What the k-th of each say of δ, if a line fits all of it; the sets are complete."""
    columns = [
        (np.sort(x), np.sort(a) - np.sort(x), np.sort(p) - np.sort(y)) for a, p, x, y in sets
    ]
    at, low, high = (np.concatenate(held) for held in zip(*columns, strict=True))
    order = np.argsort(at, kind="stable")
    bounds = Bounds(at[order], low[order], high[order])
    reference = int(at.min())
    if len(at) < LEAST_SAMPLE or int(at.max()) - reference <= DRIFT_SPAN_NS:
        return None
    drift = _drift(bounds, reference)
    turn = _turn(bounds.at, reference, drift)
    fits = (bounds.low - turn).max() <= (bounds.high - turn).min()
    return bounds if drift and fits else None


def _search(sets: list[tuple[Column, Column, Column, Column]]) -> Bounds | None:
    """The offset that puts many of a sample of backend exchanges inside client exchanges, or so
    many client exchanges around backend exchanges; None when that may be chance.

    The best other offset, farther away than the exchanges are wide, shows what chance does. Where
    one side was captured longer than the other, many of its exchanges have no partner at any
    offset; so both sides are asked. Many around a few are no more evidence than those few.
    """
    if min(sum(len(times[side]) for times in sets) for side in (0, 2)) < LEAST_SAMPLE:
        return None
    found = [k for k in (_most(sets, around) for around in (False, True)) if k is not None]
    return max(found, key=lambda k: k.times_alone.bits if k.times_alone else 0.0, default=None)


def _most(sets: list[tuple[Column, Column, Column, Column]], around: bool) -> Bounds | None:
    """The same for a sample of the backend exchanges; with `around`, of the client exchanges."""
    begins: list[Column] = []
    ends: list[Column] = []
    sample, first = 0, 0
    for a, p, x, y in sets:
        sampled, others = (a, x) if around else (x, a)
        picked = distinct(np.linspace(0, len(sampled) - 1, min(len(sampled), SAMPLE)).astype(int))
        order = np.argsort(others)[:SAMPLED_CLIENTS]
        for n in picked.tolist():
            begin, end = (
                union(a[n] - x[order], p[n] - y[order])
                if around
                else union(a[order] - x[n], p[order] - y[n])
            )
            begins.append(begin)
            ends.append(end)
        sample += len(picked)
        first = min(first, int(x.min())) if first else int(x.min())
        if sample >= 4 * SAMPLE:
            break
    if sample < LEAST_SAMPLE:
        return None
    low, high = np.concatenate(begins), np.concatenate(ends)
    if not len(low):
        return None
    edges = np.concatenate([low, high])
    steps = np.concatenate([np.ones(len(low), np.int64), -np.ones(len(high), np.int64)])
    order = np.lexsort((-steps, edges))
    depth, edges = np.cumsum(steps[order]), edges[order]
    best = int(depth.max())
    # Near the true offset others do nearly as well, and one may do better, with others' exchanges
    # among them: whatever has half as many there counts. In a crowd half fit at every offset; then
    # what has more than any offset elsewhere.
    width = 2 * int(np.median(high - low))
    near = np.abs(edges - int(edges[int(depth.argmax())])) <= width
    elsewhere = int(depth[~near].max(initial=0))
    left = right = 0
    for least in ((best + 1) // 2, min(elsewhere + 1, best)):
        there = np.flatnonzero(near & (depth >= least))
        left, right = int(edges[there[0]]), int(edges[min(int(there[-1]) + 1, len(edges) - 1)])
        if right - left <= width:
            break
    if right - left > width or best < LEAST_INSIDE * sample:
        return None
    bits = significance(best, elsewhere, sample)
    if bits < SIGNIFICANT:
        return None
    other = int(edges[int(np.where(near, -1, depth).argmax())]) if elsewhere else None
    alone = TimesAlone(sample, best, elsewhere, other, min(bits, MOST_BITS))
    at, low_ns, high_ns = (np.full(best, v, np.int64) for v in (first, left, right))
    return Bounds(at, low_ns, high_ns, times_alone=alone)


def significance(inside: int, elsewhere: int, sample: int) -> float:
    """How improbable it is, in bits, that so many of a sample lie inside at one offset, where each
    does with the probability that the best other offset shows: the tail of the binomial
    distribution.
    """
    each = (elsewhere + 1) / (sample + 1)
    tail = sum(
        comb(sample, k) * each**k * (1 - each) ** (sample - k) for k in range(inside, sample + 1)
    )
    return -log2(tail) if tail > 0 else inf


def span_of(clock: Clock, at: Column) -> tuple[Column, Column]:
    """The interval for δ at backend times."""
    turn = _turn(at, clock.reference_ns, clock.drift_ppb)
    return clock.low_ns + turn, clock.high_ns + turn


def spans_of(clock: Clock, at: Column, frame: Column) -> tuple[Column, Column]:
    """The interval for δ at backend times, of requests with these frames: a clock that was set in
    between is two clocks.
    """
    if clock.step is None or not clock.refused:
        return span_of(clock, at)
    before, since = clock.step.before_ns, clock.step.since_ns
    low = np.full(len(at), min(before[0], since[0]), np.int64)
    high = np.full(len(at), max(before[1], since[1]), np.int64)
    for which, (least, most) in (
        (frame <= clock.step.last_frame, before),
        (frame >= clock.step.first_frame, since),
    ):
        low[which], high[which] = least, most
    return low, high


def usable(clock: Clock) -> bool:
    """Whether it says something of times: an offset, or two of them and which holds when."""
    return not clock.refused or (clock.step is not None and clock.step.first_frame > 0)


@dataclass(slots=True)
class Common:
    """How to bring every point on one clock: per client point what to add to its earliest and
    latest times (None: unknown), per backend point its Clock to that of the common time (None:
    unknown).
    """

    clients: list[tuple[int, int] | None]
    backends: list[Clock | None]


def common(clocks: dict[tuple[int, int], Clock], client_points: int, backend_points: int) -> Common:
    """The clocks of pairs of points → the clock of the client point that most backend points are
    known by, and what leads to it.
    """
    useful = {points: k for points, k in clocks.items() if usable(k)}
    known = {points: k for points, k in useful.items() if not k.refused}
    base = max(range(client_points), key=lambda i: sum(k[0] == i for k in useful), default=0)
    shared: list[tuple[int, int] | None] = []
    for i in range(client_points):
        apart = [
            (
                known[base, j].low_ns - known[i, j].high_ns,
                known[base, j].high_ns - known[i, j].low_ns,
            )
            for j in range(backend_points)
            if (base, j) in known and (i, j) in known
        ]
        low, high = max((s[0] for s in apart), default=0), min((s[1] for s in apart), default=0)
        shared.append((0, 0) if i == base else (min(low, high), max(low, high)) if apart else None)
    return Common(
        shared if useful else [None] * client_points,
        [useful.get((base, j)) for j in range(backend_points)],
    )


def _turn(at: Column, reference: int, drift_ppb: int) -> Column:
    return ((at - reference).astype(np.float64) * (drift_ppb / 1e9)).astype(np.int64)


@dataclass(slots=True)
class _Interval:
    low: int
    high: int
    outliers: int


def _interval(bounds: Bounds) -> _Interval:
    """The region that lies inside most of the intervals [low, high] (Marzullo's intersection)."""
    good = bounds.low <= bounds.high
    low, high = bounds.low[good], bounds.high[good]
    contradictions = int((~good).sum())
    if not len(low):
        return _Interval(int(bounds.low.max()), int(bounds.high.min()), len(bounds.low))
    if low.max() <= high.min():
        return _Interval(int(low.max()), int(high.min()), contradictions)
    edges = np.concatenate([low, high])
    steps = np.concatenate([np.ones(len(low), np.int64), -np.ones(len(high), np.int64)])
    order = np.lexsort((-steps, edges))
    depth = np.cumsum(steps[order])
    best = int(np.argmax(depth))
    left = int(edges[order][best])
    right = int(high[high >= left].min())
    return _Interval(left, right, contradictions + len(low) - int(depth[best]))


def _drift(bounds: Bounds, reference: int) -> int:
    """ppb: the middle of the slopes a line between the hull of the lower and the hull of the upper
    bounds can have; 0 when no line fits.
    """
    x = (bounds.at - reference).astype(np.float64)
    base = float(np.median(bounds.low))
    low, high = _hull(x, bounds.low - base, upper=True), _hull(x, bounds.high - base, upper=False)
    steepest, flattest = float("inf"), float("-inf")
    for lx, ly in low:
        for hx, hy in high:
            if hx > lx:
                steepest = min(steepest, (hy - ly) / (hx - lx))
            elif hx < lx:
                flattest = max(flattest, (ly - hy) / (lx - hx))
    if not (np.isfinite(steepest) and np.isfinite(flattest)) or flattest > steepest:
        return 0
    middle = int((steepest + flattest) / 2 * 1e9)
    return middle if abs(middle) <= MAX_DRIFT_PPB else 0


def _hull(x: Column, y: Column, upper: bool) -> list[tuple[float, float]]:
    """The upper (lower) convex hull of points (Andrew's monotone chain); at most 400 corners of it
    are kept.
    """
    sign = 1.0 if upper else -1.0
    order = np.lexsort((-sign * y, x))
    x, y = x[order], y[order]
    alone = np.concatenate([np.ones(min(len(x), 1), bool), x[1:] != x[:-1]])
    corners: list[tuple[float, float]] = []
    for px, py in zip(
        *(column.tolist() for column in _outer(x[alone], y[alone], sign)), strict=True
    ):
        while len(corners) >= 2 and sign * _turns(corners[-2], corners[-1], (px, py)) >= 0:
            corners.pop()
        corners.append((px, py))
    return corners if len(corners) <= 400 else corners[:: len(corners) // 400 + 1] + corners[-1:]


def _outer(x: Column, y: Column, sign: float) -> tuple[Column, Column]:
    """Points in order of x without most of those inside the hull: who lies under the line between
    two others is none of its corners, so all that lie under the line between their neighbours go at
    once, as long as that is many.
    """
    while len(x) > 2:
        inside = (
            sign * ((x[1:-1] - x[:-2]) * (y[2:] - y[:-2]) - (y[1:-1] - y[:-2]) * (x[2:] - x[:-2]))
            >= 0
        )
        kept = np.concatenate([[True], ~inside, [True]])
        x, y = x[kept], y[kept]
        if 8 * int(inside.sum()) < len(inside):
            break
    return x, y


def _turns(o: tuple[float, float], a: tuple[float, float], b: tuple[float, float]) -> float:
    return (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0])


def _drift_needed(flat: _Interval, sloped: _Interval) -> bool:
    """A slope is only claimed when no constant offset fits nearly as well: a constant is the
    simpler explanation.
    """
    return flat.outliers > sloped.outliers


def _clock(
    client_point: int, backend_point: int, interval: _Interval, n: int, reference: int, drift: int
) -> Clock:
    if interval.outliers > OUTLIERS * n:
        return Clock(
            client_point,
            backend_point,
            refused=ClockRefusal.CONTRADICTED,
            pairs=n,
            outliers=interval.outliers,
        )
    return Clock(
        client_point,
        backend_point,
        interval.low,
        interval.high,
        drift,
        reference,
        n - interval.outliers,
        interval.outliers,
    )
