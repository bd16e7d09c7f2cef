"""The time that balancer and network add to an exchange, with the error of a sample.

Another recording of the same balancer has other exchanges, so its median is another one. `low` and
`high` enclose the quantile of all its exchanges with 95 % confidence: they are the order statistics
n·q ± 1.96·√(n·q·(1−q)) of the sample (David and Nagaraja, Order Statistics, §7.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor, sqrt

import numpy as np

from lbtrace.behaviour import _seen
from lbtrace.behaviour._seen import Seen
from lbtrace.model.behaviour import Fact
from lbtrace.model.report import MIN_PERCENTILE_PAIRS, Latency
from lbtrace.tables.columns import Column

ORDER = 8
Z = 1.96  # 95 % of a normal distribution lie within so many standard deviations


def facts(seen: Seen) -> Iterator[Fact]:
    """`latency.added-median`, `latency.added-p95`, `latency.added-max`, in ns.

    They need no common clock: each is the client's time minus the backend's, per pair.
    """
    measured = seen.comparison.latency
    if measured is None:
        for name in ("median", "p95", "max"):
            yield _seen.unknown(f"latency.added-{name}", "no pair tells how long it took", "ns")
        return
    added = np.sort(seen.comparison.added)
    yield _fact(seen, measured, "median", measured.added_median_ns, _within(added, 0.5))
    if measured.average:
        why = "the pairs are interchangeable: only their average is known"
        yield _seen.unknown("latency.added-p95", why, "ns")
        yield _seen.unknown("latency.added-max", why, "ns")
        return
    if measured.has_percentile:
        yield _fact(seen, measured, "p95", measured.added_p95_ns, _within(added, 0.95))
    else:
        why = f"{measured.count} pairs; a percentile needs {MIN_PERCENTILE_PAIRS}"
        yield _seen.unknown("latency.added-p95", why, "ns")
    largest = measured.added_max_ns
    yield _fact(seen, measured, "max", largest, (largest, largest))


def _fact(seen: Seen, measured: Latency, name: str, value: int, within: tuple[int, int]) -> Fact:
    shown = seen.first("added-latency.total")
    return Fact(
        f"latency.added-{name}",
        value,
        f"over {measured.count} pairs",
        "ns",
        low=min(within[0], value),
        high=max(within[1], value),
        evidence=() if shown is None else shown.evidence,
    )


def _within(added: Column, quantile: float) -> tuple[int, int]:
    """The values of an ascending column between which a quantile lies."""
    count = len(added)
    middle, spread = count * quantile, Z * sqrt(count * quantile * (1 - quantile))
    low, high = floor(middle - spread), ceil(middle + spread)
    return int(added[max(low, 0)]), int(added[min(high, count - 1)])
