"""`lbtrace capture` as it is typed, with programs that capture a sample wherever they are asked.

What those programs cannot show (real packets, a real sshd) is in tests/live/test_network.py.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lbtrace.cli import run
from tests.live.programs import Programs
from tests.render.test_masked import Planted, leaked, played

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples/nginx"
PLACES = ["--client", "local:front", "--backend", "docker:web:back", "--filter", "tcp"]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    (tmp_path / "bin").mkdir()
    made = Programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", made.path)
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.chdir(tmp_path)
    made.captures("front", SAMPLE / "client.pcap")
    made.captures("back", SAMPLE / "backend.pcap")
    return made


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lbtrace", "capture", *words],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_both_sides_are_captured_and_compared(
    programs: Programs, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["capture", *PLACES, "-o", "out", "--", "echo", "a request"]) == 0
    out, err = capfd.readouterr()
    assert out.startswith("a request\n")
    assert "L7 proxy, looks like nginx" in out
    again = "lbtrace compare out/client.pcapng out/backend.pcapng"
    assert f"In full: {again} --zoom " in out
    assert err.splitlines() == [
        "lbtrace: Listening: local:front, docker:web:back.",
        "lbtrace: local:front: 42 packets, 3 dropped → out/client.pcapng",
        "lbtrace: docker:web:back: 57 packets, 3 dropped → out/backend.pcapng",
        f"lbtrace: To compare them again: {again}",
    ]
    assert stat.S_IMODE(os.stat("out").st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in Path("out").iterdir()} == {0o600}


@pytest.mark.parametrize("form", ["terminal", "json", "html", "ndjson", "markdown", "github"])
def test_what_is_printed_shows_no_credential(
    form: str, programs: Programs, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    planted = Planted(3)
    client, *backends = map(Path, played(planted, tmp_path, 0.0))
    programs.captures("front", client)
    programs.captures("back", backends[0])
    assert run(["capture", *PLACES, "-o", "out", "--format", form, "-v", "--", "true"]) == 0
    assert leaked(planted.every, "".join(capfd.readouterr())) == []
    kept = Path("out/client.pcapng").read_bytes().decode("latin-1")
    assert leaked(planted.every, kept)  # the packets are as they were


def test_the_command_that_is_named_gives_the_same(
    programs: Programs, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["--format", "json", "--clock-offset", "1ms"]
    assert run(["capture", *PLACES, "-o", "o ut", *options, "--", "true"]) == 0
    first, err = capfd.readouterr()
    words = shlex.split(err.splitlines()[-1].partition("again: ")[2])
    assert words[-2:] == ["--clock-offset", "1ms"]
    assert run([*words[1:], "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out) == json.loads(first)


def test_what_tcpdump_dropped_is_in_the_report(
    programs: Programs, capfd: pytest.CaptureFixture[str]
) -> None:
    run(["capture", *PLACES, "--format", "json", "-v", "--", "true"])
    report = json.loads(capfd.readouterr().out)
    said = [said for each in report["captures"] for said in each["diagnostics"]]
    assert [d["count"] for d in said if d["slug"] == "capture-dropped"] == [3, 3]
    assert "capture-quality.dropped" in {f["slug"] for f in report["findings"]}


def test_without_a_directory_one_is_made_here(
    programs: Programs, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["capture", *PLACES, "--for", "50ms"]) == 0
    (made,) = Path.cwd().glob("capture-*Z")
    assert sorted(file.name for file in made.iterdir()) == ["backend.pcapng", "client.pcapng"]
    assert f"{made.name}/client.pcapng" in capfd.readouterr().err


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -9 $$", 137)])
def test_the_exit_code_of_the_command_is_that_of_lbtrace(
    script: str, code: int, programs: Programs, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["capture", *PLACES, "--", "sh", "-c", script]) == code
    out, err = capfd.readouterr()
    assert f"lbtrace: sh ended with exit code {code}." in err
    assert "L7 proxy" in out  # it is compared all the same


def test_several_places_of_a_side(programs: Programs, capfd: pytest.CaptureFixture[str]) -> None:
    programs.captures("front2", SAMPLE / "client.pcap")
    programs.captures("back2", ROOT / "samples/nginx-race/backend.pcap")
    places = [
        *("--client", "local:front", "netns:a:front2"),
        *("--backend", "kubectl:shop/web-0:back", "ssh://web/back2"),
    ]
    (programs.folder / "ip").write_text('#!/bin/sh\nshift 3\nexec "$@"\n')
    (programs.folder / "ip").chmod(0o755)
    told = ["--filter", "tcp", "-o", "out", "--format", "json", "--", "echo", "--client", "x", "y"]
    assert run(["capture", *places, *told]) == 0
    out, err = capfd.readouterr()
    first, _, rest = out.partition("\n")
    assert first == "--client x y"  # not taken for places
    sides = [each["side"] for each in json.loads(rest)["captures"]]
    assert sides == ["client", "backend", "backend"]  # twice the same packets are one capture
    assert (
        "lbtrace compare --client out/client.pcapng out/client2.pcapng "
        "--backend out/backend.pcapng out/backend2.pcapng"
    ) in err


def test_the_balancer_itself(programs: Programs, capfd: pytest.CaptureFixture[str]) -> None:
    both = [(ROOT / f"samples/nlb-like/{side}.pcap").read_bytes() for side in ("client", "backend")]
    (programs.notes / "any.pcap").write_bytes(both[0] + both[1][24:])
    port = ["--lb-port", "80"]
    assert (
        run(["capture", "--lb", "local:", "--filter", "tcp", "-o", "o", *port, "--", "true"]) == 0
    )
    assert "lbtrace compare --lb o/lb.pcapng --lb-port 80" in capfd.readouterr().err


def test_a_place_that_fails_before(programs: Programs, capfd: pytest.CaptureFixture[str]) -> None:
    words = "tcpdump: \x1b[31mback\x07: You don't have permission to capture on that device"
    (programs.notes / "back.fails").write_text(words)
    assert run(["capture", *PLACES, "-o", "out", "--", "touch", "ran"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err == (
        "lbtrace: docker:web:back: tcpdump: \\x1b[31mback\\x07: You don't have permission to "
        "capture on that device. The container needs the capability NET_RAW, and to run as root.\n"
    )
    assert not programs.runs("front")
    assert not Path("ran").exists()
    assert not Path("out").exists()


def test_a_place_that_fails_meanwhile(
    programs: Programs, capfd: pytest.CaptureFixture[str]
) -> None:
    die = f"touch {shlex.quote(str(programs.notes / 'back.dies'))}; sleep 0.2"
    assert run(["capture", *PLACES, "-o", "out", "--", "sh", "-c", die]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[1:] == [
        "lbtrace: local:front: 42 packets, 3 dropped → out/client.pcapng",
        "lbtrace: docker:web:back: 57 packets; whether tcpdump dropped some is not known → "
        "out/backend.pcapng",
        "lbtrace: To compare them again: lbtrace compare out/client.pcapng out/backend.pcapng",
        "lbtrace: docker:web:back: tcpdump: pcap_loop: The interface disappeared.",
    ]


def test_a_command_that_cannot_be_started_is_one_line(
    programs: Programs, capfd: pytest.CaptureFixture[str]
) -> None:
    script = Path("load").absolute()
    script.write_text("curl http://shop.example/\n")
    script.chmod(0o700)
    assert run(["capture", *PLACES, "-o", "out", "--", str(script)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert f"lbtrace: {script}: cannot be started: Exec format error. " in err.splitlines()[-1]
    assert not programs.runs("front")


@pytest.mark.parametrize(
    ("words", "slug"),
    [
        (["--filter", "tcp"], "needs a place of each side"),
        (["--client", "local:", "--filter", "tcp"], "needs a place of each side"),
        (["--client", "local:", "--backend", "local:"], "Missing option '--filter'"),
        ([*PLACES[:4], "--filter", " "], "--filter is empty"),
        ([*PLACES, "--for", "soon"], "--for soon: not a length of time"),
        ([*PLACES, "--for", "0s"], "--for 0s: not a length of time"),
        ([*PLACES, "--for", "-5s"], "not a length of time"),
        ([*PLACES, "--clock-offset", "x"], "--clock-offset x: not a time"),
        ([*PLACES, "--lb", "local:"], "--lb names a capture that holds both sides"),
        ([*PLACES, "--", "no-such-program-here"], "no-such-program-here: there is no such program"),
        (["--client", "web", "--backend", "local:", "--filter", "x"], "web: not a place"),
        ([*PLACES, "--client", *["local:"] * 65], "at most 64 places"),
    ],
)
def test_what_makes_no_sense(
    words: list[str], slug: str, programs: Programs, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["capture", *words]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert slug in err
    assert list(programs.notes.glob("*.pid")) == []


def heard() -> None:
    """The signals that end a program end it: `nohup` and background jobs ignore some."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def listening(*words: str) -> subprocess.Popen[str]:
    """A run of lbtrace that captures."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lbtrace", "capture", *PLACES, "-o", "out", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=heard,
    )
    assert process.stderr is not None
    assert "Listening" in process.stderr.readline()
    return process


def test_ctrl_c_ends_it_and_it_compares(programs: Programs) -> None:
    with listening() as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "lbtrace: Ctrl-C ends the capture.\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "L7 proxy" in out
    assert "3 dropped" in err


def test_ctrl_c_is_for_the_command_while_it_runs(programs: Programs) -> None:
    trap = "trap 'echo caught; exit 3' INT; touch runs; while :; do sleep 0.02; done"
    with listening("--", "sh", "-c", trap) as process:
        while not Path("runs").exists():
            assert process.poll() is None
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        shell = next(
            c for c in children if b"touch runs" in Path(f"/proc/{c}/cmdline").read_bytes()
        )
        for pid in (process.pid, int(shell)):  # as a terminal does: the whole group in front
            os.kill(pid, signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 3
    assert out.startswith("caught\n")
    assert "L7 proxy" in out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_told_to_end_it_leaves_nothing_running(number: signal.Signals, programs: Programs) -> None:
    with listening("--", "sleep", "1000") as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert "lbtrace compare out/client.pcapng out/backend.pcapng" in err
    assert not programs.runs("front")
    assert not programs.runs("back")


def test_killed_it_leaves_no_tcpdump_and_the_packets(programs: Programs) -> None:
    with listening() as process:
        process.kill()
        process.wait(10)
    assert not programs.runs("front")
    assert not programs.runs("back")
    assert Path("out/client.pcap").read_bytes() == (SAMPLE / "client.pcap").read_bytes()


def test_help_names_every_kind_of_place(capfd: pytest.CaptureFixture[str]) -> None:
    from lbtrace.live.place import kinds

    assert run(["capture", "--help"]) == 0
    told = capfd.readouterr().out
    for kind in kinds().values():
        assert kind.spelling in told
        assert kind.summary in told.replace("\n", " ") or kind.name == "netns"


TYPED = [
    line
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "docs/capture.md").read_text("utf-8"), re.S)
    for line in block.splitlines()
]


@pytest.mark.parametrize("line", TYPED)
def test_what_the_documentation_types_works(
    line: str, programs: Programs, capfd: pytest.CaptureFixture[str]
) -> None:
    for interface in ("eth0", "any"):
        programs.captures(interface, SAMPLE / "client.pcap")
    if "--lb" in line:
        both = [(ROOT / f"samples/nlb-like/{s}.pcap").read_bytes() for s in ("client", "backend")]
        (programs.notes / "any.pcap").write_bytes(both[0] + both[1][24:])
    (programs.folder / "curl").write_text("#!/bin/sh\necho hello\n")
    (programs.folder / "curl").chmod(0o755)
    words = shlex.split(line)
    for length in ("30s", "2m", "10s"):
        words = [word.replace(length, "50ms") for word in words]
    assert words[:2] == ["lbtrace", "capture"]
    assert run(words[1:]) == 0
    out, err = capfd.readouterr()
    assert ("hello\n" in out) == ("curl" in words)
    assert "lbtrace: To compare them again: lbtrace compare " in err


def test_the_documentation_names_every_place() -> None:
    from lbtrace.live.place import kinds

    page = (ROOT / "docs/capture.md").read_text("utf-8")
    assert [kind.spelling in page for kind in kinds().values()] == [True] * len(kinds())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_captures_are_those_of_whoever_called_sudo(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_UID", "1234")
    monkeypatch.setenv("SUDO_GID", "1235")
    Path("there").mkdir()
    Path("there/else").touch()
    for folder in ("made", "there"):
        assert run(["capture", *PLACES, "-o", folder, "--", "true"]) == 0
    owners = {
        path.as_posix(): path.stat().st_uid
        for folder in (Path("made"), Path("there"))
        for path in (folder, *folder.iterdir())
    }
    assert [path for path, owner in owners.items() if owner == 0] == ["there", "there/else"]
    assert set(owners.values()) == {0, 1234}
