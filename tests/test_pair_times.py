"""What was added to each pair is what the report sums up."""

from __future__ import annotations

from statistics import median_low

import pytest

from lbtrace.pair_times import pair_times
from tests.behaviour.samples import report_of, samples


@pytest.mark.parametrize("name", samples())
def test_the_pairs_add_up_to_the_latency_of_the_report(name: str) -> None:
    report = report_of(name)
    latency, times = report.latency, pair_times(report)
    if latency is None or latency.average:
        assert times == {}
        return
    added = [each.added_ns for each in times.values()]
    assert len(added) == latency.count
    assert (median_low(added), max(added)) == (latency.added_median_ns, latency.added_max_ns)
    assert times[latency.slowest_pair].added_ns == latency.added_max_ns
    ways = [each.ways_ns for each in times.values() if each.ways_ns is not None]
    widths = [each.half_width_ns for each in times.values() if each.half_width_ns is not None]
    assert len(ways) == len(widths)
    if ways:
        medians = median_low([there for there, _ in ways]), median_low([back for _, back in ways])
        assert medians == (latency.forward_median_ns, latency.return_median_ns)
        assert max(widths) == latency.half_width_ns
    else:
        assert latency.half_width_ns is None


@pytest.mark.parametrize("name", samples())
def test_both_ways_add_up_to_what_was_added(name: str) -> None:
    for each in pair_times(report_of(name)).values():
        assert each.ways_ns is None or sum(each.ways_ns) == max(each.added_ns, 0)
