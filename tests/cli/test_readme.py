"""The front door: its example is real, and its two commands stand between their markers."""

from __future__ import annotations

import re

import pytest

from tests.cli import readme


def test_the_example_is_what_demo_prints() -> None:
    document = readme.README.read_text("utf-8")
    assert readme.written(document) == document, "run python -m tests.cli.readme"


def test_the_example_tells_the_story() -> None:
    for told in (
        "No problems found",
        "L7 proxy",
        "confidence: high",
        "1 : 4",
        "X-Forwarded-For",
        "#16",
    ):
        assert told in readme.output()


@pytest.mark.parametrize("name", ["main-command", "test-command"])
def test_the_two_commands_stand_between_their_markers(name: str) -> None:
    found = re.findall(
        rf"<!-- {name} -->\n```sh\n(.+?)\n```\n<!-- /{name} -->",
        readme.README.read_text("utf-8"),
        re.DOTALL,
    )
    assert len(found) == 1
    assert found[0].startswith("python3 -m venv .venv && ")
    assert "\n" not in found[0]
