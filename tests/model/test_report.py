"""What a finished Report says without counting again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.model.pairing import Clock
from lbtrace.model.report import MIN_PERCENTILE_PAIRS, Latency
from lbtrace.model.trace import PacketCounts
from tests.render import founding

LATENCY = Latency(20, 3, 3, 3, 8, 5, 30, 40, 29, 0)


def test_a_ratio_is_never_made_of_nothing() -> None:
    counts = founding.report().client_counts
    assert replace(counts, syns=2, requests=8).ratio == (2, 8)
    assert replace(counts, syns=0).ratio is None
    assert replace(counts, requests=0).ratio is None


@pytest.mark.parametrize(
    ("count", "average", "has"),
    [
        (MIN_PERCENTILE_PAIRS, False, True),
        (MIN_PERCENTILE_PAIRS - 1, False, False),
        (MIN_PERCENTILE_PAIRS, True, False),
    ],
)
def test_a_percentile_needs_pairs(count: int, average: bool, has: bool) -> None:
    assert replace(LATENCY, count=count, average=average).has_percentile is has


@pytest.mark.parametrize(
    ("forward", "back", "half_width", "tells"),
    [(30, 40, 29, True), (30, 40, 30, False), (40, 30, 29, True), (40, 30, 31, False)],
)
def test_the_ways_are_told_apart_when_both_exceed_the_error(
    forward: int, back: int, half_width: int, tells: bool
) -> None:
    latency = replace(
        LATENCY, forward_median_ns=forward, return_median_ns=back, half_width_ns=half_width
    )
    assert latency.ways_ns == (forward, back, half_width)
    assert latency.tells_ways_apart is tells


@pytest.mark.parametrize("name", ["forward_median_ns", "return_median_ns", "half_width_ns"])
def test_without_a_clock_there_are_no_ways(name: str) -> None:
    latency = replace(LATENCY, **{name: None})  # type: ignore[arg-type]
    assert (latency.ways_ns, latency.tells_ways_apart) == (None, False)


def test_the_window_is_that_of_the_captures_in_front() -> None:
    report = founding.report()
    (client,), (backend,) = report.clients, report.backends
    assert report.window_ns == (client.first_ns, client.last_ns)
    earlier = replace(client, first_ns=client.first_ns - 5)
    assert replace(report, clients=(client, earlier)).window_ns == (
        client.first_ns - 5,
        client.last_ns,
    )
    nothing = replace(client, packets=PacketCounts(0, 0))
    assert replace(report, clients=(nothing,)).window_ns == (backend.first_ns, backend.last_ns)
    silent = replace(backend, packets=PacketCounts(0, 0))
    assert replace(report, clients=(nothing,), backends=(silent,)).window_ns == (0, 0)


def test_the_middle_of_a_clock_lies_between_its_ends() -> None:
    assert Clock(0, 0, -3, 8).middle_ns == 2
    assert Clock(0, 0, -8, 3).middle_ns == -3
    assert Clock(0, 0, 10, 20, drift_ppb=1_000, reference_ns=5).delta_ns(5_000_005) == 15 + 5
