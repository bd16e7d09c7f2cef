"""Idle limits: an interval where something was closed or forgotten, else what did no harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.behaviour import Fact
from tests.findings.files import ASK, SECOND, Talk, report


def limits(folder: Path, talk: Talk) -> dict[str, Fact]:
    """The facts of a connection that is passed on, by what they are about."""
    behaviour = report(folder, [talk.front], [talk.behind]).behaviour
    assert behaviour is not None
    return {fact.name.removeprefix("idle-limits."): fact for fact in behaviour.under("idle-limits")}


def asked_again(idle_s: int) -> Talk:
    """A request, a silence, and another request that is answered."""
    talk = Talk(40_001)
    talk.asks(1_000_000, b"first")
    talk.asks(idle_s * SECOND, b"second")
    return talk


@pytest.mark.parametrize(("idle_s", "told"), [(1, False), (30, True)])
def test_a_limit_that_nobody_reached_is_longer_than_what_did_no_harm(
    tmp_path: Path, idle_s: int, told: bool
) -> None:
    facts = limits(tmp_path, asked_again(idle_s))
    assert facts
    for fact in facts.values():
        assert fact.value is None
        assert ("after 30 s of silence a request was still answered" in fact.unknown) == told
        if told:
            assert fact.low is not None
            assert 29.9 * SECOND < fact.low < 30 * SECOND
        else:
            assert fact.low is None


def test_a_flow_was_forgotten_between_what_it_survived_and_what_it_did_not(tmp_path: Path) -> None:
    talk = asked_again(7)
    for ms in (0, 200, 600, 1400, 3000):
        at = 37 * SECOND + ms * 1_000_000
        talk.says(True, ASK % b"lost", at, acked=False, behind=False)
    fact = limits(tmp_path, talk)["client.forgotten"]
    assert fact.value is not None
    assert fact.low is not None
    assert fact.high == fact.value
    assert 6.9 * SECOND < fact.low < 7 * SECOND
    assert 29.9 * SECOND < int(fact.value) < 30 * SECOND
    assert fact.seen == "1 connection forgotten"
    assert fact.evidence
