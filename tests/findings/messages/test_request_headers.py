"""What becomes of the fields of requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.findings.simulated import values
from tests.findings.through import STATED, message, request, told
from tests.simulator.script import Script


def written(lines: list[tuple[tuple[str, ...], tuple[str, ...]]]) -> Script:
    """Each request has the first lines in front of the balancer, and the second ones behind it."""
    play = Script()
    for n, (before, after) in enumerate(lines):
        front = play.front().asks(request(f"/{n}", *before))
        play.back().asks(request(f"/{n}", *after, STATED)).answers(message("200 OK", f"{n}"))
        front.answers(message("200 OK", f"{n}")).leaves()
    return play


def test_names_in_other_letter_case_are_told_together(tmp_path: Path) -> None:
    """Accept is written in lower case in three requests, and DNT, which came once, in one."""
    more = (("Accept: */*", "DNT: 1"), ("accept: */*", "dnt: 1"))
    play = written([(("Accept: */*",), ("accept: */*",))] * 2 + [more])
    (finding,) = told(play, tmp_path, "request-headers.re-cased")
    assert values(finding)["count"] == 3
    assert str(values(finding)["fields"]).lower() == "accept, dnt"


def test_another_order_is_told_with_how_often(tmp_path: Path) -> None:
    one, other = ("Accept: */*", "DNT: 1"), ("DNT: 1", "Accept: */*")
    (finding,) = told(written([(one, other)] * 3), tmp_path, "request-headers.re-ordered")
    assert values(finding)["count"] == 3


@pytest.mark.parametrize(("connection", "told_so"), [("close, x-user", True), ("close", False)])
def test_a_field_that_the_client_names_in_connection_is_for_one_hop(
    tmp_path: Path, connection: str, told_so: bool
) -> None:
    """RFC 9110 §7.6.1: a proxy removes it, whoever put it there."""
    before = (f"Connection: {connection}", "X-User: 5")
    (finding,) = told(written([(before, ())] * 3), tmp_path, "request-headers.removed")
    assert values(finding)["field"] == "X-User"
    assert ("names this field in Connection" in finding.statement) == told_so
