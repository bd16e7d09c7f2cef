"""Directories of which nothing is left, and files that nobody else reads."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lbtrace.lab.scratch import (
    PREFIX,
    _place,
    hand_over,
    private_file,
    scratch_directory,
    shut,
    sweep,
)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of its own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_scratch_directory_goes_however_the_experiment_ends(
    temporary: Path, number: signal.Signals
) -> None:
    def ended() -> None:
        with scratch_directory() as scratch:
            (scratch / "keys.log").write_text("secret")
            assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
            os.kill(os.getpid(), number)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a background job
    try:
        with pytest.raises(KeyboardInterrupt):
            ended()
    finally:
        signal.signal(signal.SIGINT, before)
    assert list(temporary.iterdir()) == []


def test_the_next_run_removes_what_a_killed_one_left(temporary: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead, alive = (temporary / f"{PREFIX}{pid}-abc" for pid in (gone.pid, os.getpid()))
    other, link = temporary / f"{PREFIX}notes-1", temporary / f"{PREFIX}{gone.pid}-link"
    for directory in (dead, alive, other):
        directory.mkdir()
        (directory / "file").write_text("x")
    link.symlink_to(other)
    sweep()
    assert sorted(temporary.iterdir()) == sorted([alive, other, link])
    assert (other / "file").exists()


def test_keys_are_for_their_owner_alone(temporary: Path) -> None:
    path, target, link = temporary / "keys.log", temporary / "target", temporary / "link"
    path.write_text("old and long")
    path.chmod(0o644)
    with private_file(path) as file:
        file.write(b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o600)
    target.write_text("mine")
    link.symlink_to(target)
    with pytest.raises(OSError, match="link"):
        private_file(link)
    assert target.read_text() == "mine"


def test_what_is_kept_is_its_owners_alone(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("")
    target.chmod(0o644)
    kept = tmp_path / "kept"
    (kept / "logs").mkdir(parents=True, mode=0o777)
    for path in (kept / "client.pcap", kept / "logs" / "app.log"):
        path.write_text("")
        path.chmod(0o666)
    (kept / "link").symlink_to(target)
    shut(kept)
    modes = {p.relative_to(tmp_path).as_posix(): p.lstat().st_mode for p in kept.rglob("*")}
    assert {name: stat.S_IMODE(mode) for name, mode in modes.items() if name != "kept/link"} == {
        "kept/client.pcap": 0o600,
        "kept/logs": 0o700,
        "kept/logs/app.log": 0o600,
    }
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_under_sudo_a_recording_belongs_to_whoever_called_it(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app.log").write_text("")
    hand_over(tmp_path, {"SUDO_UID": "1234", "SUDO_GID": "2345"})
    for path in (tmp_path, *tmp_path.rglob("*")):
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


@pytest.mark.parametrize("environment", [{}, {"SUDO_UID": "1"}, {"SUDO_UID": "x", "SUDO_GID": "1"}])
def test_without_sudo_it_stays_where_it_is(tmp_path: Path, environment: dict[str, str]) -> None:
    owner = tmp_path.stat().st_uid
    hand_over(tmp_path, environment)
    assert tmp_path.stat().st_uid == owner


HOLDS = """
import sys
from lbtrace.lab.scratch import scratch_directory
with scratch_directory() as scratch:
    (scratch / "keys.log").write_text("secret")
    print(scratch, flush=True)
    sys.stdin.read()
"""


def private_mounts() -> bool:
    """Whether a process may have a file system of its own here."""
    return os.geteuid() == 0 and not subprocess.run(["unshare", "--mount", "true"]).returncode


@pytest.mark.skipif(not private_mounts(), reason="needs root and mount namespaces")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_of_a_process_that_is_ended(
    temporary: Path, number: signal.Signals
) -> None:
    """Not even by SIGKILL: nobody outside ever sees the files, and the kernel frees them."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        scratch = Path(process.stdout.readline().strip())
        inside = Path(f"/proc/{process.pid}/root") / scratch.relative_to("/")
        assert (inside / "keys.log").read_text() == "secret"
        assert not scratch.exists()
        process.send_signal(number)
    assert list(temporary.iterdir()) == []


def test_where_nobody_may_mount_the_temporary_folder_is_used(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    _place.cache_clear()
    try:
        with scratch_directory() as scratch:
            assert scratch.parent == temporary
    finally:
        _place.cache_clear()
    assert list(temporary.iterdir()) == []
