"""Profiles of known balancers as expectations."""

from __future__ import annotations

import pytest

from lbtrace.errors import OptionError
from lbtrace.expect import judge_profile, result
from lbtrace.model.behaviour import Behaviour
from lbtrace.model.expectation import Fulfilment
from lbtrace.profiles import profiles
from tests.behaviour.samples import behaviour_of


def _exit_code(profile: str, sample: str) -> int:
    behaviour = behaviour_of(sample)
    return result(judge_profile(profile, behaviour), behaviour).exit_code


@pytest.mark.parametrize(
    ("profile", "sample", "code"),
    [
        ("aws-alb", "alb-like", 0),
        ("aws-nlb", "alb-like", 1),
        ("aws-nlb", "nlb-like", 0),
        ("aws-nlb-tcp", "nlb-like", 0),
        ("aws-alb", "nlb-like", 1),
        ("nginx", "nginx", 0),
        ("haproxy", "haproxy", 0),
        ("varnish", "varnish", 0),
        ("squid", "squid", 0),
        ("envoy", "envoy", 0),
        ("envoy", "nginx", 1),
    ],
)
def test_a_balancer_behaves_as_its_own_profile_and_not_as_another(
    profile: str, sample: str, code: int
) -> None:
    assert _exit_code(profile, sample) == code


def test_a_rule_without_occasion_is_listed_and_not_judged() -> None:
    outcomes = judge_profile("aws-alb", behaviour_of("alb-like"))
    idle = [o for o in outcomes if o.without_occasion]
    assert any("stickiness" in o.expected for o in idle)
    assert all(o.answer is Fulfilment.INCONCLUSIVE and not o.fails for o in idle)


def test_a_failure_shows_packets() -> None:
    for outcome in judge_profile("aws-alb", behaviour_of("nginx")):
        if outcome.answer is Fulfilment.FAILED:
            assert outcome.evidence, outcome.expected


@pytest.mark.parametrize("profile", [p.id for p in profiles()])
def test_nothing_is_judged_without_a_balancer(profile: str) -> None:
    behaviour = Behaviour(undecided="the captures do not belong together")
    outcomes = judge_profile(profile, behaviour)
    assert {o.answer for o in outcomes} == {Fulfilment.INCONCLUSIVE}
    assert result(outcomes, behaviour).exit_code == 3


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(OptionError, match=r'Did you mean "aws-alb"\?'):
        judge_profile("aws-alp", Behaviour())
