"""Report → what the balancer added to each pair that was measured, and of that the way to the
backend and the way back.

It is what `Report.latency` sums up, by the same rules. Interchangeable pairs are not here: their
times mean something only all together.
"""

from __future__ import annotations

from typing import NamedTuple

from lbtrace.comparison import Comparison
from lbtrace.comparison.latency import NO_CLOCK
from lbtrace.model.report import Report


class PairTimes(NamedTuple):
    """Nanoseconds. `ways_ns` are (to the backend, back), each known to ± `half_width_ns`; both None
    without a clock.
    """

    added_ns: int
    ways_ns: tuple[int, int] | None
    half_width_ns: int | None


def pair_times(report: Report) -> dict[int, PairTimes]:
    """By the place of the pair in `Correlation.pairs`."""
    if report.latency is None or report.latency.average:
        return {}
    compared = Comparison(report.clients, report.backends, report.correlation)
    forward, back, width = (column.tolist() for column in compared.ways)
    columns = compared.timed.place.tolist(), compared.added.tolist(), forward, back, width
    return {
        place: PairTimes(added, (there, here), error)
        if error != NO_CLOCK
        else PairTimes(added, None, None)
        for place, added, there, here, error in zip(*columns, strict=True)
    }
