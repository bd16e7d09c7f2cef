"""Two Behaviours held side by side: laws, and the founding table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.behaviour import Comparability, compared, differing
from lbtrace.model.behaviour import Behaviour, Fact, Share
from tests.behaviour.samples import behaviour_of, samples


def _results(one: Behaviour, other: Behaviour) -> dict[str, Comparability]:
    return {pair.name: pair.result for pair in compared(one, other)}


@pytest.mark.parametrize("sample", samples())
def test_nothing_differs_from_itself(sample: str) -> None:
    assert not list(differing(behaviour_of(sample), behaviour_of(sample)))


@pytest.mark.parametrize("sample", samples())
def test_a_difference_is_one_from_either_side(sample: str) -> None:
    one, other = behaviour_of("alb-like"), behaviour_of(sample)
    assert _results(one, other) == _results(other, one)


def test_what_is_unknown_on_one_side_never_differs() -> None:
    known = Behaviour((Fact("errors.balancer", 3, "", "count", (Share("requests", 3, 9),)),))
    unknown = Behaviour((Fact("errors.balancer", None, "", unknown="no request"),))
    for one, other in ((known, unknown), (unknown, known), (known, Behaviour())):
        assert _results(one, other) == {"errors.balancer": Comparability.UNKNOWN}


def test_alb_against_nlb_is_the_founding_table() -> None:
    results = _results(behaviour_of("alb-like"), behaviour_of("nlb-like"))
    for name in (
        "balancer.kind",
        "source.address",
        "request.headers.x-forwarded-for",
        "request.headers.x-amzn-trace-id",
        "connections.backend.requests",
        "health-checks.request",
    ):
        assert results[name] is Comparability.DIFFERS, name
    for name in ("request.headers.user-agent", "protocol.client", "connections.client.requests"):
        assert results[name] is Comparability.SAME, name


def test_a_field_that_only_one_balancer_adds_is_not_there_behind_the_other() -> None:
    pair = next(
        pair
        for pair in compared(behaviour_of("nlb-like"), behaviour_of("alb-like"))
        if pair.name == "request.headers.x-forwarded-for"
    )
    assert (pair.before.value, pair.after.value) == ("not there", "added, client-address")


def test_a_field_that_only_one_client_sent_says_nothing_of_the_balancer() -> None:
    of_client = Fact("request.headers.x-mine", "unchanged", "", shares=(Share("present", 2, 2),))
    heads = Fact("request.headers", "complete", "")
    assert _results(Behaviour((of_client, heads)), Behaviour((heads,))) == {
        "request.headers.x-mine": Comparability.UNKNOWN
    }


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [((10, 20), (20, 30), True), ((10, 19), (20, 30), False), ((10, 40), (20, 30), True)],
)
def test_a_time_differs_only_outside_its_error(
    one: tuple[int, int], other: tuple[int, int], same: bool
) -> None:
    facts = [
        Behaviour((Fact("latency.added-median", low, "", "ns", low=low, high=high),))
        for low, high in (one, other)
    ]
    assert (not list(differing(*facts))) is same


def test_numbers_of_cases_are_not_compared() -> None:
    short, long = (
        Behaviour((Fact("errors.balancer", n, "", "count", (Share("requests", n, of),)),))
        for n, of in ((1, 4), (50, 256))
    )
    assert not list(differing(short, long))
    none = Behaviour((Fact("errors.balancer", 0, "", "count", (Share("requests", 0, 9),)),))
    assert [pair.name for pair in differing(none, long)] == ["errors.balancer"]


def test_one_message_shows_no_pattern() -> None:
    def added(pattern: str, count: int) -> Behaviour:
        shares = (
            Share("present", count, count),
            Share("sent", 0, count),
            Share("added", count, count),
        )
        return Behaviour((Fact("request.headers.x-id", f"added, {pattern}", "", shares=shares),))

    assert not list(differing(added("constant", 1), added("fresh", 9)))
    assert list(differing(added("constant", 9), added("fresh", 9)))


def test_a_finding_that_is_gone_or_new_differs() -> None:
    bad = Behaviour((Fact("findings.retries.repeated", "low", ""),))
    assert [pair.after.value for pair in differing(bad, Behaviour())] == ["not there"]
    worse = Behaviour((replace(bad.facts[0], value="high"),))
    assert list(differing(bad, worse))


def field(change: str, count: int, sent: int, of: int) -> Behaviour:
    """One field, that so many of the messages had, and what happened to some of it."""
    behind = of if change == "added" else sent
    shares = (Share("present", behind, of), Share("sent", sent, of), Share(change, count, of))
    return Behaviour((Fact("request.headers.x-a", f"{change}, constant", "", shares=shares),))


@pytest.mark.parametrize(
    ("change", "sent", "could"),
    [("added", 0, 8), ("added", 3, 5), ("removed", 6, 6), ("changed", 6, 6), ("duplicated", 6, 8)],
)
def test_what_happens_to_a_field_always_differs_from_what_happens_sometimes(
    change: str, sent: int, could: int
) -> None:
    """A field can be added where it was not sent, and removed or changed where it was."""
    always, sometimes, seldom = (field(change, n, sent, 8) for n in (could, could - 1, 1))
    assert list(differing(always, sometimes))
    assert not list(differing(sometimes, seldom))
    assert not list(differing(always, field(change, 40, 0 if change == "added" else 40, 40)))


def test_what_never_happens_to_a_field_is_no_difference() -> None:
    never = field("added", 0, 8, 8)
    (fact,) = never.facts
    without = replace(fact, shares=fact.shares[:2])
    assert not list(differing(never, Behaviour((without,))))
