"""Numbers that are expected, held against every number that what was seen allows."""

from __future__ import annotations

from fractions import Fraction
from operator import eq, ge, gt, le, lt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.expect import observed
from lbtrace.model.behaviour import Behaviour, Fact, Share
from lbtrace.model.expectation import Fulfilment
from lbtrace.model.report import Severity
from tests.expect.files import judgement, outcomes

HOLDS, FAILED, OPEN = Fulfilment.HOLDS, Fulfilment.FAILED, Fulfilment.INCONCLUSIVE
SIGNS = {">=": ge, "<=": le, ">": gt, "<": lt, "==": eq}
SIGN = st.sampled_from(sorted(SIGNS))
SMALL = st.integers(0, 6)


def answer(sign: str, limit: float | Fraction, possible: list[int] | list[Fraction]) -> Fulfilment:
    """Holds for all that is possible, or for none, or is open."""
    fine = {SIGNS[sign](n, limit) for n in possible}
    return OPEN if len(fine) == 2 else HOLDS if fine == {True} else FAILED


@given(SIGN, st.integers(1, 6), SMALL, SMALL, SMALL)
def test_how_many_requests_went_wrong(
    sign: str, limit: int, seen: int, unexplained: int, maker_open: int
) -> None:
    """Each request that is not explained may be one more, and each error whose maker is open."""
    known = Share("requests", 20 - unexplained, 20)
    facts = Behaviour(
        (
            Fact("exchanges.explained", 20 - unexplained, "", "count", (known,)),
            Fact("errors.open", maker_open, "", "count"),
            *(
                Fact(name, seen, f"{seen} seen", "count")
                for name in ("errors.balancer", "errors.backend", "retries.unsafe")
            ),
        ),
        20,
    )
    wanted = f'"{sign} {limit}"'
    most = seen + max(unexplained, maker_open)
    for key in ("errors.made_by_balancer", "errors.made_by_backend"):
        assert judgement(key, wanted, facts) is answer(sign, limit, list(range(seen, most + 1)))
    possible = list(range(seen, seen + unexplained + 1))
    key = "errors.duplicate_unsafe_requests"
    assert judgement(key, wanted, facts) is answer(sign, limit, possible)


@given(st.integers(0, 3), SMALL, SMALL)
def test_only_what_certainly_did_not_happen_is_pinned(
    seen: int, unexplained: int, maker_open: int
) -> None:
    known = Share("requests", 20 - unexplained, 20)
    facts = Behaviour(
        (
            Fact("exchanges.explained", 20 - unexplained, "", "count", (known,)),
            Fact("errors.open", maker_open, "", "count"),
            Fact("errors.balancer", seen, "", "count"),
            Fact("retries.unsafe", seen, "", "count"),
        ),
        20,
    )
    pinned = {key for key, value, _ in observed(facts) if value == 0}
    assert ("errors.made_by_balancer" in pinned) == (not seen + unexplained + maker_open)
    assert ("errors.duplicate_unsafe_requests" in pinned) == (not seen + unexplained)


@given(SIGN, st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))
def test_requests_of_a_connection_are_a_mean(
    sign: str, limit: int, requests: int, connections: int
) -> None:
    for side in ("client", "backend"):
        share = Share("per-connection", requests, connections)
        fact = Fact(f"connections.{side}.requests", "x", "", shares=(share,))
        mean = Fraction(requests, connections)
        key = f"reuse.requests_per_{side}_connection"
        facts = Behaviour((fact,), 9)
        assert judgement(key, f'"{sign} {limit}"', facts) is answer(sign, limit, [mean])
        assert judgement(key, f'"{sign} {limit}"', Behaviour((), 9)) is OPEN
        pinned = {k: v for k, v, _ in observed(facts)}
        if side == "backend":
            value = 1 if mean == 1 else "> 1" if mean > 1 else "< 1"
            assert pinned == {key: value} | PASSES
            assert judgement(key, repr(value).replace("'", '"'), facts) is HOLDS


PASSES = {"findings.fail_on": "low"}


