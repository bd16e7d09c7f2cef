"""Targets that a balancer changes, and targets that only take another form."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.comparison.targets import origin_form
from tests.findings.through import STATED, message, request
from tests.laws import examples
from tests.simulator.script import Script


@examples(100)
@given(st.text("/abc%2F?=", min_size=0, max_size=20).map(lambda rest: "/" + rest))
def test_the_authority_is_no_part_of_a_target(path: str) -> None:
    assert origin_form(path) == path
    assert origin_form("http://a.example" + path) == path


def played(*targets: tuple[str, str]) -> Script:
    play = Script()
    for n, (asked, sent) in enumerate(targets):
        front = play.front().asks(request(asked))
        play.back().asks(request(sent, STATED)).answers(message("200 OK", f"answer {n}"), 5)
        front.answers(message("200 OK", f"answer {n}")).leaves()
        play.wait(200)
    return play


@pytest.mark.parametrize(
    ("asked", "sent", "changed"),
    [
        ("/api/{}", "/{}", 3),
        ("/a%2F{}", "/a/{}", 3),
        ("http://a.example/{}", "/{}", 0),
        ("/{}", "/{}", 0),
    ],
)
def test_how_many_targets_are_changed(asked: str, sent: str, changed: int, tmp_path: Path) -> None:
    report = played(*((asked.format(n), sent.format(n)) for n in range(3))).report(tmp_path)
    assert report.summary.targets_changed == changed
    assert report.summary.requests_compared == 3
