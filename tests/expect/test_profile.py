"""Profiles of known balancers as expectations."""

from __future__ import annotations

import pytest

from lbtrace.errors import OptionError
from lbtrace.expect import judge_profile, result
from lbtrace.model.behaviour import Behaviour, Fact
from lbtrace.model.expectation import Fulfilment
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.report import Evidence
from lbtrace.profiles import SEEN_IN_PAIRS, profiles
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


@pytest.mark.parametrize("pairs", [1, 3])
def test_each_rule_is_an_outcome_with_its_number_and_says_where_it_was_not_seen(pairs: int) -> None:
    """Of what is seen in pairs it says in how many; of what one message shows it does not."""
    (alb,) = (profile for profile in profiles() if profile.id == "aws-alb")
    places = dict.fromkeys(rule.place for rule in alb.rules)
    facts = [Fact("balancer.kind", "l7-proxy", "seen"), Fact("habits", pairs, "", "count")]
    facts += [Fact(f"habits.{place}", 1, "", "count", values=("x",)) for place in places]
    shown = {
        direction: (Evidence((FrameRef(Side.CLIENT, 0, 0, number, 0),), direction),)
        for number, direction in enumerate(("request", "response"), 1)
    }
    facts += [Fact(f"{name}.headers", "complete", "", evidence=e) for name, e in shown.items()]
    outcomes = judge_profile("aws-alb", Behaviour(tuple(facts), pairs))
    rules = {f"profile.aws-alb.rule-{n}": rule for n, rule in enumerate(alb.rules, 1)}
    assert [o.key for o in outcomes[1:]] == [key for key, rule in rules.items() if rule.weight]
    musts = [o for o in outcomes[1:] if rules[o.key].role == "must"]
    assert musts
    some = f" in any of {pairs} pair{'s' if pairs > 1 else ''} of exchanges"
    for outcome in musts:
        in_pairs = rules[outcome.key].place in SEEN_IN_PAIRS
        assert outcome.seen == f"not seen{some if in_pairs else ''}"
        of_response = rules[outcome.key].place.startswith("response")
        assert outcome.evidence == shown["response" if of_response else "request"]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ((), "not known"),
        ((Fact("balancer.kind", None, "", unknown="too few packets"),), "too few packets"),
    ],
)
def test_without_a_kind_no_rule_is_judged(facts: tuple[Fact, ...], reason: str) -> None:
    (outcome,) = judge_profile("aws-alb", Behaviour(facts, 3))
    assert (outcome.answer, outcome.reason) == (Fulfilment.INCONCLUSIVE, reason)
