"""Requests for a part of a file that lose their Range at the balancer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.findings.simulated import values
from tests.findings.through import STATED, message, request, told
from tests.simulator.script import Script

PART = "Range: bytes=0-9"


def asks(play: Script, sent: tuple[str, ...], passed: tuple[str, ...], status: str) -> None:
    answer = message(status, f"a file {len(play.client)}")
    front = play.front().asks(request("/video", *sent))
    play.back().asks(request("/video", *passed, STATED)).answers(answer)
    front.answers(answer).leaves()
    play.wait(100)


def test_a_range_that_the_balancer_takes_off(tmp_path: Path) -> None:
    play = Script()
    asks(play, (), (), "200 OK")
    for _ in range(2):
        asks(play, (PART,), (), "200 OK")
    (said,) = told(play, tmp_path, "dropped-ranges")
    assert (values(said)["count"], values(said)["of"]) == (2, 2)
    assert "slice" in said.remedy


@pytest.mark.parametrize(
    ("passed", "status"), [((PART,), "206 Partial Content"), ((PART,), "200 OK"), ((), "404 No")]
)
def test_a_range_that_arrives_or_that_nothing_was_sent_for(
    passed: tuple[str, ...], status: str, tmp_path: Path
) -> None:
    play = Script()
    asks(play, (), (), "200 OK")
    asks(play, (PART,), passed, status)
    assert not told(play, tmp_path, "dropped-ranges")
