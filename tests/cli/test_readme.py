"""The front door: its example is real, its commands are those that are tested, its links lead
somewhere.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli import readme

ROOT = readme.README.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("samples/**/*.md")])


def test_the_example_is_what_demo_prints() -> None:
    document = readme.README.read_text("utf-8")
    assert readme.written(document) == document, "run python -m tests.cli.readme"


def test_the_example_tells_the_story() -> None:
    for told in ("L7 proxy", "confidence: high", "1 : 4", "X-Forwarded-For: 1.240.235.98", "#16"):
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


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text("utf-8")):
        assert (document.parent / target).exists(), target
