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


def test_files_without_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    folder = SAMPLES / "nginx-race"
    client, backend = str(folder / "client.pcap"), str(folder / "backend.pcap")
    assert run([client, backend]) == 0
    assert "1 problem in 3 requests" in capsys.readouterr().out
    assert run([client]) == 0
    assert "HTTP exchanges" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--lader", '. Did you mean "--ladder"? See'),
        ("--colour", '"--color"? See'),
        ("-1", ". See"),
    ],
)
def test_an_option_that_there_is_not_is_answered_with_the_nearest(
    option: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", "a.pcap", "b.pcap", option]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"lbtrace: No such option {option!r}")
    assert told in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(("word", "near"), [("compair", '. Did you mean "compare"?'), ("zzz", ".")])
def test_a_word_that_is_nothing(word: str, near: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([word]) == 2
    assert f"There is no command and no file '{word}'{near}" in capsys.readouterr().err
