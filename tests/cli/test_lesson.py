"""`--explain`: it waits for a reader who sits at a terminal, and for nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lbtrace.cli import run

DEMO = [sys.executable, "-m", "lbtrace", "demo", "--explain", "--width", "80"]
PROMPT = "[Guess, then press Enter]"


def read_until(end: int, words: str) -> str:
    """What the terminal shows up to these words."""
    seen = b""
    while words.encode() not in seen:
        seen += os.read(end, 4096)
    return seen.decode()


def read_all(end: int) -> str:
    """What it shows until the program has ended."""
    seen = b""
    try:
        while chunk := os.read(end, 4096):
            seen += chunk
    except OSError:  # Linux: nobody has the terminal open any more
        pass
    return seen.decode()


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
def test_at_a_terminal_it_waits_for_enter() -> None:
    reader, terminal = os.openpty()
    program = subprocess.Popen(DEMO, stdin=terminal, stdout=terminal, stderr=subprocess.DEVNULL)
    os.close(terminal)
    first = read_until(reader, PROMPT)
    assert "Question: " in first
    assert "Answer: " not in first
    os.write(reader, b"\n\n\n\n")
    rest = read_all(reader)
    assert program.wait() == 0
    os.close(reader)
    assert rest.count("Answer: ") == 3
    assert "Side by side" in rest


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
@pytest.mark.parametrize("option", [["--no-pause"], ["-o", "lesson.txt"]])
def test_a_reader_who_does_not_want_to_wait_need_not(option: list[str], tmp_path: Path) -> None:
    reader, terminal = os.openpty()
    program = subprocess.Popen(
        [*DEMO, *option], stdin=terminal, stdout=terminal, stderr=terminal, cwd=tmp_path
    )
    os.close(terminal)
    shown = read_all(reader)
    assert program.wait() == 0
    os.close(reader)
    written = tmp_path / "lesson.txt"
    assert "Side by side" in (written.read_text("utf-8") if written.exists() else shown)
    assert PROMPT not in shown


def test_without_a_terminal_it_never_waits(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--explain"]) == 0
    page = capsys.readouterr().out
    assert page.count("Question: ") == 3
    assert PROMPT not in page


def test_the_lesson_ends_with_the_command_for_ones_own_packets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["demo", "--explain", "--width", "200"]) == 0
    assert capsys.readouterr().out.endswith(
        " lab run alb-like nat snat --traffic four-checked --explain\n"
    )


def test_a_sample_of_choice_is_one_act(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "haproxy-tcp", "--explain"]) == 0
    assert "\nThe experiment   haproxy-tcp\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "other",
    [["--format", "json"], ["--zoom", "1"], ["-v"], ["-q"], ["--all"], ["--status", "5xx"]],
)
@pytest.mark.parametrize("command", [["demo"], ["lab", "run", "nginx"]])
def test_the_lesson_is_asked_for_alone(
    command: list[str], other: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--explain", *other]) == 2
    assert capsys.readouterr().err.startswith("lbtrace: --explain is the lesson alone")


def test_several_balancers_are_for_the_lesson(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", "run", "nginx", "nat"]) == 2
    assert "add --explain" in capsys.readouterr().err
