"""All places together: each of them fails, ends, and is ended."""

from __future__ import annotations

import os
import signal
import stat
import threading
from pathlib import Path

import pytest

from lbtrace.ending import Ended, told_to_end
from lbtrace.errors import InputError, OptionError
from lbtrace.live import session as room
from lbtrace.live.place import place
from lbtrace.live.session import Session, WantedCapture, private_new_file
from lbtrace.live.tcpdump import TcpdumpCounts
from tests.live.programs import Programs

BOTH = [
    WantedCapture("client", place("local:front")),
    WantedCapture("backend", place("docker:web:back")),
]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    (tmp_path / "bin").mkdir()
    made = Programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", made.path)
    for interface in ("front", "back"):
        (made.notes / f"{interface}.pcap").write_bytes(b"packets")
    return made


def test_all_listen_inside_and_none_runs_afterwards(programs: Programs, tmp_path: Path) -> None:
    with Session(BOTH, "tcp", tmp_path / "out", sudo=False) as session:
        assert [tap.runs and tap.listens for tap in session.taps] == [True, True]
        session.wait(0.05)
    assert session.counts() == [TcpdumpCounts(7, 10, 3)] * 2
    assert session.raw("backend").read_bytes() == b"packets"
    assert not programs.runs("front")
    assert not programs.runs("back")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert stat.S_IMODE(session.raw("client").stat().st_mode) == 0o600


def test_a_place_that_fails_ends_the_others(programs: Programs, tmp_path: Path) -> None:
    (programs.notes / "back.fails").write_text("tcpdump: back: No such device exists\n")
    with (
        pytest.raises(InputError) as found,
        Session(BOTH, "tcp", tmp_path / "out", sudo=False),
    ):
        raise AssertionError
    assert found.value.message == "docker:web:back: tcpdump: back: No such device exists."
    assert "tcpdump -D" in found.value.hint
    assert not programs.runs("front")
    assert not (tmp_path / "out").exists()


def test_a_link_that_leads_nowhere_is_a_file_that_is_there(
    programs: Programs, tmp_path: Path
) -> None:
    (tmp_path / "backend.pcap").symlink_to(tmp_path / "nowhere")
    with (
        pytest.raises(OptionError, match=r"it has a backend\.pcap"),
        Session(BOTH, "tcp", tmp_path, sudo=False),
    ):
        raise AssertionError
    assert not programs.runs("front")
    assert os.path.lexists(tmp_path / "backend.pcap")
    assert not (tmp_path / "client.pcap").exists()


def test_a_file_that_came_in_between_stays(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"

    def late(path: Path) -> int:
        if path.name == "backend.pcap":
            path.write_text("mine")
        return private_new_file(path)

    monkeypatch.setattr(room, "private_new_file", late)
    with (
        pytest.raises(InputError, match=r"out/backend\.pcap: File exists"),
        Session(BOTH, "tcp", folder, sudo=False),
    ):
        raise AssertionError
    assert not programs.runs("front")
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [
        ("backend.pcap", "mine")
    ]


def test_a_program_that_is_not_there(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.unlink(programs.folder / "docker")
    monkeypatch.setenv("PATH", f"{programs.folder}:/bin")
    with (
        pytest.raises(InputError, match="docker cannot be started: No such file"),
        Session(BOTH, "tcp", tmp_path / "out", sudo=False),
    ):
        raise AssertionError
    assert not programs.runs("front")


def test_a_place_that_never_listens(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "START_SECONDS", 0.2)
    (programs.folder / "docker").write_text("#!/bin/sh\nexec cat\n")
    with (
        pytest.raises(InputError, match="docker:web:back: tcpdump does not listen after"),
        Session(BOTH, "tcp", tmp_path / "out", sudo=False),
    ):
        raise AssertionError
    assert not programs.runs("front")


def test_a_place_that_ends_by_itself_is_an_error(programs: Programs, tmp_path: Path) -> None:
    with Session(BOTH, "tcp", tmp_path / "out", sudo=False) as session:
        (programs.notes / "back.dies").touch()
        with pytest.raises(InputError, match="The interface disappeared"):
            session.wait(None)
    assert not programs.runs("front")
    assert session.raw("client").read_bytes() == b"packets"


def test_ctrl_c_ends_the_capture_and_nothing_else(programs: Programs, tmp_path: Path) -> None:
    with Session(BOTH, "tcp", tmp_path / "out", sudo=False) as session:
        later = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        later.start()
        session.wait(None)
    later.join()
    assert session.counts() == [TcpdumpCounts(7, 10, 3)] * 2


def _told(number: int, session: Session) -> None:
    os.kill(os.getpid(), number)
    session.wait(None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_told_to_end_is_not_ctrl_c(
    number: signal.Signals, programs: Programs, tmp_path: Path
) -> None:
    before = signal.getsignal(number)
    session = Session(BOTH, "tcp", tmp_path / "out", sudo=False)
    with pytest.raises(Ended), told_to_end(), session:
        _told(number, session)
    assert not programs.runs("front")
    assert signal.getsignal(number) is before


def test_a_capture_is_not_overwritten(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "backend.pcapng").write_bytes(b"mine")
    with pytest.raises(OptionError, match=r"it has a backend\.pcapng") as found:
        Session(BOTH, "tcp", tmp_path, sudo=False).__enter__()
    assert found.value.slug == "output-exists"
    assert not (programs.notes / "front.pid").exists()


def test_a_folder_that_was_there_stays(programs: Programs, tmp_path: Path) -> None:
    (programs.notes / "back.fails").write_text("no\n")
    (tmp_path / "out").mkdir(mode=0o755)
    with pytest.raises(InputError):
        Session(BOTH, "tcp", tmp_path / "out", sudo=False).__enter__()
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("where", ["no/such/folder", "a-file/in"])
def test_a_folder_that_cannot_be_made(where: str, programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    with pytest.raises(OptionError) as found:
        Session(BOTH, "tcp", tmp_path / where, sudo=False).__enter__()
    assert found.value.slug == "output-unwritable"
