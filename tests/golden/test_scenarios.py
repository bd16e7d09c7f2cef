"""What is concluded of a scenario is what was concluded before."""

from __future__ import annotations

import pytest

from tests.golden.scenarios import FOLDER, TOLD, told


@pytest.mark.parametrize("scenario", TOLD)
def test_the_same_is_concluded_of_a_scenario(scenario: str) -> None:
    golden = (FOLDER / f"{scenario}.txt").read_text(encoding="utf-8")
    assert told(scenario) == golden, "run python -m tests.golden and read the diff"


def test_each_text_is_of_a_scenario() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(TOLD)
