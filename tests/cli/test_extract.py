"""`lbtrace merge`, `extract` and `wireshark-profile` at the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from lbtrace import capture
from lbtrace.cli import run
from lbtrace.options import quiet
from lbtrace.pipeline import compare
from tests.cli.captures import SAMPLES
from tests.simulator.script import Script
from tests.wireshark import tshark

POSTS = SAMPLES / "nginx-retried-post"
ASKED = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWERED = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
FILES = [str(POSTS / f"{name}.pcap") for name in ("client", "backend", "backend2")]


def verdicts(report: Path) -> list[str]:
    return [problem["id"] for problem in json.loads(report.read_text("utf-8"))["problems"]]


def test_a_folder_has_whole_connections_that_can_be_compared_again(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    assert run(["extract", *FILES, "--problem", "P1", "-o", str(folder)]) == 0
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["backend1.pcap", "backend2.pcap", "client.pcap"]
    whole = compare([[FILES[0]]], [[path] for path in FILES[1:]])
    again = compare([[str(folder / "client.pcap")]], [[str(folder / name)] for name in names[:2]])
    assert [p.cause.slug for p in again.problems][:1] == [p.cause.slug for p in whole.problems][:1]
    assert 0 < len(again.clients[0].connections) < len(whole.clients[0].connections)
    kept = {str(c.client): c for c in whole.clients[0].connections}
    for connection in again.clients[0].connections:
        before = kept[str(connection.client)]
        assert connection.from_client.packets == before.from_client.packets
        assert connection.from_server.packets == before.from_server.packets
        assert connection.first_ns == before.first_ns


def test_a_pair_as_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pair.pcapng"
    assert run(["extract", *FILES, "--pair", "2", "-o", str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"{path}: ")
    comments = [text for _, text in capture.read([str(path)], quiet).comments]
    assert any("pair=2 side=client" in text for text in comments)


def test_packets_that_a_capture_holds_twice_are_written_once(tmp_path: Path) -> None:
    play = Script()
    front, back = play.front(), play.back()
    front.asks(ASKED)
    back.asks(ASKED).answers(ANSWERED)
    front.answers(ANSWERED)
    for packets in (play.client, play.backend):  # as `tcpdump -i any` may see them
        packets[:] = [packet for each in packets for packet in (each, each)]
    files = [str(path) for path in play.write(tmp_path)]
    path = tmp_path / "pair.pcapng"
    assert run(["extract", *files, "--pair", "1", "-o", str(path)]) == 0
    written = capture.read([str(path)], quiet)
    assert 2 * len(written.records) == len(play.client) + len(play.backend)


@tshark.needed
def test_a_status_is_every_exchange_with_it(tmp_path: Path) -> None:
    path = tmp_path / "ok.pcapng"
    race = [str(SAMPLES / "nginx-race" / f"{side}.pcap") for side in ("client", "backend")]
    assert run(["extract", *race, "--status", "200", "-o", str(path)]) == 0
    found = tshark.rows(path, "lbtrace.pair", wanted="lbtrace.pair")
    assert {pair for (pair,) in found} == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["extract", *FILES, "-o", "x.pcapng"], "extract needs to know what"),
        (["extract", *FILES, "--pair", "99", "-o", "x.pcapng"], "--pair 99: there is no such"),
        (["extract", *FILES, "--pair", "P1", "-o", "x.pcapng"], "--pair P1: there is no such"),
        (["extract", *FILES, "--problem", "P99", "-o", "x.pcapng"], "--problem P99: there is no"),
        (["extract", *FILES, "--status", "418", "-o", "x.pcapng"], "No exchange is what you"),
        (["extract", *FILES, "--pair", "1", "-o", str(POSTS)], "is in this folder"),
        (["extract", *FILES, "--pair", "1", "--with-secrets", "-o", "x"], "needs one file"),
        (["extract", *FILES, "--pair", "1", "-o", "nowhere/case"], "there is no directory"),
        (["extract", FILES[0], "-", "--pair", "1", "-o", "case"], "cannot be read twice"),
        (["merge", *FILES, "-o", FILES[1]], "one of the captures"),
        (["merge", FILES[0], "-", "-o", "x.pcapng"], "cannot be read twice"),
        (["merge", *FILES, "-o", "nowhere/x.pcapng"], "there is no directory"),
        (["wireshark-profile", "-o", FILES[0]], "this is a file"),
    ],
)
def test_what_cannot_be_is_one_line(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = {path: Path(path).read_bytes() for path in FILES}
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
    assert all(Path(path).read_bytes() == held for path, held in before.items())


def test_the_profile_is_written(tmp_path: Path) -> None:
    assert run(["wireshark-profile", "-o", str(tmp_path / "p")]) == 0
    names = {path.name for path in (tmp_path / "p").iterdir()}
    assert names == {"lbtrace.lua", "colorfilters", "preferences"}


@tshark.needed
def test_wireshark_takes_the_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    profile = home / ".config/wireshark/profiles/lbtrace"
    assert run(["wireshark-profile", "-o", str(profile)]) == 0
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    story = tmp_path / "story.pcapng"
    race = [str(SAMPLES / "nginx-race" / f"{side}.pcap") for side in ("client", "backend")]
    assert run(["merge", *race, "-o", str(story)]) == 0
    done = subprocess.run(
        [
            *("tshark", "-C", "lbtrace", "-X", f"lua_script:{profile / 'lbtrace.lua'}"),
            *("--color", "-r", str(story), "-Y", 'lbtrace.problem == "P1"'),
            *("-T", "fields", "-e", "frame.coloring_rule.name", "-e", "_ws.col.Problem"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    said = [line for line in done.stderr.splitlines() if "dangerous" not in line]
    assert not said
    rows = done.stdout.splitlines()
    assert {tuple(row.split("\t")) for row in rows} == {("lbtrace: critical or high", "P1")}


@pytest.mark.skipif(shutil.which("luac") is None, reason="no luac here")
def test_the_post_dissector_is_a_program() -> None:
    from lbtrace.wireshark.profile_files import FOLDER

    script = str(FOLDER / "lbtrace.lua")
    done = subprocess.run(["luac", "-p", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
