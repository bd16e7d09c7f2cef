"""Each fact is what a walk over connections, exchanges and findings counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given

from lbtrace import behaviour, verdict
from lbtrace.behaviour._seen import number
from lbtrace.comparison import Comparison
from lbtrace.correlate import correlate
from lbtrace.findings import all_findings
from lbtrace.model.behaviour import Behaviour, Fact
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, Correlation, Unpaired, UnpairedReason
from lbtrace.model.report import Finding, Kind, Verdict
from lbtrace.options import DEFAULT
from tests.laws import examples
from tests.simulator.random_simulations import random_simulation
from tests.simulator.scenarios import SCENARIOS
from tests.verdict.recorded import comparisons

UNTOLD = (UnpairedReason.UNKNOWN, UnpairedReason.OUTSIDE_OTHER_CAPTURE)


def told(comparison: Comparison) -> tuple[Behaviour, tuple[Finding, ...]]:
    found = all_findings(comparison)
    return behaviour.behaviour(comparison, found, verdict.judge(comparison)), found


def of_scenario(name: str) -> tuple[Comparison, Behaviour, tuple[Finding, ...]]:
    recorded = SCENARIOS[name]().run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    comparison = Comparison(recorded.clients, recorded.backends, found)
    return comparison, *told(comparison)


def shares(fact: Fact | None) -> dict[str, tuple[int, int]]:
    assert fact is not None
    return {share.name: (share.count, share.of) for share in fact.shares}


def walk(comparison: Comparison, facts: Behaviour, found: tuple[Finding, ...]) -> None:
    """Hold every fact that is counted against a count of its own."""
    pairs = list(comparison.pairs)
    servers = Counter(str(p.backend_connection.server) for p in pairs)
    fact = facts.fact("distribution.backends")
    assert fact is not None
    assert fact.value == (len(servers) or None)
    assert shares(fact) == {name: (n, len(pairs)) for name, n in servers.items()}
    for side in Side:
        counts = comparison.counts(side)
        fact = facts.fact(f"connections.{side.value}.requests")
        assert fact is not None
        carried = counts.requests, counts.http_connections
        assert shares(fact) == ({"per-connection": carried} if carried[1] else {})
        several = "several" if carried[0] > carried[1] else "one each"
        assert fact.value == (several if carried[1] else None)
        checks = {
            (check.point, e) for check in comparison.correlation.health_checks
            for e in check.exchanges
        } if side is Side.BACKEND else set()  # fmt: skip
        versions = Counter(
            e.request.version
            for trace in comparison.traces(side)
            for e in trace.exchanges
            if e.request is not None and (trace.point, e.id) not in checks
        )
        fact = facts.fact(f"protocol.{side.value}")
        if versions:
            total = versions.total()
            assert shares(fact) == {name: (n, total) for name, n in versions.items()}
    of = comparison.client_counts.requests
    for name, slug in (
        ("errors.balancer", "errors.balancer"),
        ("errors.backend", "errors.backend"),
        ("errors.open", "errors.open"),
        ("retries.unsafe", "retries.not-idempotent"),
        ("retries.safe", "retries.repeated"),
    ):
        fact = facts.fact(name)
        assert fact is not None
        counted = [v.value for f in found if f.slug == slug for v in f.values if v.name == "count"]
        assert fact.value == (sum(map(int, counted)) if of else None)
        assert shares(fact) == ({"requests": (fact.value, of)} if of else {})
    correlation = comparison.correlation
    untold = [
        u
        for u in correlation.unpaired
        if u.side == "client" and (u.reason in UNTOLD or u.confidence is Confidence.LOW)
    ]
    unsure = [p for p in correlation.pairs if p.confidence is Confidence.LOW]
    fact = facts.fact("exchanges.explained")
    assert fact is not None
    assert fact.value == (max(of - len(untold) - len(unsure), 0) if of else None)
    if untold or unsure:
        assert not of or fact.shares[0].evidence, "what is open is shown"


@examples(30)
@given(comparisons())
def test_facts_are_what_a_walk_counts(comparison: Comparison) -> None:
    walk(comparison, *told(comparison))


@pytest.mark.parametrize("seed", range(8))
def test_facts_of_random_simulations_are_what_a_walk_counts(seed: int) -> None:
    recorded = random_simulation(seed, most=60).run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    comparison = Comparison(recorded.clients, recorded.backends, found)
    walk(comparison, *told(comparison))


@pytest.mark.parametrize(
    ("scenario", "fates"),
    [
        ("xff-replaced", {"replace"}),
        ("xff-second-line", {"append"}),
        ("spoofed-xff", {"append", "replace", "keep", "remove"}),
        ("founding-alb", set()),
    ],
)
def test_what_becomes_of_what_a_client_claims(scenario: str, fates: set[str]) -> None:
    _, facts, found = of_scenario(scenario)
    trust = list(facts.under("trust"))
    assert bool(trust) == bool(fates)
    for fact in trust:
        counted = shares(fact)
        assert set(counted) <= fates
        assert {of for _, of in counted.values()} == {sum(n for n, _ in counted.values())}
        assert fact.value == " and ".join(counted)
        assert fact.name == "trust.x-forwarded-for"
        assert fact.evidence == next(f.evidence for f in found if f.slug.startswith("xff-trust."))


@pytest.mark.parametrize(
    ("scenario", "value"),
    [
        ("shared-backend-connection", "yes"),
        ("founding-nlb", "no"),
        ("tcp-proxy", "no"),
        ("named-client", None),  # which of two equal requests is whose is open
        ("two-points-identical", None),  # whose most requests on them are is open
        ("apart", None),
    ],
)
def test_whether_clients_share_a_connection(scenario: str, value: str | None) -> None:
    comparison, facts, _ = of_scenario(scenario)
    fact = facts.fact("connections.backend.shared")
    assert fact is not None
    assert fact.value == value
    pairs = comparison.distinct_pairs
    users: dict[int, set[int]] = {}
    for c, b in zip(pairs.client_connection, pairs.backend_connection, strict=True):
        users.setdefault(int(b), set()).add(int(c))
    if value is not None:
        shared = sum(len(clients) > 1 for clients in users.values())
        assert shares(fact) == {"shared": (shared, len(users))}


@pytest.mark.parametrize(
    ("scenario", "address", "stated"),
    [
        ("founding-alb", "rewritten", "X-Forwarded-For"),
        ("founding-nlb", "kept", "source address"),
        ("founding-nlb-snat", "rewritten", "nowhere"),
        ("proxy-protocol", "rewritten", "PROXY"),
    ],
)
def test_where_a_client_is_stated(scenario: str, address: str, stated: str) -> None:
    _, facts, _ = of_scenario(scenario)
    found = [facts.fact(name) for name in ("source.address", "source.stated-in")]
    assert [f and f.value for f in found] == [address, stated]


def test_health_checks_are_named_with_their_period() -> None:
    for scenario, asked in (("founding-alb", "GET /health"), ("founding-nlb", "TCP")):
        comparison, facts, _ = of_scenario(scenario)
        checks = comparison.correlation.health_checks
        request, period = (facts.fact(f"health-checks.{n}") for n in ("request", "period"))
        if not checks:
            assert request is not None
            assert request.value is None
            continue
        periods = [check.period_ns for check in checks if check.period_ns is not None]
        assert request is not None
        assert period is not None
        assert request.value == asked
        assert (period.value, period.low, period.high) == (
            min(periods), min(periods), max(periods),
        )  # fmt: skip


@pytest.mark.parametrize("periods", [[7], [9, 7], [7, None, 11, 8], [None], [None, None]])
def test_the_period_of_checks_is_from_the_most_frequent_to_the_rarest(
    periods: list[int | None],
) -> None:
    recorded = SCENARIOS["founding-alb"]().run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    (check, *_) = found.health_checks
    checks = tuple(replace(check, period_ns=period) for period in periods)
    found = replace(found, health_checks=checks)
    facts, _ = told(Comparison(recorded.clients, recorded.backends, found))
    fact = facts.fact("health-checks.period")
    assert fact is not None
    known = [period for period in periods if period is not None]
    if not known:
        assert (fact.value, fact.unknown) == (None, "fewer than three checks of a backend")
        return
    assert (fact.value, fact.low, fact.high) == (7, 7, max(known))
    assert fact.seen == f"of {len(periods)} checked backends"


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("confidence", Confidence)
def test_nothing_is_decided_where_the_verdict_is_open_or_not_sure(
    kind: Kind, confidence: Confidence
) -> None:
    comparison, _, _ = of_scenario("founding-alb")
    judged = Verdict(kind, confidence, (), ())
    facts = behaviour.behaviour(comparison, (), judged)
    open_ = {
        Kind.UNRELATED: "the captures do not belong together",
        Kind.INCONCLUSIVE: "the captures do not tell what stands between them",
        Kind.AMBIGUOUS: "the captures contradict each other about what stands between them",
    }
    unsure = "nothing that the captures show is sure" if confidence is Confidence.LOW else ""
    assert facts.undecided == open_.get(kind, unsure)
    fact = facts.fact("balancer.kind")
    assert fact is not None
    assert fact.value == (None if kind in open_ else kind.value)


@pytest.mark.parametrize("reason", UnpairedReason)
@pytest.mark.parametrize("confidence", [Confidence.LOW, Confidence.HIGH])
def test_what_became_of_a_request_is_known_if_it_is_told_and_sure(
    reason: UnpairedReason, confidence: Confidence
) -> None:
    recorded = SCENARIOS["founding-alb"]().run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    first, *others = found.pairs
    lonely = Unpaired("client", first.client, reason, confidence)
    found = replace(found, pairs=tuple(others), unpaired=(lonely,))
    comparison = Comparison(recorded.clients, recorded.backends, found)
    facts = behaviour.behaviour(comparison, (), verdict.judge(comparison))
    fact = facts.fact("exchanges.explained")
    assert fact is not None
    open_ = reason in UNTOLD or confidence is Confidence.LOW
    of = comparison.client_counts.requests
    assert (fact.value, fact.shares[0].of) == (of - open_, of)
    assert bool(fact.shares[0].evidence) == open_


def test_what_a_balancer_adds_is_shown_by_the_packets_of_its_finding() -> None:
    _, facts, found = of_scenario("founding-alb")
    (total,) = (f for f in found if f.slug == "added-latency.total")
    shown = [fact.evidence for fact in facts.under("latency") if fact.value is not None]
    assert shown
    assert set(shown) == {total.evidence}


@pytest.mark.parametrize(("scenario", "spoken"), [("tls-passed-on", "tls"), ("direct", "HTTP/1.1")])
def test_one_frame_shows_which_protocol_is_spoken(scenario: str, spoken: str) -> None:
    _, facts, _ = of_scenario(scenario)
    for side in Side:
        fact = facts.fact(f"protocol.{side.value}")
        assert fact is not None
        assert fact.value == spoken
        assert len([frame for e in fact.evidence for frame in e.frames]) == 1


def test_of_several_captures_of_a_side_one_frame_shows_the_protocol() -> None:
    (trace,) = SCENARIOS["tls-passed-on"]().run().backends
    both = Comparison((), (trace, replace(trace, point=1)), Correlation())
    fact = behaviour.behaviour_of_one_side(both, ()).fact("protocol.backend")
    assert fact is not None
    assert [frame.point for e in fact.evidence for frame in e.frames] == [0]


def test_a_number_that_a_finding_does_not_tell_is_none() -> None:
    _, _, found = of_scenario("founding-alb")
    (total,) = (f for f in found if f.slug == "added-latency.total")
    names = {v.name: v.value for v in total.values}
    assert number(None, "count") == number(total, "no such value") == 0
    for name, value in names.items():
        assert number(total, name) == (value if isinstance(value, int) else 0)


def test_who_closed_first_and_which_errors_is_told_in_words() -> None:
    for scenario in ("founding-alb", "retry-500", "bad-gateway", "fixed-answers"):
        _, facts, found = of_scenario(scenario)
        for side in Side:
            fact = facts.fact(f"connections.{side.value}.closed-first")
            assert fact is not None
            if fact.value is not None:
                every = sum(share.count for share in fact.shares)
                said = [f"the {s.name} {s.count} of {every}" for s in fact.shares if s.count]
                assert fact.seen == ", ".join(said)
        for name in ("errors.balancer", "errors.backend"):
            fact = facts.fact(name)
            assert fact is not None
            statuses = [v.value for f in found if f.slug == name for v in f.values
                        if v.name == "statuses"]  # fmt: skip
            of = fact.shares[0].of
            end = f" ({', '.join(map(str, statuses))})" if statuses else ""
            assert fact.seen == f"{fact.value} of {of} requests{end}"
