"""Inputs that are wrong: one clear line and exit 2, or a page that says what is wrong. Never a
traceback.
"""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from lbtrace.cli import run
from tests.cli.captures import HTTP_TURN, SAMPLES, arp, client_hello, conversation, pcap

CLIENT, BACKEND = (
    str(SAMPLES / "alb-like" / "client.pcap"),
    str(SAMPLES / "alb-like" / "backend.pcap"),
)


def squeezed(text: str) -> str:
    """Text without its line breaks."""
    return " ".join(text.split())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.pcap").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("these are notes\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "esc\x1b[2Jape.pcap").write_text("not a capture")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("empty.pcap", "empty"),
        ("notes.txt", "text file"),
        ("folder", "no capture is in this directory"),
        ("missing.pcap", "no such file"),
        ("esc\x1b[2Jape.pcap", "\\x1b"),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_is_no_capture_is_one_line_and_exit_2(
    name: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["show", name], ["compare", name, BACKEND], ["compare", CLIENT, name]):
        assert run(arguments) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("lbtrace: ")
        assert err.count("\n") == 1
        assert told in err
        assert "\x1b" not in err


NO_CAPTURES = {
    "a.har": (b'{"log": {"version": "1.2", "entries": []}}', "is a HAR file", "tcpdump -w"),
    "a.pdml": (b'<?xml version="1.0"?>\n<pdml version="0">\n<packet>', "is PDML", "Save As"),
    "a.psml": (b'<?xml version="1.0"?>\n<psml version="0">', "is PSML", "Save As"),
    "list.txt": (
        b"No.     Time           Source                Destination           Protocol Info\n",
        "is a text export of Wireshark",
        "Save As",
    ),
    "list.csv": (b'"No.","Time","Source","Destination"\n', "text export of Wireshark", "Save As"),
    "details.txt": (
        b"Frame 1: 74 bytes on wire (592 bits), 74 bytes captured\nEthernet II, Src: a\n",
        "is a text export of Wireshark",
        "Save As",
    ),
    "a.json": (b'[{"_index": "x", "_source": {"layers": {}}}]', "tshark -T json", "-w FILE"),
    "report.json": (b'{"format":"lbtrace-report","format_version":1}', "result of lbtrace", "diff"),
    "dump.txt": (b"0000  45 00 00 3c 1c 46 40 00\n", "is a hex dump", "text2pcap"),
    "tcpdump.txt": (b"12:00:00.1 IP 10.0.0.1.80 > 10.0.0.2.9: Flags [S]\n", "tcpdump prints", "-w"),
    "login.pcap": (b"<!DOCTYPE html>\n<html><body>", "is a web page", "Download"),
    "other.json": (b'{"a": 1}', "is JSON text", "tcpdump -w"),
    "notes.txt": (b"No. I saw the Source once.\n", "is a text file", "tcpdump -w"),
}


@pytest.mark.parametrize("name", NO_CAPTURES)
def test_what_people_give_instead_of_a_capture_is_named(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, what, todo = NO_CAPTURES[name]
    (tmp_path / name).write_bytes(content)
    assert run(["show", str(tmp_path / name)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert what in line
    assert todo in line.partition(what)[2]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["https://a.example/c.pcap"], "is a URL; lbtrace reads files. Pipe it in: curl"),
        (["show", "s3://bucket/c.pcap"], "is a URL"),
        (["compare", CLIENT, "http://b.example/b.pcap"], "is a URL"),
        (["show", "c_*.pcap"], "No file has a name like this pattern."),
        (["compare", "--client", "c_[0-9].pcap", "--backend", BACKEND], "like this pattern"),
        ([CLIENT, "--client", CLIENT, "--backend", BACKEND], "of which side is it?"),
        (["compare", CLIENT, "--backend", BACKEND], "of which side is it?"),
    ],
)
def test_what_is_no_file_is_one_line(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_a_directory_stands_for_its_captures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side, path in (("front", CLIENT), ("behind", BACKEND)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "one.pcap").write_bytes(Path(path).read_bytes())
        (tmp_path / side / "notes.txt").write_text("these are notes")
        (tmp_path / side / "logs.gz").write_bytes(b"\x1f\x8b\x08 and more")
        (tmp_path / side / "empty").write_bytes(b"")
    front, behind = str(tmp_path / "front"), str(tmp_path / "behind")
    for arguments in (
        [front, behind],
        ["compare", "--client", front, "--backend", behind],
        ["compare", f"--client={front}", "--backend", behind],
    ):
        assert run([*arguments, "-v"]) == 0
        out = capsys.readouterr().out
        assert "in 4 requests" in out
        assert "notes.txt" not in out
    assert run([str(tmp_path / "front")]) == 0
    assert "in 4 requests" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["fleet", "NAMED"],
        ["check", CLIENT, BACKEND, "--expect", "NAMED"],
        ["check", CLIENT, BACKEND, "--profile", "nginx", "--baseline", "NAMED"],
        ["check", "--report", "NAMED", "--profile", "nginx"],
        ["check", "--validate", "NAMED"],
        ["redact", CLIENT, "-o", "out", "--key", "NAMED"],
        ["show", CLIENT, "--keylog", "NAMED"],
    ],
)
@pytest.mark.usefixtures("here")
def test_a_file_that_is_not_there_is_told_in_the_same_words_everywhere(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, told in (("none", "there is no such file."), ("folder", "this is a directory.")):
        assert run([name if word == "NAMED" else word for word in words]) == 2
        assert f"{name}: {told} " in capsys.readouterr().err


def test_a_capture_without_packets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none.pcap").write_bytes(pcap())
    assert run(["show", str(tmp_path / "none.pcap")]) == 0
    assert "There is no packet in this capture." in capsys.readouterr().out


def test_a_capture_without_tcp_says_what_was_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "arp.pcap").write_bytes(pcap(arp(), arp(), arp()))
    assert run(["show", str(tmp_path / "arp.pcap")]) == 0
    out = squeezed(capsys.readouterr().out)
    assert "No packet in this capture belongs to a TCP connection." in out
    assert "3 packets = 0 TCP + 3 skipped" in out


