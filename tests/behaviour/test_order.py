"""In which order facts are told, as people ask; and which of them one side tells alone."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from lbtrace.cli.demo import sample_files, samples_folder
from lbtrace.model.behaviour import Fact
from lbtrace.model.net import Side
from lbtrace.pipeline import behaviour_of_one_side
from tests.behaviour.samples import behaviour_of, samples

ORDER = (
    *("balancer", "source", "request", "response", "trust", "protocol", "connections"),
    *("exchanges", "errors", "retries", "health-checks", "idle-limits", "latency"),
    *("distribution", "findings", "habits"),
)


def told(facts: Iterable[Fact]) -> list[str]:
    """The first part of each name, once."""
    return list(dict.fromkeys(fact.name.partition(".")[0] for fact in facts))


@pytest.mark.parametrize("sample", samples())
def test_who_stands_between_comes_first_and_habits_come_last(sample: str) -> None:
    found = told(behaviour_of(sample).facts)
    assert found == [name for name in ORDER if name in found]
    assert {"balancer", "source", "request", "protocol", "connections", "errors"} <= set(found)


def test_every_group_of_facts_is_told_of_some_sample() -> None:
    assert {name for s in samples() for name in told(behaviour_of(s).facts)} == set(ORDER)


@pytest.mark.parametrize("side", Side)
def test_one_side_tells_what_came_past_the_balancer_and_who_closes(side: Side) -> None:
    """Requests behind it, responses in front of it: what was sent to it is not known."""
    clients, backends = sample_files(samples_folder(), "nginx-race")
    one = behaviour_of_one_side([clients] if side is Side.CLIENT else backends, side)
    heads = "request" if side is Side.BACKEND else "response"
    found = [heads, "protocol", "connections", "idle-limits"]
    assert told(one.facts) == found + ["findings"] * (side is Side.BACKEND)
    name = "host" if side is Side.BACKEND else "server"
    whole, field = one.fact(f"{heads}.headers"), one.fact(f"{heads}.headers.{name}")
    assert whole is not None
    assert field is not None
    assert (whole.value, field.value) == ("complete", "present")
    present = field.share("present")
    assert present is not None
    assert whole.seen == f"{present.of} heads"
    assert field.seen.lower() == f"{name}: in {present.count} of {present.of}"
    shown = [f.side for e in field.evidence for f in e.frames]
    assert set(shown) == {side}
    assert len(shown) == min(present.count, 2)
    counted = [share.count for fact in one.under(f"{heads}.headers") for share in fact.shares[:1]]
    assert counted == sorted(counted, reverse=True), "the most frequent fields come first"
