"""Idle limits as intervals, from connections that were closed or forgotten, and what is expected of
them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.behaviour import Behaviour, Fact
from lbtrace.model.expectation import Fulfilment
from tests.expect.files import judgement
from tests.findings.connections.test_idle_limits import forgotten
from tests.findings.files import SECOND, Talk, report

HOLDS, FAILED, OPEN = Fulfilment.HOLDS, Fulfilment.FAILED, Fulfilment.INCONCLUSIVE


def behaviour(folder: Path, *talks: Talk) -> Behaviour:
    found = report(folder, [t.front for t in talks], [t.behind for t in talks]).behaviour
    assert found is not None
    return found


def closed(port: int, idle_s: float) -> Talk:
    """The backend closes the connection after so much silence."""
    talk = Talk(port)
    talk.asks(1_000_000)
    talk.asks(3 * SECOND)
    talk.says(False, b"", int((3 + idle_s) * SECOND), flags="FIN")
    return talk


def fact(found: Behaviour, name: str) -> Fact:
    known = found.fact(name)
    assert known is not None
    return known


def test_closings_bound_the_limit_from_both_sides(tmp_path: Path) -> None:
    found = behaviour(tmp_path, closed(40_001, 5), closed(40_002, 5.01))
    limit = fact(found, "idle-limits.backend.backend")
    assert limit.low is not None
    assert limit.high is not None
    assert 4.9 * SECOND < limit.low < 5 * SECOND < limit.high < 5.1 * SECOND
    assert limit.seen == "2 idle connections closed"
    assert limit.evidence
    # packets are passed on: it is the backend that closes on both sides
    assert fact(found, "idle-limits.client.backend").value is not None
    assert found.fact("idle-limits.client.balancer") is None


def test_a_flow_that_was_forgotten_lies_between_what_worked_and_what_did_not(
    tmp_path: Path,
) -> None:
    limit = fact(
        behaviour(tmp_path, forgotten(40_001, 6.5, worked_s=2)), "idle-limits.client.forgotten"
    )
    assert limit.low is not None
    assert limit.high is not None
    assert 1.9 * SECOND < limit.low < 2 * SECOND
    assert 6.4 * SECOND < limit.high < 6.6 * SECOND


def test_silence_that_did_no_harm_bounds_from_below(tmp_path: Path) -> None:
    talk = Talk(40_001)
    talk.asks(1_000_000)
    talk.asks(3 * SECOND)
    found = behaviour(tmp_path, talk)
    limit = fact(found, "idle-limits.backend.backend")
    assert limit.value is None
    assert "after 3 s of silence a request was still answered" in limit.unknown
    expected = {'">= 2s"': HOLDS, '"> 2s"': HOLDS, '">= 4s"': OPEN, '"<= 2s"': OPEN, '"2s"': OPEN}
    for bound, answer in expected.items():
        assert judgement("idle_limits.backends", bound, found) is answer, bound


@pytest.mark.parametrize(
    ("bound", "expected"),
    [('">= 4s"', HOLDS), ('"<= 6s"', HOLDS), ('"5s"', HOLDS), ('"4s"', FAILED), ('"<= 4s"', FAILED),
     ('">= 5s"', OPEN)],
)  # fmt: skip
def test_a_limit_is_judged_only_outside_its_error(
    bound: str, expected: Fulfilment, tmp_path: Path
) -> None:
    found = behaviour(tmp_path, closed(40_001, 5))
    assert judgement("idle_limits.backends", bound, found) is expected