def test_tls_says_that_it_is_encrypted_and_for_whom(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = conversation(
        ("10.0.0.1", 4000),
        ("10.0.0.2", 443),
        (client_hello(), b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"),
    )
    (tmp_path / "tls.pcap").write_bytes(pcap(*turns))
    assert run(["show", str(tmp_path / "tls.pcap")]) == 0
    out = squeezed(capsys.readouterr().out)
    assert "1 of 1 connection is encrypted with TLS: what it carries cannot be read" in out
    assert "Server names asked for: secret.example ×1. Protocols offered: http/1.1." in out
    assert out.count("--keylog") == 1  # a problem says so: nothing repeats it
    assert run(["show", "-v", str(tmp_path / "tls.pcap")]) == 0
    out = squeezed(capsys.readouterr().out)
    assert "encrypted with TLS for secret.example, offering http/1.1" in out
    assert "no HTTP can be read there" in out


def test_tls_on_both_sides_is_compared_and_said_to_be_encrypted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turn = (client_hello(), b"\x16\x03\x03\x00\x04\x02\x00\x00\x00")
    (tmp_path / "front.pcap").write_bytes(
        pcap(*conversation(("10.0.0.1", 4000), ("10.0.0.2", 443), turn))
    )
    (tmp_path / "back.pcap").write_bytes(
        pcap(*conversation(("10.0.1.1", 5000), ("10.0.1.2", 443), turn, isn=77))
    )
    assert run(["compare", str(tmp_path / "front.pcap"), str(tmp_path / "back.pcap")]) == 0
    out = squeezed(capsys.readouterr().out)
    assert "Server names asked for: secret.example ×1." in out


def test_two_unrelated_captures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = (
        b"POST /other HTTP/1.1\r\nHost: b.example\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
    )
    (tmp_path / "front.pcap").write_bytes(
        pcap(*conversation(("10.0.0.1", 4000), ("10.0.0.2", 80), HTTP_TURN))
    )
    (tmp_path / "back.pcap").write_bytes(
        pcap(*conversation(("10.9.1.1", 5000), ("10.9.1.2", 80), other, isn=77))
    )
    assert run(["compare", str(tmp_path / "front.pcap"), str(tmp_path / "back.pcap")]) == 0
    out = capsys.readouterr().out
    assert out.startswith(" No problems found in 1 request")
    assert "But the two sides could not be compared:" in out
    assert "\n Unrelated captures" in out or "\n Inconclusive" in out
    assert "GET /one" in out


def test_swapped_captures_are_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", BACKEND, CLIENT]) == 0
    assert "swapped" in capsys.readouterr().out


def test_the_same_file_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", CLIENT, CLIENT]) == 0
    assert "hold the same packets at the same times" in squeezed(capsys.readouterr().out)


@pytest.mark.parametrize(
    "offset", ["9999999999s", "-99999999999s", "1" + "0" * 22 + "h", "9" * 5000]
)
def test_a_clock_offset_that_no_clock_has(offset: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", f"--clock-offset={offset}", CLIENT, BACKEND]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--clock-offset" in line
    assert len(line) < 250


@pytest.mark.parametrize("columns", ["²²", "-5", "9" * 400, "", "wide"])
def test_a_width_that_is_no_number_is_not_used(
    columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert run(["show", CLIENT]) == 0


def test_a_closed_standard_input_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert run(["show", "-"]) == 2
    assert "Standard input is closed" in capsys.readouterr().err


class Endless(io.RawIOBase):
    """A stream of zeros that never ends; `taken` counts the bytes."""

    taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.taken += len(buffer)
        return len(buffer)


def test_of_a_stream_that_is_no_capture_only_the_beginning_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    zeros = Endless()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(zeros)))
    assert run(["show", "-"]) == 2
    assert "is no pcap or pcapng file" in capsys.readouterr().err
    assert zeros.taken <= 4 << 20


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (MemoryError(), 2, "not enough memory"),
        (KeyboardInterrupt(), 130, ""),
        (ZeroDivisionError("an odd thing"), 70, "this is a bug in lbtrace"),
    ],
)
def test_what_nobody_foresaw_never_looks_like_a_result(
    error: BaseException,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr("lbtrace.inspected_points.inspect_with", broken)
    assert run(["show", CLIENT]) == code
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said
    assert "an odd thing" not in said  # the text of an error may hold what a capture holds


@pytest.mark.parametrize(
    "words",
    [
        ["show"],
        ["compare", CLIENT],
        ["compare", "--client", CLIENT, "--backend"],
        ["check", CLIENT, "--init"],
        ["merge", CLIENT, "-o", "never.pcapng"],
        ["extract", CLIENT, "--pair", "1", "-o", "never.pcapng"],
        ["redact", "-o", "never"],
    ],
)
def test_ten_thousand_captures_are_refused_before_one_is_read(
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """None of them is there, and that is not said."""
    monkeypatch.chdir(tmp_path)
    assert run([*words, *(f"{k}.pcap" for k in range(10_000))]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "captures are more than the 1000 that lbtrace takes at once" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["show"], ["redact", "-o", "never"], ["compare", CLIENT]])
def test_so_are_those_in_directories(
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for k in range(1001):
        (many / f"{k}.pcap").symlink_to(CLIENT)
    monkeypatch.chdir(tmp_path)
    assert run([*command, str(many)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "captures are more than the 1000 that lbtrace takes at once" in err


def test_so_are_those_of_a_folder_of_diff(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for k in range(1001):
        (tmp_path / f"backend{k}.pcap").symlink_to(BACKEND)
    (tmp_path / "client.pcap").symlink_to(CLIENT)
    assert run(["diff", str(tmp_path), str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "1002 captures are more than the 1000" in err


@pytest.mark.parametrize("command", ["diff", "fleet", "explain"])
def test_ten_thousand_words_too_many_are_not_all_repeated(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, *(f"{k}.pcap" for k in range(10_000))]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert len(err) < 500
    assert " …. See lbtrace" in err


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["check", CLIENT, BACKEND, "--expect"], "check"),
        ([CLIENT, BACKEND, "--keylog"], "compare"),
        (["--nonsense"], ""),
    ],
)
def test_an_option_without_its_value_names_the_help_of_its_command(
    words: list[str], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert capsys.readouterr().err.endswith(f" See lbtrace {command} --help.\n".replace("  ", " "))


TELLING = [["profiles"], ["explain", "retries"], ["demo", "--list"], ["--help"], ["show", CLIENT]]


def told(words: list[str], out: IO[str] | int) -> tuple[int, str]:
    """The exit code and what was complained of, with this standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "lbtrace", *words],
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device is here")
@pytest.mark.parametrize("words", TELLING)
def test_a_full_disk_is_one_line(words: list[str]) -> None:
    said = "lbtrace: Cannot write to standard output: No space left on device.\n"
    with open("/dev/full", "w") as full:
        assert told(words, full) == (2, said)


@pytest.mark.parametrize("words", TELLING)
def test_a_reader_that_has_seen_enough_is_no_failed_expectation(words: list[str]) -> None:
    """Exit code 1 says that an expectation failed."""
    read, write = os.pipe()
    os.close(read)
    assert told(words, write) == (0, "")
    os.close(write)


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit is here")
def test_too_few_files_may_be_open(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("lbtrace.cli.cli.main", refused)
    assert run(["profiles"]) == 2
    assert capsys.readouterr().err == (
        "lbtrace: more files are open than the system allows. Allow more: ulimit -n 1024.\n"
    )
