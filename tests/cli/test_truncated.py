"""A capture that becomes shorter while it is read: one line, exit code 2, no signal."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

READS = """
import os, sys
from lbtrace.capture.source import open_source
from lbtrace.cli.truncated import tell_truncation
tell_truncation(2)
source = open_source(sys.argv[1])
os.truncate(sys.argv[1], 100)
print(sum(bytes(source.data)))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="no signal tells of it here")
def test_a_capture_that_becomes_shorter_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(bytes(1 << 20))
    done = subprocess.run(
        [sys.executable, "-c", READS, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == f"lbtrace: {path}: became shorter while it was read. Copy it first.\n"
    assert done.stdout == ""


WRITES = """
import os, sys
from lbtrace.capture.source import open_source
from lbtrace.cli.atomic import replaced
from lbtrace.cli.truncated import tell_truncation
tell_truncation(2)
source = open_source(sys.argv[1])
with replaced(sys.argv[2]) as out:
    out.write("half of it")
    out.flush()
    os.truncate(sys.argv[1], 100)
    out.write(str(sum(bytes(source.data))))
"""
HELPS = """
import os, sys
from lbtrace.capture.source import open_source
from lbtrace.cli.truncated import tell_truncation
tell_truncation(2)
source = open_source(sys.argv[1])
os.truncate(sys.argv[1], 100)
helper = os.fork()
if not helper:
    print(sum(bytes(source.data)))
print(os.waitstatus_to_exitcode(os.waitpid(helper, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="no signal tells of it here")
def test_nothing_is_left_of_a_file_that_was_being_written(tmp_path: Path) -> None:
    path, result = tmp_path / "a.pcap", tmp_path / "result.json"
    path.write_bytes(bytes(1 << 20))
    result.write_text("the one before")
    done = subprocess.run(
        [sys.executable, "-c", WRITES, str(path), str(result)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pcap", "result.json"]
    assert result.read_text() == "the one before"


@pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="no signal tells of it here")
def test_a_process_that_helps_ends_without_a_word(tmp_path: Path) -> None:
    """Who started it does its work, and tells."""
    path = tmp_path / "a.pcap"
    path.write_bytes(bytes(1 << 20))
    done = subprocess.run(
        [sys.executable, "-c", HELPS, str(path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")
