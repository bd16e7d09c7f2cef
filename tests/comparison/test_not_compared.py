"""What "nothing was changed" leaves open: requests that may have been sent on, without partner."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.findings.through import exchange, message, request, told
from tests.simulator.script import Script

KEPT = {
    "host-and-target.host-kept": "in 3 of 3 requests",
    "host-and-target.target-kept": "in 3 of 3 requests",
    "responses.unchanged": "in 3 of {} responses",
}
OPEN = "({} more could not be compared)"


def three_alike() -> Script:
    play = Script()
    for n in range(3):
        exchange(play, f"/{n}")
    return play


@pytest.mark.parametrize("slug", KEPT)
def test_all_were_compared(slug: str, tmp_path: Path) -> None:
    [finding] = told(three_alike(), tmp_path, slug)
    assert KEPT[slug].format(3) in finding.text
    assert "compared" not in finding.text


@pytest.mark.parametrize("slug", KEPT)
@pytest.mark.parametrize("lost", [1, 2])
def test_requests_without_a_partner_may_have_been_changed(
    slug: str, lost: int, tmp_path: Path
) -> None:
    """The backend capture ends before they come."""
    play = three_alike()
    for n in range(lost):
        play.front().asks(request(f"/late/{n}")).answers(message("200 OK", "late"), 9).leaves()
        play.wait(200)
    [finding] = told(play, tmp_path, slug)
    assert KEPT[slug].format(3 + lost) in finding.text
    if slug != "responses.unchanged":
        assert OPEN.format(lost) in finding.text
    else:
        assert f"({lost} could not be compared)" in finding.text


@pytest.mark.parametrize("slug", KEPT)
def test_what_the_balancer_answered_itself_was_not_sent_on(slug: str, tmp_path: Path) -> None:
    play = three_alike()
    copy = message("200 OK", "kept", "Age: 60")
    play.front().asks(request("/kept")).answers(copy).leaves()
    play.wait(200)
    exchange(play, "/last")
    report = play.report(tmp_path)
    assert [str(u.reason) for u in report.correlation.unpaired] == ["answered-by-balancer"]
    [finding] = [f for f in report.findings if f.slug == slug]
    assert "compared" not in finding.text
