"""`diff`: what A and B may be, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copy

import pytest

from lbtrace.cli import run
from tests.cli.captures import SAMPLES


def test_two_samples_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", "alb-like", "nlb-like"]) == 0
    assert "l4-passthrough" in capsys.readouterr().out
    assert run(["diff", "alb-like", "nlb-like", "--fail-on-change"]) == 1
    assert run(["diff", "alb-like", "alb-like", "--fail-on-change"]) == 0


def test_a_folder_and_a_report_are_as_good_as_a_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (SAMPLES / "alb-like").glob("*.pcap"):
        copy(path, tmp_path / path.name)
    report = str(tmp_path / "report.json")
    assert run(["demo", "alb-like", "--format", "json", "-o", report]) == 0
    for other in (str(tmp_path), report):
        assert run(["diff", "alb-like", other, "--fail-on-change", "--format", "json"]) == 0
        facts = json.loads(capsys.readouterr().out)["facts"]
        assert {fact["result"] for fact in facts} <= {"same", "unknown"}


def test_what_decides_nothing_is_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy(SAMPLES / "alb-like" / "client.pcap", tmp_path / "client.pcap")
    copy(SAMPLES / "nginx-race" / "backend.pcap", tmp_path / "backend.pcap")
    assert run(["diff", str(tmp_path), "alb-like"]) == 3
    assert "nothing can be compared" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("nlb-lik", 'Did you mean "nlb-like"?'),
        ("nothing/here", "no file, no folder, and no sample"),
    ],
)
def test_what_there_is_not_is_one_line(
    other: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["diff", "alb-like", other]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_without_captures_says_how_to_name_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["diff", "alb-like", str(tmp_path)]) == 2
    assert "Name them client.pcap and backend.pcap" in capsys.readouterr().err
