"""The error of a sample: what encloses the time that a balancer adds to all its exchanges."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace import behaviour, verdict
from lbtrace.behaviour.latency import _within
from lbtrace.comparison import Comparison
from lbtrace.correlate import correlate
from lbtrace.model.behaviour import Fact
from lbtrace.options import DEFAULT
from tests.comparison.test_latency import slow
from tests.laws import examples
from tests.simulator import Simulation
from tests.simulator.scenarios import SCENARIOS


def facts(simulation: Simulation) -> dict[str, Fact]:
    """What is told of the time that the balancer adds."""
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    comparison = Comparison(recorded.clients, recorded.backends, found)
    told = behaviour.behaviour(comparison, (), verdict.judge(comparison))
    return {f.name.removeprefix("latency."): f for f in told.under("latency")}


@given(upload_ms=st.integers(1, 3000), streams=st.booleans())
@examples(12)
def test_what_a_client_spends_on_sending_is_no_error_of_the_balancers(
    upload_ms: int, streams: bool
) -> None:
    assert facts(slow(upload_ms, streams)) == facts(slow(0))


@given(st.integers(30, 300), st.sampled_from([0.5, 0.95]))
def test_the_interval_encloses_the_quantile_in_19_of_20_samples(
    count: int, quantile: float
) -> None:
    """Exactly: the quantile lies between two values of the sample when so many values are smaller,
    and how many are is binomial (David and Nagaraja, §7.1).
    """
    low, high = _within(np.arange(count), quantile)
    assert 0 <= low <= count * quantile <= high < count or high == count - 1
    each = [comb(count, k) * quantile**k * (1 - quantile) ** (count - k) for k in range(count + 1)]
    last = high if high < count - 1 else count  # beyond the largest value lies anything
    assert 0.93 <= sum(each[low + (low > 0) : last + 1]) <= 0.999
    narrower = sum(each[low + 2 : last - 1])
    assert narrower < 0.95 or high == count - 1, "no wider than it must be"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_values_enclose_nothing_narrower_than_themselves(count: int) -> None:
    assert _within(np.arange(count), 0.5) == (0, count - 1)


def test_without_a_pair_nothing_is_known() -> None:
    for fact in facts(SCENARIOS["apart"]()).values():
        assert (fact.value, fact.unit) == (None, "ns")
        assert fact.unknown == "no pair tells how long it took"


def test_of_interchangeable_pairs_only_the_average_is_known() -> None:
    told = facts(SCENARIOS["mirrored-all-alike"]()) | facts(SCENARIOS["named-client"]())
    assert isinstance(told["added-median"].value, int)
    for name in ("added-p95", "added-max"):
        assert told[name].value is None
        assert "interchangeable" in told[name].unknown


def test_a_percentile_needs_twenty_pairs() -> None:
    few, many = facts(SCENARIOS["founding-alb"]()), facts(SCENARIOS["founding-nlb"]())
    for told in (few, many):
        assert told["added-p95"].value is None
        assert told["added-p95"].unknown == "4 pairs; a percentile needs 20"
    told = facts(SCENARIOS["polling-client"]())
    assert isinstance(told["added-p95"].value, int)
    assert told["added-p95"].value <= int(told["added-max"].value or 0)
