"""Where results go: -o, pipes, full disks, terminals."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lbtrace.cli import run
from tests.cli.captures import SAMPLES

CAPTURE = SAMPLES / "alb-like" / "client.pcap"
LBTRACE = [sys.executable, "-m", "lbtrace"]


def test_o_writes_the_file_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.json"
    assert run(["show", str(CAPTURE), "--format", "json", "-o", str(target)]) == 0
    assert capsys.readouterr() == ("", "")
    assert json.loads(target.read_text())["format"] == "lbtrace-trace"


def test_o_is_no_terminal(tmp_path: Path) -> None:
    target = tmp_path / "page.txt"
    assert run(["show", str(CAPTURE), "-o", str(target)]) == 0
    assert "\x1b" not in target.read_text("utf-8")
    assert max(map(len, target.read_text("utf-8").splitlines())) <= 80


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("same.pcap", "one of the captures"),
        ("no/where", "no directory"),
        (".", "directory"),
        ("/dev/full", "No space"),
    ],
)
def test_an_output_that_cannot_be_is_one_line(
    name: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = shutil.copy(CAPTURE, tmp_path / "same.pcap")
    before = Path(capture).read_bytes()
    assert (
        run(["show", str(capture), "-o", name if name.startswith("/") else f"{tmp_path}/{name}"])
        == 2
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lbtrace: -o ")
    assert err.count("\n") == 1
    assert told in err
    assert Path(capture).read_bytes() == before


def test_a_reader_that_goes_away_is_no_error() -> None:
    for form in ("terminal", "json"):
        shell = (
            f"{sys.executable} -m lbtrace show {CAPTURE} --format {form} | head -n 1; echo "
            f"${{PIPESTATUS[0]}}"
        )
        done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        assert done.stdout.splitlines()[-1] == "0"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_standard_output_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*LBTRACE, "show", str(CAPTURE)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "lbtrace: Cannot write to standard output: No space left on device.\n"


def test_a_terminal_that_knows_ascii_only_gets_ascii() -> None:
    done = subprocess.run(
        [*LBTRACE, "demo"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        check=True,
    )
    assert done.stdout.isascii()
    assert b"\\u" not in done.stdout
    assert b"\\x" not in done.stdout
    assert b"->" in done.stdout or b"->".replace(b"-", b"--") in done.stdout


def test_width_and_columns_are_honoured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["demo", "--width", "60"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 60
    monkeypatch.setenv("COLUMNS", "132")
    assert run(["demo"]) == 0
    assert 100 < max(map(len, capsys.readouterr().out.splitlines())) <= 132


def on_a_terminal(*arguments: str, **environment: str) -> bytes:
    """What a person's terminal receives."""
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*LBTRACE, *arguments],
        stdout=slave,
        stderr=slave,
        stdin=slave,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    )
    os.close(slave)
    received = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux says EIO at the end
            part = b""
        if not part:
            break
        received += part
    os.close(master)
    assert process.wait(30) == 0
    return received


def test_a_terminal_gets_colour_unless_no_color_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert b"\x1b[" in on_a_terminal("demo")
    assert b"\x1b[" not in on_a_terminal("demo", NO_COLOR="1")
    assert b"\x1b[" not in on_a_terminal("demo", TERM="dumb")


def test_a_terminal_that_does_not_know_its_width_has_80_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = (
        on_a_terminal("demo", NO_COLOR="1").decode().splitlines()[1:]
    )  # a new pseudo-terminal says 0
    assert 70 < max(map(len, lines)) <= 80