@given(SIGN, st.integers(1, 99), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_the_busiest_backend_is_the_one_with_most_requests(
    sign: str, percent: int, requests: list[int]
) -> None:
    total = sum(requests)
    shares = tuple(Share(f"10.0.0.{n}:80", count, total) for n, count in enumerate(requests))
    fact = Fact("distribution.backends", len(requests), "", "count", shares)
    facts = Behaviour((fact,), total)
    most = Fraction(max(requests), total)
    wanted = f'"{sign} {percent}%"'
    found = judgement("distribution.largest_share", wanted, facts)
    assert found is answer(sign, Fraction(percent, 100), [most])
    found = judgement("distribution.backends", f'"{sign} 2"', facts)
    assert found is answer(sign, 2, [len(requests)])
    pinned = {k: v for k, v, _ in observed(facts)}
    several = {"distribution.backends": len(requests)} if len(requests) > 1 else {}
    assert pinned == several | PASSES


@given(SIGN, st.integers(1, 9), st.integers(1, 9), st.integers(0, 9))
def test_a_period_holds_for_the_checks_of_all_backends(
    sign: str, limit: int, low: int, width: int
) -> None:
    second = 10**9
    fact = Fact(
        "health-checks.period", low * second, "", "ns",
        low=low * second, high=(low + width) * second,
    )  # fmt: skip
    wanted = f'"{sign} {limit}s"'
    found = judgement("health_checks.period", wanted, Behaviour((fact,), 4))
    every = [n * second for n in range(low, low + width + 1)]
    assert found is answer(sign, limit * second, every)


@pytest.mark.parametrize("worst", [s for s in Severity if s is not Severity.INFO])
def test_findings_fail_from_a_severity_on(worst: Severity) -> None:
    facts = Behaviour((Fact("findings.x", worst.value, "X", evidence=()),), 4)
    levels = [s for s in Severity if s is not Severity.INFO]
    for level in levels:
        failed = [o.key for o in outcomes(f'[findings]\nfail_on = "{level.value}"\n', facts)]
        assert failed == (["findings.x"] if worst >= level else ["findings.fail_on"])
    pinned = {k: v for k, v, _ in observed(facts)}
    higher = [s for s in levels if s > worst]
    assert pinned == ({"findings.fail_on": min(higher).value} if higher else {})


@pytest.mark.parametrize(
    ("stated", "wanted", "expected"),
    [
        ("X-Forwarded-For, PROXY", "x-forwarded-for", HOLDS),
        ("X-Forwarded-For, PROXY", "proxy", HOLDS),
        ("X-Forwarded-For", "Forwarded", FAILED),
        ("nowhere", "X-Forwarded-For", FAILED),
        (None, "X-Forwarded-For", OPEN),
    ],
)
def test_a_client_is_stated_in_one_of_the_fields(
    stated: str | None, wanted: str, expected: Fulfilment
) -> None:
    fact = Fact("source.stated-in", stated, "", unknown="" if stated else "no pair")
    assert judgement("source.stated_in", f'"{wanted}"', Behaviour((fact,), 4)) is expected


@pytest.mark.parametrize(
    ("spoken", "wanted", "expected"),
    [
        (("HTTP/1.1",), "HTTP/1.1", HOLDS),
        (("HTTP/1.1", "HTTP/2"), "HTTP/2", FAILED),
        (("tls",), "tls", HOLDS),
        ((), "tls", OPEN),
    ],
)
def test_every_request_speaks_one_protocol(
    spoken: tuple[str, ...], wanted: str, expected: Fulfilment
) -> None:
    shares = tuple(Share(name, 1, len(spoken)) for name in spoken)
    fact = Fact("protocol.client", ", ".join(spoken) or None, "", shares=shares, unknown="nothing")
    facts = Behaviour((fact,), 4)
    assert judgement("protocol.client", f'"{wanted}"', facts) is expected
    pinned = {k: v for k, v, _ in observed(facts)}
    assert pinned == ({"protocol.client": spoken[0]} if len(spoken) == 1 else {}) | PASSES
