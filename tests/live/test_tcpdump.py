"""The script around tcpdump, run by a real shell; and what tcpdump's words mean."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.live import tcpdump
from lbtrace.live.tcpdump import TcpdumpCounts, command, counts, reason
from tests.live.programs import Programs

SHELLS = [shell for shell in ("/bin/dash", "/bin/bash", "/bin/busybox") if Path(shell).exists()]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    made = Programs(tmp_path)
    monkeypatch.setenv("PATH", made.path)
    (made.notes / "eth0.pcap").write_bytes(b"packets")
    return made


@contextmanager
def started(shell: str, own: str = "", filter_: str = "tcp") -> Iterator[subprocess.Popen[bytes]]:
    """It runs below the shell, and listens."""
    words = command("eth0", filter_).words(own)
    with_shell = [shell, *(["sh"] if "busybox" in shell else []), *words[1:]]
    pipe = subprocess.PIPE
    with subprocess.Popen(with_shell, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stderr is not None
        assert b"listening on" in process.stderr.readline()
        yield process


@pytest.mark.parametrize("shell", SHELLS)
def test_it_ends_when_its_input_is_closed(shell: str, programs: Programs) -> None:
    with started(shell) as process:
        out, said = process.communicate(timeout=10)
        assert (process.returncode, out) == (0, b"packets")
    assert counts(said.decode().splitlines()) == TcpdumpCounts(7, 10, 3)
    assert not programs.runs("eth0")


@pytest.mark.parametrize("shell", SHELLS)
def test_it_ends_when_it_is_told_to(shell: str, programs: Programs) -> None:
    with started(shell) as process:
        process.terminate()
        assert process.wait(10) == 0
    assert not programs.runs("eth0")


def test_it_ends_as_tcpdump_does(programs: Programs) -> None:
    with started("/bin/sh") as process:
        (programs.notes / "eth0.dies").touch()
        assert process.wait(10) == 1  # nobody closed its input
        said = process.communicate()[1]
    assert said == b"tcpdump: pcap_loop: The interface disappeared\n"


@pytest.mark.parametrize(
    ("own", "left_out"),
    [
        ("192.0.2.1 51234 198.51.100.7 22", "host 192.0.2.1 and port 51234"),
        ("fe80::1%eth0 51234 fe80::2%eth0 22", "host fe80::1 and port 51234"),
    ],
)
def test_the_connection_that_carries_the_packets_is_not_captured(
    own: str, left_out: str, programs: Programs
) -> None:
    with started("/bin/sh", own, "port 80 or port 81") as process:
        process.communicate(timeout=10)
    assert programs.words("eth0")[-1] == f"(port 80 or port 81) and not (tcp and {left_out})"


def test_nothing_but_packets_and_full_ones_with_nanoseconds(programs: Programs) -> None:
    with started("/bin/sh") as process:
        process.communicate(timeout=10)
    assert programs.words("eth0") == [*tcpdump.PROGRAM[1:], "eth0", "--", "tcp"]
    assert {"-U", "--immediate-mode", "--time-stamp-precision=nano"} < set(tcpdump.PROGRAM)


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("tcpdump: eth0: You don't have permission to perform this capture", "--sudo"),
        ("(socket: Operation not permitted)", "--sudo"),
        ("Attempt to create packet socket failed - CAP_NET_RAW may be required", "--sudo"),
        ("tcpdump: eth9: No such device exists", "tcpdump -D"),
        ("lbtrace: 1: tcpdump: not found", "Install tcpdump"),
        ("sudo: a password is required", "NOPASSWD"),
        ("tcpdump: can't parse filter expression: syntax error", "--filter"),
    ],
)
def test_a_failure_has_its_line_and_what_to_do(said: str, advice: str) -> None:
    found = reason(["WARNING: something", said, "0 packets captured"], 1, ())
    assert found[0] == said.rstrip(".")
    assert advice in found[1]


def test_an_unknown_failure_is_told_by_its_last_words_or_its_exit_code() -> None:
    assert reason(["tcpdump: listening on any", "odd", "0 packets captured"], 3, ()) == ("odd", "")
    assert reason([], 137, ()) == ("it ended with exit code 137", "")
    assert len(reason(["x" * 5000], 1, ())[0]) == tcpdump.MOST + 1


def test_the_hints_of_a_place_come_first() -> None:
    assert reason(["tcpdump: not found"], 127, [("not found", "mine")])[1] == "mine"


@given(st.lists(st.text(max_size=60)))
def test_words_that_count_nothing_count_nothing(said: list[str]) -> None:
    assert counts([f"{line} " for line in said]) == TcpdumpCounts()
    assert TcpdumpCounts().lost is None


def test_what_is_dropped_is_lost_wherever_it_was() -> None:
    said = ["1 packet captured", "1 packet dropped by kernel", "2 packets dropped by interface"]
    assert counts(said).lost == 3
    assert counts(["0 packets dropped by kernel"]).lost == 0
