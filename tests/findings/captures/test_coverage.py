"""What the counts are about: no request is passed over in silence."""

from __future__ import annotations

import re

import pytest

from lbtrace.comparison import Comparison
from tests.findings.simulated import ALB, four, judge_simulation, values
from tests.simulator.scenarios import SCENARIOS


@pytest.mark.parametrize(
    "name", ["refusals", "cache", "bad-gateway", "retry-identical", "crowd-8", "mirrored"]
)
def test_paired_and_left_add_up(name: str) -> None:
    judged = judge_simulation(SCENARIOS[name]())
    recorded = judged.recorded
    comparison = Comparison(recorded.clients, recorded.backends, judged.correlation)
    requests = comparison.client_counts.requests
    found = judged.of("coverage")
    if len(comparison.pairs) == requests:
        assert found == []
        return
    got = values(found[0])
    assert int(got["paired"]) + int(got["left"]) == got["of"] == requests
    assert int(got["paired"]) == len(comparison.pairs)
    named = re.findall(r"×(\d+)", str(got["reasons"]))
    assert sum(map(int, named)) == got["left"]


def test_the_reason_is_named() -> None:
    got = values(judge_simulation(SCENARIOS["refusals"]()).one("coverage"))
    assert "answered by the balancer itself" in str(got["reasons"])


def test_where_every_request_has_a_partner_nothing_is_said() -> None:
    assert not judge_simulation(four(ALB)).of("coverage")
