"""Wrong use of any command is one line and exit 2."""

from __future__ import annotations

import pytest

from lbtrace.cli import run
from tests.cli.captures import SAMPLES

CLIENT, BACKEND = (
    str(SAMPLES / "alb-like" / "client.pcap"),
    str(SAMPLES / "alb-like" / "backend.pcap"),
)


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["show"],
        ["compare"],
        ["compare", CLIENT],
        ["compare", "-", "-"],
        ["compare", CLIENT, BACKEND, "--clock-offset", "soon"],
        ["compare", CLIENT, BACKEND, "--format", "poem"],
        ["show", CLIENT, "--width", "3"],
        ["demo", "bogus"],
        ["profiles", "bogus"],
        ["lab", "bogus"],
        ["lab", "run"],
        ["show", "--bogus"],
        ["demo", "alb-like", "bogus"],
        ["compare", "--lb", CLIENT, "--lb-address", "bogus"],
        ["compare", CLIENT, BACKEND, "--lb-address", "192.0.2.1"],
        ["compare", "--lb", CLIENT, CLIENT],
    ],
)
def test_what_cannot_be_meant_is_one_line_and_exit_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lbtrace: ")
    assert err.count("\n") == 1
