"""`lbtrace mcp` as it is started. What its tools answer is in tests/cli/assistants."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lbtrace.cli import run
from tests.cli.assistants.asked import PAGE, ROOT
from tests.cli.captures import conversation, pcap


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Missing option '--root'"),
        (["--root", "no/such/folder"], "--root no/such/folder: this is no directory."),
        (["--root", ".", "--budget", "10"], "10 is not in the range 2000 to 200000"),
    ],
)
def test_what_makes_no_sense(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["mcp", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_without_the_package_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.delitem(sys.modules, "lbtrace.cli.assistants.server", raising=False)
    assert run(["mcp", "--root", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "lbtrace: lbtrace mcp needs the Python package mcp. "
        'Install it: pip install "lbtrace[mcp]".\n'
    )


@pytest.mark.parametrize("closed", ["stdin", "stdout"])
def test_a_stream_that_is_closed_is_one_line(
    closed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, closed, None)
    assert run(["mcp", "--root", str(tmp_path)]) == 2
    monkeypatch.undo()
    assert "is closed" in capsys.readouterr().err


def test_it_ends_with_its_input_and_says_nothing_of_its_own(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lbtrace", "mcp", "--root", str(tmp_path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


SERVES = """
import os, sys
import lbtrace.capture
import lbtrace.cli.assistants.server as server
from lbtrace.__main__ import main

opened = lbtrace.capture.open_source

def truncated(path):
    source = opened(path)
    os.truncate(path, 100)
    return source

def asked(desk, budget):
    print(server.answered(desk, "show", {"captures": ["a.pcap"]}, budget))

lbtrace.capture.open_source = truncated
server.serve = asked
main()
"""


def test_it_outlives_a_capture_that_becomes_shorter(tmp_path: Path) -> None:
    turn = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"
    packets = conversation(("192.0.2.1", 40000), ("192.0.2.2", 80), turn)
    (tmp_path / "a.pcap").write_bytes(pcap(*packets))
    done = subprocess.run(
        [sys.executable, "-c", SERVES, "mcp", "--root", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "GET /" in done.stdout


def test_the_package_is_loaded_by_this_command_alone() -> None:
    script = (
        "import sys; from lbtrace.cli import run; run(['explain']); sys.exit('mcp' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0


def test_the_extra_is_the_one_that_is_named() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert any(need.startswith("mcp>=") for need in extras["optional-dependencies"]["mcp"])
    assert "pip install -q '.[mcp]'" in PAGE.read_text("utf-8")
