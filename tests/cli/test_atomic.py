"""-o FILE: replaced as a whole or left as it was, and never an input."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lbtrace.cli import run
from lbtrace.cli.atomic import replaced
from tests.golden import SAMPLES

CLIENT = str(SAMPLES / "alb-like" / "client.pcap")


def write(path: Path, text: str, error: BaseException | None = None) -> None:
    """Write a text to a file, and then fail."""
    with replaced(str(path)) as out:
        out.write(text)
        if error is not None:
            raise error


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt(), MemoryError()])
def test_a_file_stays_as_it_was_when_writing_fails(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "report"
    path.write_text("old")
    with pytest.raises(type(error)):
        write(path, "new", error)
    assert path.read_text() == "old"
    with pytest.raises(type(error)):
        write(tmp_path / "other", "new", error)
    assert os.listdir(tmp_path) == ["report"]


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "report", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    write(link, "new")
    assert link.is_symlink()
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o640)
    mask = os.umask(0o027)
    try:
        write(tmp_path / "fresh", "new")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == 0o640


def test_a_fifo_and_a_device_are_written_to(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(path.read_text()))
    reader.start()
    write(path, "new")
    reader.join()
    assert got == ["new"]
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert run(["show", CLIENT, "-o", "/dev/null"]) == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_standard_input_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(Path(CLIENT).read_bytes())
    with path.open("rb") as given:
        done = subprocess.run(
            [sys.executable, "-m", "lbtrace", "show", "-", "-o", str(path)],
            stdin=given,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "this is one of the captures" in done.stderr
    assert path.read_bytes() == Path(CLIENT).read_bytes()
