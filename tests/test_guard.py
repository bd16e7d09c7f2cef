"""A capture that becomes shorter, or other, while a Python program reads it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lbtrace import guard
from lbtrace.capture import source
from lbtrace.errors import InputError
from tests.capture.files import pcap

DATA = pcap([(i * 1000, bytes(1000)) for i in range(300)])
READS = """
import os, signal, sys
import lbtrace
before = signal.getsignal(signal.SIGBUS)
from lbtrace.capture.source import open_source
data = open_source(sys.argv[1]).data
os.truncate(sys.argv[1], 100)
print(len(bytes(data)), signal.getsignal(signal.SIGBUS) is before)
"""


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which nothing handles SIGBUS."""
    monkeypatch.setattr(guard, "_handled", [False])


@pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="no signal tells of it here")
@pytest.mark.parametrize("limit", [1 << 30, 1000], ids=["in memory", "in a temporary file"])
def test_a_library_outlives_a_capture_that_becomes_shorter(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(DATA)
    program = READS.replace(
        "data =", f"import lbtrace.capture.source as s; s.COPIED_BYTES = {limit}\ndata ="
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"{len(DATA)} True\n"), done.stderr


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("limit", [1 << 30, 1000])
@pytest.mark.parametrize("kept", [0, 500, len(DATA) - 1])
def test_what_becomes_shorter_while_it_is_copied_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, kept: int
) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(DATA)
    size, asked = os.fstat, []

    def truncated(number: int) -> os.stat_result:
        """The second time is when the size of the copy is chosen."""
        found = size(number)
        asked.append(number)
        if asked.count(number) == 2:
            os.truncate(path, kept)
        return found

    monkeypatch.setattr(source, "COPIED_BYTES", limit)
    with monkeypatch.context() as patch:
        patch.setattr("os.fstat", truncated)
        with pytest.raises(InputError) as caught:
            source.open_source(str(path))
    assert caught.value.slug in ("input-changed", "input-empty")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("place", [0, 30, len(DATA) - 1])
def test_what_is_overwritten_while_it_is_copied_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(DATA)
    check = source._check_copy

    def late(*given: object) -> None:
        with path.open("r+b") as file:
            file.seek(place)
            file.write(b"\x55")
        check(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(source, "_check_copy", late)
    with pytest.raises(InputError) as caught:
        source.open_source(str(path))
    assert caught.value.slug == "input-changed"


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("limit", [1 << 30, 1000])
def test_a_copy_is_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(source, "COPIED_BYTES", limit)
    path = tmp_path / "a.pcap"
    path.write_bytes(DATA)
    assert source.open_source(str(path)).data == DATA
    guard.set_handled()
    assert source.open_source(str(path)).data == DATA
