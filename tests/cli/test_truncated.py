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
