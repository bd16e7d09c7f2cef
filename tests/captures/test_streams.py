"""The filter that a zoom names for a connection finds that connection in Wireshark."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lbtrace import inspect

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = sorted((ROOT / "samples").glob("*/*.pcap"))


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_wireshark_numbers_connections_as_we_do(path: Path) -> None:
    done = subprocess.run(
        [
            "tshark",
            "-r",
            path,
            "-Y",
            "tcp",
            "-T",
            "fields",
            "-e",
            "frame.number",
            "-e",
            "tcp.stream",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    stream = dict(line.split("\t") for line in done.stdout.splitlines())
    connections = inspect(path).connections
    assert [stream[str(c.first_frame)] for c in connections] == [str(c.id) for c in connections]
