"""Each bundled sample still tells its story."""

from __future__ import annotations

import pytest

from lbtrace.render.terminal.first_screen import LINES
from tests.golden import CASES, FOUNDING, GOLDEN, say

FIRST = [(sample, kind) for sample, kind in CASES if kind not in ("json", "verbose.txt")]


@pytest.mark.parametrize(("sample", "kind"), CASES)
def test_a_sample_tells_its_story(sample: str, kind: str) -> None:
    golden = GOLDEN / f"{sample}.{kind}"
    assert golden.exists(), "a new sample: run python -m tests.golden and read what it says"
    assert say(sample, kind) == golden.read_text(encoding="utf-8"), (
        "run python -m tests.golden and read the diff"
    )


@pytest.mark.parametrize(("sample", "kind"), FIRST)
def test_a_first_screen_is_one_screen(sample: str, kind: str) -> None:
    assert len((GOLDEN / f"{sample}.{kind}").read_text(encoding="utf-8").splitlines()) <= LINES


def test_there_are_samples() -> None:
    assert {sample for sample, _ in CASES} >= set(FOUNDING)
