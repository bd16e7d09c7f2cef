"""Every rule holds what its example says, and no balancer is taken for another."""

from __future__ import annotations

import pytest

from lbtrace.model.report import Kind, ProfileMatch
from lbtrace.profiles import CERTAINTIES, PLACES, ROLES, Observed, Profile, Rule, profiles, rank
from lbtrace.verdict.traits import TRAITS

RULES = [(p, r) for p in profiles() for r in p.rules]
# a line that is added is also a line that is written
ALSO = {"request-added": ("request-written",), "response-added": ("response-written",)}
# a balancer that is another one with more habits: without those it is the other one
BASE = {"nginx-legacy": "nginx", "ingress-nginx": "nginx"}
DISTINCTIVE = [p for p in profiles() if any(r.distinctive for r in p.rules if r.role != "never")]


def label(value: object) -> str:
    return value.id if isinstance(value, Profile) else value.text if isinstance(value, Rule) else ""


def seen(profile: Profile, rules: list[Rule] | None = None) -> Observed:
    """What traffic through this balancer shows: the example of every rule that speaks for it."""
    lines: dict[str, list[str]] = {}
    for rule in rules if rules is not None else profile.rules:
        if rule.role != "never" and rule.certainty != "unsure":
            for place in (rule.place, *ALSO.get(rule.place, ())):
                lines.setdefault(place, []).append(rule.example)
    return Observed(profile.kinds[0], 10, {place: tuple(texts) for place, texts in lines.items()})


def named(observed: Observed) -> list[str]:
    return [m.id for m in rank(observed) if m.named]


@pytest.mark.parametrize("profile", profiles(), ids=label)
def test_a_profile_is_complete(profile: Profile) -> None:
    assert profile.name
    assert profile.summary
    assert profile.rules
    assert all(kind in set(Kind) for kind in profile.kinds)
    assert all(source.startswith(("https://", "http://")) for source in profile.sources)
    assert profile.sources


@pytest.mark.parametrize(("profile", "rule"), RULES, ids=label)
def test_a_rule_matches_its_example_and_not_what_is_unlike(profile: Profile, rule: Rule) -> None:
    assert rule.place in PLACES
    assert rule.role in ROLES
    assert rule.certainty in CERTAINTIES
    assert rule.text
    assert rule.pattern.fullmatch(rule.example)
    assert not (rule.unlike and rule.pattern.fullmatch(rule.unlike))
    if rule.place == "trait":
        assert any(rule.pattern.fullmatch(trait) for trait in TRAITS)


@pytest.mark.parametrize("profile", DISTINCTIVE, ids=label)
def test_what_a_balancer_shows_names_it(profile: Profile) -> None:
    assert named(seen(profile)) == [profile.id]


@pytest.mark.parametrize("profile", DISTINCTIVE, ids=label)
def test_one_distinctive_habit_never_names_another(profile: Profile) -> None:
    """Each habit alone: the profile it belongs to, or nobody."""
    for rule in profile.rules:
        if rule.role != "never":
            assert named(seen(profile, [rule])) in ([], [profile.id], [BASE.get(profile.id)])


@pytest.mark.parametrize("profile", [p for p in profiles() if p not in DISTINCTIVE], ids=label)
def test_without_a_distinctive_habit_nobody_is_named(profile: Profile) -> None:
    assert named(seen(profile)) == []


def test_unsure_facts_never_decide() -> None:
    unsure = [(p, r) for p, r in RULES if r.certainty == "unsure"]
    assert unsure
    assert all(r.weight == 0 for _, r in unsure)


def test_a_packet_nat_is_never_named() -> None:
    lines = {
        "trait": ("destination: rewritten", "source: preserved"),
        "health-check": ("User-Agent: ELB-HealthChecker/2.0",),
    }
    matches: tuple[ProfileMatch, ...] = rank(Observed("l4-passthrough", 10, lines))
    assert {"aws-nlb-tcp", "ipvs-nat", "kube-proxy-local"} <= {m.id for m in matches}
    assert not any(m.named for m in matches)


def test_a_contradiction_unnames() -> None:
    alb = next(p for p in profiles() if p.id == "aws-alb")
    observed = seen(alb)
    lines = dict(observed.lines)
    lines["request-added"] = (*lines["request-added"], "Via: 1.1 somebody")
    matches = rank(Observed(observed.kind, observed.pairs, lines))
    assert not any(m.named for m in matches)
    assert any(m.contradicted for m in matches if m.id == "aws-alb")


def test_what_is_normal_for_the_balancer_is_counted() -> None:
    alb = next(p for p in profiles() if p.id == "aws-alb")
    (match, *_) = rank(seen(alb))
    assert match.score == 100
    assert match.forgiven > 0


def test_nothing_seen_fits_nobody() -> None:
    assert rank(Observed("l7-proxy", 10)) == ()
