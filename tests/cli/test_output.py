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


@pytest.mark.parametrize(
    "command",
    [
        ["show", "{0}", "-o", "{0}/client.pcap"],
        ["compare", "--client", "{0}", "--backend", "{0}/backend.pcap", "-o", "{0}/client.pcap"],
        ["compare", "--client", "{1}", "--backend", "{0}/backend.pcap", "-o", "{0}/client.pcap"],
        ["check", "--client", "{0}", "--profile", "nginx", "-o", "{0}/client.pcap"],
        ["diff", "{0}", "nginx", "-o", "{0}/backend.pcap"],
        ["diff", "nginx", "{0}", "--format", "json", "-o", "{0}/client.pcap"],
        ["merge", "--client", "{0}", "--backend", "{0}", "-o", "{0}/client.pcap"],
        ["extract", "--client", "{0}", "--backend", "{0}", "--pair", "1", "-o", "{0}"],
        ["redact", "{0}", "-o", "{0}"],
    ],
    ids=" ".join,
)
def test_a_capture_that_is_read_from_its_directory_is_not_overwritten(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, linked = tmp_path / "captures", tmp_path / "links"
    folder.mkdir()
    linked.mkdir()
    for name in ("client.pcap", "backend.pcap"):
        shutil.copy(SAMPLES / "nginx" / name, folder / name)
        (linked / name).symlink_to(folder / name)
    (folder / "old.txt").write_text("an older report")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run([word.format(folder, linked) for word in command]) == 2
    assert "overwritten" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert run(["show", str(folder), "-o", str(folder / "old.txt")]) == 0  # is no capture
    assert run(["show", str(folder), "-o", str(folder / "new.txt")]) == 0


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


def on_a_terminal(*arguments: str, lines: int = 0, code: int = 0, **environment: str) -> bytes:
    """What a person's terminal of so many lines receives; 0 if it does not know how many."""
    import fcntl
    import pty
    import struct
    import termios

    master, slave = pty.openpty()
    if lines:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, 80, 0, 0))
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
    assert process.wait(30) == code
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


@pytest.mark.parametrize(
    ("options", "told", "untold"),
    [
        ([], "Exchanges", "Why this verdict"),
        (["-v"], "Why this verdict", "-v: reasons"),
        (["--all"], "Why this verdict", "…"),
        (["-q"], "P1 HIGH", "Exchanges"),
    ],
)
def test_how_much_is_written(
    options: list[str], told: str, untold: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", "nginx-race", *options]) == 0
    out = capsys.readouterr().out
    assert told in out
    assert untold not in out


@pytest.mark.parametrize("more", ["-v", "--all"])
def test_less_and_more_at_once_is_refused(more: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "-q", more]) == 2
    assert "give one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("zone", "told"),
    [("UTC", "17:51:26–17:51:35 UTC"), ("Asia/Seoul", "2026-11-23 02:51:26–02:51:35 Asia/Seoul")],
)
def test_times_of_day_are_those_of_the_zone(
    zone: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", "--tz", zone]) == 0
    assert told in capsys.readouterr().out


def test_local_is_the_time_zone_of_the_machine() -> None:
    done = subprocess.run(
        [*LBTRACE, "demo", "--tz", "local"],
        capture_output=True,
        env={**os.environ, "TZ": "ABC-9", "PYTHONIOENCODING": "utf-8"},
        check=True,
    )
    assert "02:51:26–02:51:35 ABC" in done.stdout.decode()


@pytest.mark.parametrize("zone", ["Asia/Nowhere", "../etc/passwd", "/etc/passwd", "", "\0"])
def test_a_zone_that_is_none_is_one_line(zone: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--tz", zone]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "no such time zone" in err


@pytest.mark.parametrize(
    ("color", "environment", "coloured"),
    [
        ("auto", {}, False),
        ("always", {}, True),
        ("always", {"NO_COLOR": "1", "TERM": "dumb"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("auto", {"FORCE_COLOR": "", "NO_COLOR": ""}, False),
    ],
)
def test_colour_in_a_pipe(
    color: str,
    environment: dict[str, str],
    coloured: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert run(["demo", "--color", color]) == 0
    assert ("\x1b[" in capsys.readouterr().out) is coloured


@pytest.mark.parametrize(
    ("arguments", "paged"),
    [(["demo", "-v"], True), (["demo", "-v", "--no-pager"], False), (["demo", "-q"], False)],
)
def test_a_page_longer_than_the_terminal_is_shown_in_a_pager(
    arguments: list[str], paged: bool, tmp_path: Path
) -> None:
    pager = tmp_path / "pager"
    pager.write_text('#!/bin/sh\ntouch "$0.called"\ncat >/dev/null\n')
    pager.chmod(0o755)
    received = on_a_terminal(*arguments, PAGER=str(pager), lines=30)
    assert (tmp_path / "pager.called").exists() is paged
    assert (b"No problems found" in received) is not paged


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["demo", "--zoom", "1", "--format", "json"], "--zoom is for people"),
        (["demo", "--ladder", "text"], "say which"),
        (["demo", "--zoom", "P1"], "There is 1 to 4, u1 to u3."),
        (["show", str(CAPTURE), "--zoom", "9"], "There is 1 to 4."),
    ],
)
def test_a_zoom_that_cannot_be_is_one_line(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err.splitlines()[-1]


def test_the_page_says_what_to_type_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "nginx-race"]) == 0
    assert " In full: lbtrace demo nginx-race --zoom P1\n" in capsys.readouterr().out
    assert run(["demo", "nginx-race", "--zoom", "P1"]) == 0
    assert "\nExchange 2: " in capsys.readouterr().out
    folder = SAMPLES / "nginx-race"
    long = f"{folder}/../nginx-race/../nginx-race/client.pcap"
    assert run(["compare", long, str(folder / "backend.pcap")]) == 0
    assert " In full: lbtrace compare … --zoom P1\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ("demo",),
        ("show", str(CAPTURE)),
        ("diff", "alb-like", "nlb-like"),
        ("check", str(CAPTURE), str(CAPTURE), "--profile", "nginx"),
    ],
)
def test_a_page_for_a_browser_is_not_written_to_a_terminal(arguments: tuple[str, ...]) -> None:
    said = on_a_terminal(*arguments, "--format", "html", code=2).decode()
    assert said.strip().splitlines() == [
        "lbtrace: --format html writes a page for a browser, not for a terminal. "
        "Give a file: -o report.html."
    ]


def test_a_page_for_a_browser_can_be_piped(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", str(CAPTURE), "--format", "html"]) == 0
    assert capsys.readouterr().out.startswith("<!doctype html>")


@pytest.mark.parametrize("how", ["r+b", "ab"])
@pytest.mark.parametrize("given", ["name", "link", "-"])
def test_standard_output_is_never_one_of_the_captures(given: str, how: str, tmp_path: Path) -> None:
    """`lbtrace show c.pcap >> c.pcap` would write the page behind the packets."""
    capture = tmp_path / "c.pcap"
    capture.write_bytes((SAMPLES / "alb-like" / "client.pcap").read_bytes())
    before = capture.read_bytes()
    (tmp_path / "link").symlink_to(capture)
    names = {"name": str(capture), "link": str(tmp_path / "link"), "-": "-"}
    with capture.open("rb") as stdin, capture.open(how) as stdout:
        done = subprocess.run(
            [sys.executable, "-m", "lbtrace", "show", names[given]],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "one of the captures" in done.stderr
    assert capture.read_bytes() == before
