"""What is said of a number that an option does not take."""

from __future__ import annotations

import pytest

from lbtrace.cli import run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--width", "wide"], "'wide' is not a valid whole number."),
        (["--width", "39"], "39 is not in the range 40 to 400."),
        (["--jobs", "0"], "0 is not in the range 1 and up."),
    ],
)
def test_the_range_is_told_in_words(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["show", "a.pcap", *words]) == 2
    assert capsys.readouterr().err.endswith(f"{said} See lbtrace show --help.\n")
