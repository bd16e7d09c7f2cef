"""Pairs → Latency. A time on one capture minus a time on the other never appears without the clock's half-width."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median_low

import numpy as np

from lbtrace.case import Case, Match
from lbtrace.model.http import Exchange, Mark
from lbtrace.model.pairing import Clock, Correlation
from lbtrace.model.report import Latency
from lbtrace.model.trace import Trace
from lbtrace.side_table import bits_of

# a retransmitted segment measures the loss on the path, a cut or guessed message measures nothing
NO_TIME = bits_of(
    (
        Mark.RETRANSMITTED,
        Mark.RESYNCED,
        Mark.LOST,
        Mark.RESET,
        Mark.CAPTURE_ENDED,
        Mark.HEAD_TRUNCATED,
        Mark.PAIRED_BY_ORDER,
        Mark.PIPELINED,
    )
)


def latency(clients: Sequence[Trace], backends: Sequence[Trace], correlation: Correlation, case: Case | None = None) -> Latency | None:
    """What the balancer added, or None when no pair tells.

    Total times run from the first byte of the request to the last byte of the response at the same capture point, so their difference needs
    no common clock. Medians and percentiles are values that occurred (low median, nearest rank).
    """
    return latency_of(case or Case(clients, backends, correlation))


def latency_of(case: Case, timed: Sequence[Match] | None = None) -> Latency | None:
    """`latency` for a Case; `timed` are its measurable pairs, when they are at hand."""
    timed = measurable(case) if timed is None else timed
    if not timed:
        return None
    if timed[0].pair.group is not None:
        return _of_sets(case, timed)
    totals = [total_ns(m.front) for m in timed]
    backend_totals = [total_ns(m.back) for m in timed]
    added = sorted([(total - behind, m.place) for total, behind, m in zip(totals, backend_totals, timed, strict=True)])
    differences = [a for a, _ in added]
    forward: list[int] = []
    back: list[int] = []
    widths: set[int] = set()
    clocks: dict[tuple[int, int], Clock | None] = {}
    for m in timed:
        points = (m.pair.client.point, m.backend.point)
        if points not in clocks:
            clocks[points] = case.clock(*points)
        clock = clocks[points]
        if clock is None:
            continue
        start, end = span_ns(m.front)
        back_start, back_end = span_ns(m.back)
        added_ns = max(end - start - (back_end - back_start), 0)
        there = min(max(back_start + clock.delta_ns(back_start) - start, 0), added_ns)  # no way takes less than nothing, nor more than both
        forward.append(there)
        back.append(added_ns - there)
        widths.add(clock.half_width_ns)
    return Latency(
        count=len(timed),
        added_median_ns=median_low(differences),
        added_p95_ns=differences[rank_index(len(differences), 95)],
        added_max_ns=differences[-1],
        client_median_ns=median_low(totals),
        backend_median_ns=median_low(backend_totals),
        forward_median_ns=median_low(forward) if forward else None,
        return_median_ns=median_low(back) if back else None,
        half_width_ns=max(widths) if widths else None,
        slowest_pair=added[-1][1],
    )


def _of_sets(case: Case, timed: Sequence[Match]) -> Latency:
    """Pairs that may be each other's: their differences mean nothing one by one, but their average does, whoever is whose."""
    totals, behind = [total_ns(m.front) for m in timed], [total_ns(m.back) for m in timed]
    average = (sum(totals) - sum(behind)) // len(timed)
    slowest = max(timed, key=lambda m: total_ns(m.front))
    return Latency(
        count=len(timed),
        added_median_ns=average,
        added_p95_ns=average,
        added_max_ns=average,
        client_median_ns=median_low(totals),
        backend_median_ns=median_low(behind),
        forward_median_ns=None,
        return_median_ns=None,
        half_width_ns=None,
        slowest_pair=slowest.place,
        average=True,
    )


def measurable(case: Case) -> list[Match]:
    """The pairs whose times can be compared: answered at the first attempt, whole, nothing sent twice, no clock set back meanwhile;
    those that stand alone, if there are any."""
    timed = np.ones(len(case.matches), bool)
    for table, rows in zip(case.sides, case.rows, strict=True):
        q, r = table.requests, table.responses
        forward = r.last_ns >= q.first_ns
        timed &= (q.there & r.there & r.complete & forward & (((table.marks | q.marks | r.marks) & NO_TIME) == 0))[rows]
    found = map(case.matches.__getitem__, np.flatnonzero(timed).tolist())
    whole = [m for m in found if m.answered and len(m.pair.attempts) == 1]
    return [m for m in whole if m.pair.group is None] or whole


def span_ns(exchange: Exchange) -> tuple[int, int]:
    """First byte of the request, last byte of the response. Both are there in a measurable pair."""
    assert exchange.request is not None
    assert exchange.response is not None
    return exchange.request.first_ns, exchange.response.last_ns


def total_ns(exchange: Exchange) -> int:
    """From the first byte of the request to the last byte of the response."""
    assert exchange.request is not None
    assert exchange.response is not None
    return exchange.response.last_ns - exchange.request.first_ns


def rank_index(count: int, percent: int) -> int:
    """The index of the nearest-rank percentile among `count` sorted values."""
    return max(0, -(-count * percent // 100) - 1)
