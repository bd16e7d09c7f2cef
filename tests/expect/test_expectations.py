"""Every expectation: a sample on which it holds, one on which it fails, one that tells not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lbtrace.expect import (
    _modules,
    idle_limits,
    judge,
    judge_baseline,
    judge_profile,
    read,
    standard,
)
from lbtrace.model.behaviour import Behaviour, Fact, Share
from lbtrace.model.expectation import Fulfilment
from tests.behaviour.samples import behaviour_of, samples
from tests.expect.files import judgement, outcomes
from tests.render.check.hostile import EVIDENCE

HOLDS, FAILED, OPEN = Fulfilment.HOLDS, Fulfilment.FAILED, Fulfilment.INCONCLUSIVE
# key, value, sample it holds on, sample it fails on, sample that does not tell ("" for a recording
# of which nothing is known)
CASES = [
    ("balancer.kind", '"l7-proxy"', "alb-like", "nlb-like", ""),
    ("balancer.looks_like", '"aws-alb"', "alb-like", "nginx", "nlb-like"),
    ("source.address", '"rewritten"', "alb-like", "nlb-like", ""),
    ("source.stated_in", '"X-Forwarded-For"', "alb-like", "nlb-like", ""),
    ("request.headers.X-Forwarded-For", '"client-address"', "alb-like", "nlb-like", "haproxy-tls"),
    ("request.headers.X-Forwarded-Proto", '"client-protocol"', "nginx", "nlb-like", "haproxy-tls"),
    (
        "request.headers.X-Request-Id",
        "{ present = true, unique = true }",
        "nginx-race",
        "alb-like",
        "",
    ),
    ("request.headers.Host", '"unchanged"', "nlb-like", "alb-like", "haproxy-tls"),
    ("request.headers.Host", '"replaced"', "alb-like", "nlb-like", "haproxy-tls"),
    ("request.headers.X-Forwarded-For", '"absent"', "nlb-like", "alb-like", "haproxy-tls"),
    ("request.headers.User-Agent", '"present"', "alb-like", "", "haproxy-tls"),
    ("request.headers.X-Nothing", '"unchanged"', "", "", "alb-like"),
    ("request.headers.X-Amzn-Trace-Id", '"added"', "alb-like", "nlb-like", ""),
    ("response.headers.Server", '"replaced"', "nginx", "alb-like", "haproxy-tls"),
    ("response.headers.Server", '{ equals = "nginx/1.22.1" }', "nginx", "alb-like", ""),
    ("protocol.client", '"HTTP/1.1"', "alb-like", "haproxy-tls", ""),
    ("protocol.backend", '"HTTP/1.1"', "alb-like", "", ""),
    ("reuse.requests_per_backend_connection", '">= 3"', "alb-like", "nlb-like", ""),
    ("reuse.requests_per_client_connection", "1", "alb-like", "nginx", "haproxy-tls"),
    ("errors.made_by_balancer", "0", "alb-like", "nginx-timeout", "haproxy-tls"),
    ("errors.made_by_backend", "0", "alb-like", "", "haproxy-tls"),
    ("errors.duplicate_unsafe_requests", "0", "nginx-race", "", "haproxy-tls"),
    ("health_checks.request", '"GET /health"', "alb-like", "nlb-like", "direct"),
    ("health_checks.period", '"<= 15s"', "alb-like", "", "direct"),
    ("health_checks.period", '"<= 1s"', "", "alb-like", "direct"),
    ("latency.added_median", '"<= 5ms"', "alb-like", "", "haproxy-tls"),
    ("latency.added_median", '"<= 1us"', "", "alb-like", "haproxy-tls"),
    ("latency.added_p95", '"<= 50ms"', "", "", "alb-like"),
    ("latency.added_max", '"<= 1ms"', "nlb-like", "alb-like", "haproxy-tls"),
    ("distribution.backends", "1", "alb-like", "", "haproxy-tls"),
    ("distribution.largest_share", '"<= 60%"', "", "alb-like", "haproxy-tls"),
    ("latency.added_p95", '"<= 5ms"', "sample of 40", "", ""),
    ("latency.added_p95", '"<= 1us"', "", "sample of 40", ""),
    ("protocol.backend", '"HTTP/1.0"', "", "alb-like", ""),
    ("errors.made_by_backend", '">= 1"', "", "alb-like", ""),
    ("errors.duplicate_unsafe_requests", '">= 1"', "", "nginx-race", ""),
    ("distribution.backends", "2", "", "alb-like", ""),
    ("distribution.largest_share", '"<= 100%"', "alb-like", "", "haproxy-tls"),
    ("trust.client_sent_forwarded", '["append", "keep"]', "haproxy", "", "alb-like"),
    ("trust.client_sent_forwarded", '"replace"', "", "haproxy", "alb-like"),
    ("idle_limits.backends", '"<= 2s"', "nginx-race", "", "alb-like"),
    ("idle_limits.backends", '">= 2s"', "", "nginx-race", "nginx"),
    *(
        (f"idle_limits.{key}", bound, *wanted, "nginx")
        for key in (
            "clients",
            "balancer_to_clients",
            "balancer_to_backends",
            "forgotten_in_front",
            "forgotten_behind",
        )
        for bound, wanted in (
            ('">= 60s"', ("idle for 65 s", "")),
            ('">= 70s"', ("", "idle for 65 s")),
        )
    ),
    ("findings.fail_on", '"high"', "alb-like", "nginx-race", ""),
]


def _behaviour(sample: str) -> Behaviour:
    if sample in MADE:
        return Behaviour(MADE[sample], 40)
    return behaviour_of(sample) if sample else Behaviour(undecided="nothing was captured")


# no sample lasts a minute, or has the twenty exchanges that a percentile needs; that such facts are
# found is tested in test_idle_limits.py and in tests/behaviour
MADE = {
    "sample of 40": (
        Fact("latency.added-p95", 3 * 10**6, "", "ns", low=2 * 10**6, high=4 * 10**6,
             evidence=EVIDENCE),
    ),
    "idle for 65 s": tuple(
        Fact(name, 65 * 10**9, "", "ns", low=65 * 10**9, high=66 * 10**9, evidence=EVIDENCE)
        for name in idle_limits.FACTS.values()
    ),
}  # fmt: skip


@pytest.mark.parametrize(("key", "value", "holds", "fails", "tells_nothing"), CASES)
def test_an_expectation_holds_fails_and_is_open(
    key: str, value: str, holds: str, fails: str, tells_nothing: str
) -> None:
    if holds:
        assert judgement(key, value, _behaviour(holds)) is HOLDS, holds
    if fails:
        assert judgement(key, value, _behaviour(fails)) is FAILED, fails
    assert judgement(key, value, _behaviour(tells_nothing)) is OPEN, tells_nothing


def test_every_key_has_a_sample_that_holds_one_that_fails_and_one_that_does_not_tell() -> None:
    for module in set(_modules().values()):
        for known in module.KEYS:
            begin = known.removesuffix("*")
            cases = [
                c for c in CASES if c[0] == known or (begin != known and c[0].startswith(begin))
            ]
            for column, answer in ((2, HOLDS), (3, FAILED)):
                assert any(case[column] for case in cases), (known, answer)
            assert cases, known


@pytest.mark.parametrize("sample", samples())
def test_what_failed_shows_its_packets(sample: str) -> None:
    behaviour = behaviour_of(sample)
    for key, value, *_ in CASES:
        table, _, name = key.rpartition(".")
        for outcome in outcomes(f"[{table}]\n{name} = {value}\n", behaviour):
            if outcome.answer is FAILED:
                assert outcome.evidence, (sample, key)
            if outcome.answer is OPEN:
                assert outcome.reason, (sample, key)


def test_nothing_is_judged_when_the_captures_do_not_belong_together() -> None:
    behaviour = Behaviour(behaviour_of("alb-like").facts, 4, "the captures do not belong together")
    for key, value, *_ in CASES:
        assert judgement(key, value, behaviour) is OPEN


def test_a_warning_is_reported_and_never_fails() -> None:
    text = '[balancer]\nlooks_like = { value = "nginx", warn = true }\n'
    (outcome,) = outcomes(text, behaviour_of("alb-like"))
    assert outcome.answer is FAILED
    assert not outcome.fails


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(1, 4, HOLDS), (6, 9, FAILED), (4, 6, OPEN), (5, 5, HOLDS)]
)
def test_a_time_is_judged_only_outside_its_error(low: int, high: int, expected: Fulfilment) -> None:
    fact = Fact("latency.added-p95", low * 10**6, "", "ns", low=low * 10**6, high=high * 10**6)
    assert judgement("latency.added_p95", '"<= 5ms"', Behaviour((fact,), 20)) is expected


@pytest.mark.parametrize(
    ("wanted", "expected"), [('"<= 5ms"', OPEN), ('"<= 9ms"', HOLDS), ('">= 1ms"', OPEN)]
)
def test_a_time_that_may_be_nothing_at_all_is_open(wanted: str, expected: Fulfilment) -> None:
    fact = Fact("latency.added-p95", 6_000_000, "", "ns", low=0, high=9_000_000)
    assert judgement("latency.added_p95", wanted, Behaviour((fact,), 20)) is expected


@pytest.mark.parametrize(
    ("fates", "wanted", "expected"),
    [
        ({"replace": 3}, '"replace"', HOLDS),
        ({"replace": 3, "append": 1}, '"replace"', FAILED),
        ({"replace": 3, "append": 1}, '["replace", "append"]', HOLDS),
        ({}, '"replace"', OPEN),
    ],
)
def test_what_a_client_claims_itself(
    fates: dict[str, int], wanted: str, expected: Fulfilment
) -> None:
    shares = tuple(Share(fate, count, sum(fates.values())) for fate, count in fates.items())
    facts = (Fact("trust.x-forwarded-for", "x", "", shares=shares),) if fates else ()
    assert judgement("trust.client_sent_forwarded", wanted, Behaviour(facts, 4)) is expected


def test_absence_of_errors_needs_to_know_what_became_of_every_request() -> None:
    facts = {fact.name: fact for fact in behaviour_of("alb-like").facts}
    explained = facts["exchanges.explained"]
    share = explained.shares[0]
    open_ = replace(explained, value=3, shares=(replace(share, count=3),))
    behaviour = Behaviour(tuple({**facts, "exchanges.explained": open_}.values()), 4)
    assert judgement("errors.made_by_balancer", "0", behaviour) is OPEN
    assert judgement("errors.made_by_balancer", '"<= 1"', behaviour) is HOLDS


def test_the_line_of_the_key_is_known() -> None:
    found = outcomes('\n[balancer]\n\nkind = "l7-proxy"\n', behaviour_of("alb-like"))
    assert [outcome.place.line for outcome in found] == [4]


def test_reading_needs_no_judging(tmp_path: Path) -> None:
    path = tmp_path / "lb.toml"
    path.write_text('[balancer]\nkind = "l7-proxy"\n', "utf-8")
    assert len(judge(read(str(path)), behaviour_of("alb-like"))) == 1


@pytest.mark.parametrize("profile", [None, "nginx"])
@pytest.mark.parametrize("baseline", [None, "nginx", "alb-like"])
def test_a_check_is_all_that_is_given_in_one(
    tmp_path: Path, profile: str | None, baseline: str | None
) -> None:
    """The file, then the profile, then the baseline."""
    path = tmp_path / "lb.toml"
    path.write_text('[balancer]\nkind = "l7-proxy"\n', "utf-8")
    behaviour = behaviour_of("nginx")
    before = None if baseline is None else behaviour_of(baseline)
    asked = standard(str(path), profile, before)
    found = [outcome.key for outcome in asked.check(behaviour).outcomes]
    expected = ["balancer.kind"]
    if profile is not None:
        expected += [outcome.key for outcome in judge_profile(profile, behaviour)]
    if before is not None:
        expected += [outcome.key for outcome in judge_baseline(before, behaviour)]
    assert found == expected
    assert asked.check(behaviour, behaviour.exchanges).exit_code == (baseline == "alb-like")
    assert asked.check(behaviour, behaviour.exchanges + 1).exit_code == 3
