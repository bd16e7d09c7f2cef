"""What the client got, against what the backend gave."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.report import Severity
from tests.findings.simulated import values
from tests.findings.through import exchange, message, told
from tests.simulator.script import Script

PART, WHOLE, NOTHING = "206 Partial Content", "200 OK", "304 Not Modified"


def answered(got: str, gave: str) -> Script:
    """Every answer of the backend has this status, and the client gets the other one."""
    play = Script()
    bodies = {PART: "pa", WHOLE: "page", NOTHING: ""}
    for n in range(3):
        exchange(
            play,
            f"/{n}",
            f"X-Request-Id: {n}-4f1c2d",
            given=message(gave, bodies.get(gave, "gone")),
            got=message(got, bodies.get(got, "gone")),
        )
    return play


@pytest.mark.parametrize(
    ("got", "gave"), [(NOTHING, WHOLE), (WHOLE, NOTHING), (WHOLE, PART), (PART, WHOLE)]
)
def test_a_balancer_answers_conditions_and_ranges_from_a_copy(
    got: str, gave: str, tmp_path: Path
) -> None:
    (finding,) = told(answered(got, gave), tmp_path, "responses")
    assert (finding.slug, finding.severity) == ("responses.from-copy", Severity.INFO)
    assert (values(finding)["count"], values(finding)["of"]) == (3, 3)
    shown = values(finding)["client_status"], values(finding)["backend_status"]
    assert shown == (got[:3], gave[:3])


@pytest.mark.parametrize(
    ("got", "gave"), [(WHOLE, "410 Gone"), ("404 Not Found", WHOLE), (NOTHING, PART)]
)
def test_any_other_status_was_rewritten(got: str, gave: str, tmp_path: Path) -> None:
    slugs = [f.slug for f in told(answered(got, gave), tmp_path, "responses")]
    assert "responses.status" in slugs
    assert "responses.from-copy" not in slugs


@pytest.mark.parametrize("gave", ["503 Service Unavailable", "404 Not Found"])
def test_a_second_try_elsewhere_is_no_other_status(gave: str, tmp_path: Path) -> None:
    """After these balancers ask another backend, which may not have been captured."""
    assert told(answered(WHOLE, gave), tmp_path, "responses") == []


def test_nothing_was_rewritten(tmp_path: Path) -> None:
    (finding,) = told(answered(WHOLE, WHOLE), tmp_path, "responses")
    assert (finding.slug, finding.severity) == ("responses.unchanged", Severity.INFO)
    said = values(finding)
    assert (said["count"], said["of"], said["unknown"], said["recoded"]) == (3, 3, 0, 0)
    assert "{unknown}" not in finding.statement
    assert "{recoded}" not in finding.statement
