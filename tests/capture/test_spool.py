"""Temporary files: where they are, and how much they hold."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import NamedTuple

import pytest

from lbtrace.capture import spool
from tests.capture.files import pcap, read

DATA = pcap([(i * 1000, bytes(1000)) for i in range(100)])


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary folder in memory that has room for 50 packets, and no other folder."""
    monkeypatch.setattr(spool, "is_in_memory", lambda _folder: True)
    monkeypatch.setattr(spool, "MEMORY_BYTES", 50 * 1016 + 24)
    monkeypatch.setattr(spool, "_held", [0])


class Usage(NamedTuple):
    """Of a disk, in bytes."""

    total: int
    used: int
    free: int


@pytest.mark.usefixtures("in_memory")
def test_a_folder_in_memory_holds_no_more_than_its_limit(tmp_path: Path) -> None:
    recording = read(tmp_path, gzip.compress(DATA, mtime=0))
    assert recording.files[0].frames == 50
    assert [d.slug for d in recording.diagnostics] == ["temporary-space"]


@pytest.mark.parametrize("free", [0, 10, 1000, 100_000])
def test_a_file_on_a_disk_leaves_room(free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "is_in_memory", lambda _folder: False)
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: Usage(0, 0, free))
    with spool.Spool() as one:
        assert one.write(bytes(free * 9 // 10))
        assert not one.write(b"x")
        assert (one.written, one.full) == (free * 9 // 10, True)
        assert "nine tenths" in one.full_text("a.pcap")
        assert not one.write(b"x")


@pytest.mark.usefixtures("in_memory")
def test_the_limit_is_one_for_all_files() -> None:
    with spool.Spool() as one, spool.Spool() as other:
        assert one.write(bytes(50 * 1016))
        assert not other.write(bytes(100))
        assert (one.written, other.written, other.full) == (50 * 1016, 24, True)


@pytest.mark.usefixtures("in_memory")
def test_what_nobody_looks_at_any_more_holds_nothing() -> None:
    """A process that reads capture after capture has the whole room for each."""
    for _ in range(3):
        with spool.Spool() as one:
            assert one.write(bytes(50 * 1016))
            data = one.mapped()
        with spool.Spool() as other:
            assert not other.write(bytes(100))
        assert bytes(data[:2]) == bytes(2)
        data.release()
        del data
    with spool.Spool() as unread:
        assert unread.write(bytes(50 * 1016))
    assert spool._held == [0]


def test_another_folder_is_taken_where_files_would_be_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", "/tmp")
    monkeypatch.setattr(spool, "is_in_memory", lambda folder: folder == "/tmp")
    assert spool.folder() == (spool.ON_DISK if os.access(spool.ON_DISK, os.W_OK) else "/tmp")
    monkeypatch.setenv("TMPDIR", "/tmp")
    assert spool.folder() == "/tmp"


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="no file system in memory here")
def test_a_file_system_in_memory_is_known_as_such(tmp_path: Path) -> None:
    assert spool.is_in_memory("/dev/shm")
    assert not spool.is_in_memory("/nowhere at all")
