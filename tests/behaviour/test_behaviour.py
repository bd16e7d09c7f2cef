"""What the samples' balancers do, as facts; and what holds of facts of any recording."""

from __future__ import annotations

import pytest

from lbtrace.model.behaviour import Fact
from tests.behaviour.samples import behaviour_of, report_of, samples


def _value(sample: str, name: str) -> object:
    fact = behaviour_of(sample).fact(name)
    assert fact is not None
    return fact.value


def _shares(sample: str, name: str) -> dict[str, tuple[int, int]]:
    fact = behaviour_of(sample).fact(name)
    assert fact is not None
    return {share.name: (share.count, share.of) for share in fact.shares}


@pytest.mark.parametrize("sample", samples())
def test_what_is_unknown_says_why_and_every_share_has_cases(sample: str) -> None:
    for fact in behaviour_of(sample).facts:
        assert (fact.value is None) == bool(fact.unknown), fact.name
        for share in fact.shares:
            assert share.of > 0, (fact.name, share)
            assert share.count <= share.of or share.name == "per-connection", (fact.name, share)
        if fact.low is not None and fact.high is not None and isinstance(fact.value, int):
            assert fact.low <= fact.value <= fact.high


@pytest.mark.parametrize("sample", samples())
def test_a_name_is_given_once_and_a_finding_is_a_fact(sample: str) -> None:
    behaviour, report = behaviour_of(sample), report_of(sample)
    names = [fact.name for fact in behaviour.facts]
    assert len(names) == len(set(names))
    told = {finding.slug for finding in report.findings if finding.severity.rank}
    assert {f"findings.{slug}" for slug in told} == {n for n in names if n.startswith("findings.")}


def test_an_alb_adds_forwarding_fields_and_shares_a_connection() -> None:
    assert _value("alb-like", "balancer.kind") == "l7-proxy"
    assert _value("alb-like", "balancer.looks-like") == "aws-alb"
    assert _value("alb-like", "source.address") == "rewritten"
    assert _value("alb-like", "source.stated-in") == "X-Forwarded-For"
    assert _value("alb-like", "request.headers.x-amzn-trace-id") == "added, fresh"
    assert _value("alb-like", "request.headers.user-agent") == "unchanged"
    assert _shares("alb-like", "request.headers.x-forwarded-for") == {
        "present": (4, 4),
        "sent": (0, 4),
        "added": (4, 4),
        "statement": (4, 4),
        "unique": (1, 4),
    }
    assert _shares("alb-like", "connections.backend.requests") == {"per-connection": (4, 1)}
    assert _value("alb-like", "connections.backend.shared") == "yes"
    assert _value("alb-like", "health-checks.request") == "GET /health"


def test_an_nlb_passes_everything_on() -> None:
    assert _value("nlb-like", "balancer.kind") == "l4-passthrough"
    assert _value("nlb-like", "source.address") == "kept"
    assert behaviour_of("nlb-like").fact("request.headers.x-forwarded-for") is None
    assert _value("nlb-like", "request.headers.host") == "unchanged"
    assert _shares("nlb-like", "connections.backend.requests") == {"per-connection": (4, 4)}
    assert _value("nlb-like", "connections.backend.shared") == "no"
    assert _value("nlb-like", "health-checks.request") == "TCP"


def test_what_was_sent_twice_is_counted_with_its_packets() -> None:
    fact = behaviour_of("nginx-race").fact("retries.safe")
    assert fact is not None
    assert fact.value == 1
    assert fact.evidence
    assert _value("nginx-race", "retries.unsafe") == 0


def test_the_median_lies_between_order_statistics_of_the_sample() -> None:
    fact = behaviour_of("nginx").fact("latency.added-median")
    assert fact is not None
    assert fact.low is not None
    assert fact.high is not None
    assert isinstance(fact.value, int)
    assert fact.low < fact.value < fact.high


def test_a_fact_without_a_share_of_that_name_has_none() -> None:
    assert Fact("x", 1, "").share("y") is None


@pytest.mark.parametrize("sample", samples())
def test_what_a_field_states_is_told_of_that_field_and_of_no_other(sample: str) -> None:
    """What was found true or wrong of X-Forwarded-For says nothing of X-Forwarded-Proto."""
    found = [
        {value.name: value.value for value in finding.values} | {"slug": finding.slug}
        for finding in report_of(sample).findings
        if finding.slug in ("forwarded-fields.right", "forwarded-fields.wrong")
    ]
    told = {
        fact.name.rpartition(".")[2]: [s for s in fact.shares if s.name == "statement"]
        for fact in behaviour_of(sample).under("request.headers")
    }
    for name, shares in told.items():
        mine = [values for values in found if str(values["field"]).lower() == name]
        assert [(share.of, share.example) for share in shares] == [
            (values["of"], values["value"]) for values in mine
        ]
