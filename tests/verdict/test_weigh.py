"""Observations → a kind: the table is complete, scores decide, and doubts lower the confidence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.comparison import Comparison
from lbtrace.model.pairing import Confidence, ConnectionBasis, ConnectionPair, Correlation, Ref
from lbtrace.model.report import Kind
from lbtrace.verdict.weigh import (
    ABOUT_BYTES,
    BYTES_UNSEEN,
    KINDS,
    TABLE,
    Judgement,
    Observation,
    Strength,
    weigh,
)
from tests.laws import examples
from tests.simulator import Balancer, Simulation

Key = tuple[str, str]
KEYS = sorted(key for key, weight in TABLE.items() if weight.strength)  # those that decide


def comparison(*confidences: Confidence) -> Comparison:
    """Two captures whose connections were paired with these confidences."""
    simulation = Simulation(seed=7, balancer=Balancer(keep_alive=False))
    laptop = simulation.client("192.168.0.5")
    for n in range(max(len(confidences), 1)):
        laptop.asks("GET", f"/{n}", at_ms=60 * n)
    recorded = simulation.run()
    pairs = tuple(
        ConnectionPair(Ref(0, n), Ref(0, n), ConnectionBasis.TIME, confidence)
        for n, confidence in enumerate(confidences)
    )
    return Comparison(recorded.clients, recorded.backends, Correlation(connection_pairs=pairs))


CERTAIN = comparison(Confidence.CERTAIN)
OTHERS = [(sure, comparison(sure)) for sure in (Confidence.MEDIUM, Confidence.HIGH)]


def weighed(*keys: Key, pairs: Comparison = CERTAIN) -> Judgement:
    return weigh(pairs, [Observation(*key, "", (), ()) for key in keys])


def test_each_weight_supports_a_kind_and_none_that_it_opposes() -> None:
    for weight in TABLE.values():
        assert weight.speaks_for
        assert not set(weight.speaks_for) & set(weight.speaks_against)
        assert set(weight.speaks_for) | set(weight.speaks_against) <= set(KINDS)
        assert not weight.because.endswith(".")
        assert not weight.needs_http or weight.speaks_for == (Kind.L7_PROXY,)


def test_without_an_observation_nothing_is_decided() -> None:
    assert weighed()[:2] == (Kind.INCONCLUSIVE, Confidence.LOW)


@given(st.sets(st.sampled_from(KEYS), min_size=1))
@examples(100)
def test_a_kind_that_a_decisive_observation_opposes_never_wins(keys: set[Key]) -> None:
    judged = weighed(*sorted(keys))
    for key in keys:
        if TABLE[key].strength is Strength.DECISIVE:
            assert judged.kind not in TABLE[key].speaks_against
    assert judged.kind in (Kind.AMBIGUOUS, *KINDS)
    assert judged.reason.endswith(".")


@given(st.sets(st.sampled_from(KEYS), min_size=1))
@examples(100)
def test_an_ambiguous_judgement_names_the_kinds_that_some_observation_supports(
    keys: set[Key],
) -> None:
    judged = weighed(*sorted(keys))
    supported = {kind for key in keys for kind in TABLE[key].speaks_for}
    if judged.reason == BYTES_UNSEEN:
        assert judged.candidates == (Kind.L4_PROXY, Kind.L7_PROXY)
        assert not {name for name, _ in keys} & set(ABOUT_BYTES)
        return
    assert set(judged.candidates) <= supported
    assert bool(judged.candidates) == (judged.kind is Kind.AMBIGUOUS)
    if judged.reason.startswith("What was seen fits"):
        named = [kind.value in judged.reason for kind in judged.candidates]
        assert len(named) >= 2
        assert all(named[:2])
    elif judged.kind is Kind.AMBIGUOUS:
        assert set(judged.candidates) == supported


@given(st.permutations(KEYS), st.integers(1, 5))
@examples(100)
def test_the_order_of_observations_decides_nothing(keys: list[Key], count: int) -> None:
    some = keys[:count]
    assert weighed(*some)[:2] == weighed(*reversed(some))[:2]


@given(st.sets(st.sampled_from(KEYS), min_size=1))
@examples(100)
def test_the_kind_is_no_surer_than_the_pairs(keys: set[Key]) -> None:
    sure = weighed(*sorted(keys))
    for confidence, pairs in OTHERS:
        judged = weighed(*sorted(keys), pairs=pairs)
        assert judged == sure._replace(confidence=min(sure.confidence, confidence))


@pytest.mark.parametrize(
    ("confidences", "most"),
    [
        ((Confidence.CERTAIN, Confidence.MEDIUM), Confidence.CERTAIN),
        ((Confidence.MEDIUM, Confidence.HIGH), Confidence.HIGH),
        ((Confidence.LOW,), Confidence.MEDIUM),  # such a pair is no knowledge
        ((), Confidence.MEDIUM),
    ],
)
def test_the_surest_pair_counts(confidences: tuple[Confidence, ...], most: Confidence) -> None:
    changed = ("head-differences", "changed")
    assert weighed(changed, pairs=comparison(*confidences)).confidence is most


@pytest.mark.parametrize(
    ("keys", "kind", "confidence"),
    [
        # DIRECT and L4_PASSTHROUGH both get 100, DIRECT another 10: exactly STRONG
        ([("isn", "same"), ("addresses", "same")], Kind.DIRECT, Confidence.HIGH),
        # 100 + 14 against 100 + 10: exactly MODERATE
        (
            [("isn", "same"), ("addresses", "same"), ("direct-return", "detour")],
            Kind.L4_PASSTHROUGH,
            Confidence.MEDIUM,
        ),
        # 100 + 10 against 100 + 10
        (
            [("isn", "same"), ("addresses", "same"), ("direct-return", "asymmetric")],
            Kind.AMBIGUOUS,
            Confidence.LOW,
        ),
        # 10 - 4 against 4: what speaks against a kind is taken from it
        ([("addresses", "same"), ("syn-options", "different")], Kind.AMBIGUOUS, Confidence.LOW),
        # 100 each
        ([("isn", "same")], Kind.AMBIGUOUS, Confidence.LOW),
        # one kind is left, by 200: two DECISIVE ones support it
        ([("isn", "same"), ("addresses", "rewritten")], Kind.L4_PASSTHROUGH, Confidence.CERTAIN),
        # one kind is left, by exactly 100
        ([("head-differences", "changed")], Kind.L7_PROXY, Confidence.CERTAIN),
        # a margin of 10, but a MODERATE observation opposes it
        (
            [("isn", "same"), ("addresses", "same"), ("syn-options", "different")],
            Kind.DIRECT,
            Confidence.MEDIUM,
        ),
        # L7_PROXY alone, by 1: a WEAK one
        ([("own-answers", "some")], Kind.L7_PROXY, Confidence.LOW),
        # L4_PROXY alone, by 4, of whose bytes nothing was seen: proxies that read HTTP do it too
        ([("proxy-header", "added")], Kind.AMBIGUOUS, Confidence.LOW),
        ([("isn", "different"), ("proxy-header", "added")], Kind.AMBIGUOUS, Confidence.LOW),
        # and with bytes: 10 + 4 for L4_PROXY, 10 for L4_PASSTHROUGH
        ([("proxy-header", "added"), ("byte-streams", "same")], Kind.L4_PROXY, Confidence.MEDIUM),
        ([("isn", "same"), ("head-differences", "changed")], Kind.AMBIGUOUS, Confidence.LOW),
    ],
)
def test_the_margin_decides(keys: list[Key], kind: Kind, confidence: Confidence) -> None:
    assert weighed(*keys)[:2] == (kind, confidence)


def test_observations_that_rule_out_everything_are_named() -> None:
    judged = weighed(("isn", "same"), ("head-differences", "changed"), ("own-answers", "some"))
    assert judged.reason == "The observations contradict each other: head-differences, isn."


def test_two_kinds_that_are_level_are_named() -> None:
    assert weighed(("isn", "same")).reason == "What was seen fits direct as well as l4-passthrough."


def test_the_reason_names_the_two_strongest() -> None:
    judged = weighed(
        ("own-answers", "some"), ("head-differences", "changed"), ("connection-mapping", "shared")
    )
    assert judged.reason == (
        "Start lines or header fields are changed; requests that share a connection on one side "
        "come over several on the other: both need a proxy that reads HTTP."
    )


def test_the_reason_says_what_needs_http() -> None:
    judged = weighed(("head-differences", "changed"), ("tls", "removed"))
    assert judged.reason == (
        "Start lines or header fields are changed, which needs a proxy that reads HTTP; "
        "TLS ends at the balancer."
    )
    judged = weighed(("own-answers", "some"))
    assert judged.reason == "The balancer answered some requests itself, so it reads HTTP."


def test_of_equally_strong_ones_those_for_the_fewest_kinds_come_first() -> None:
    judged = weighed(("tls", "removed"), ("connection-mapping", "shared"))
    assert judged.reason.startswith("Requests that share a connection")
    judged = weighed(
        ("own-answers", "some"), ("isn", "different"), ("forwarding-fields", "state-https")
    )
    assert judged.reason.startswith("Requests state that the client used https")


def test_a_direct_connection_may_hide_a_balancer() -> None:
    judged = weighed(("isn", "same"), ("addresses", "same"))
    assert judged.reason.endswith("A balancer that hands packets on unchanged would look the same.")


def test_an_observation_is_shown_with_what_it_supports() -> None:
    observation = Observation("isn", "same", "As {it} is.", (), ())
    witness = observation.witness()
    assert (witness.name, witness.statement) == ("isn", "As {it} is.")
    assert witness.speaks_for == TABLE["isn", "same"].speaks_for
    assert witness.speaks_against == TABLE["isn", "same"].speaks_against
    assert replace(observation, variant="different").weight is TABLE["isn", "different"]


def test_very_strong_is_more_than_strong_by_a_moderate_margin() -> None:
    assert Strength.VERY_STRONG - Strength.STRONG == Strength.MODERATE
    assert sorted(Strength) == list(Strength)
