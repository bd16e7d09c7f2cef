"""This run against a good one: new findings and changed behaviour fail, nothing else."""

from __future__ import annotations

import pytest

from lbtrace.expect import judge_baseline
from lbtrace.model.behaviour import Behaviour, Fact
from lbtrace.model.expectation import Fulfilment
from tests.behaviour.samples import behaviour_of, samples


@pytest.mark.parametrize("sample", samples())
def test_a_run_behaves_as_itself(sample: str) -> None:
    (outcome,) = judge_baseline(behaviour_of(sample), behaviour_of(sample))
    assert outcome.answer is Fulfilment.HOLDS


def test_what_changed_is_named() -> None:
    found = judge_baseline(behaviour_of("nginx"), behaviour_of("nginx-race"))
    keys = {outcome.key for outcome in found}
    assert "baseline.findings.keep-alive-race.backend" in keys
    assert all(outcome.fails for outcome in found)


def test_a_finding_that_is_gone_or_milder_is_no_failure() -> None:
    bad, mild = (Behaviour((Fact("findings.x", level, ""),), 1) for level in ("high", "low"))
    for now in (mild, Behaviour((), 1)):
        (outcome,) = judge_baseline(bad, now)
        assert outcome.answer is Fulfilment.HOLDS
    (outcome,) = judge_baseline(mild, bad)
    assert outcome.fails


def test_a_baseline_that_decides_nothing_is_inconclusive() -> None:
    unknown = Behaviour(undecided="the captures do not belong together")
    for before, now in ((unknown, behaviour_of("nginx")), (behaviour_of("nginx"), unknown)):
        (outcome,) = judge_baseline(before, now)
        assert outcome.answer is Fulfilment.INCONCLUSIVE
