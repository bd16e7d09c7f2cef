"""What only Linux or POSIX has is not needed to compare captures and to write the result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.cli.captures import SAMPLES

# what Python on Windows does not have (docs.python.org: "Availability: Unix"), taken away before
# lbtrace is loaded
WITHOUT = """
import os, select, signal, sys
for held, names in (
    (os, "fork memfd_create geteuid fchown fchmod O_NOFOLLOW sched_getaffinity sysconf sendfile"),
    (signal, "SIGHUP SIGBUS SIGALRM setitimer"),
    (select, "PIPE_BUF"),
):
    for name in names.split():
        delattr(held, name)
sys.modules["resource"] = None
from lbtrace.cli import main
main()
"""


def test_compare_and_a_file_for_the_result_need_nothing_of_posix(tmp_path: Path) -> None:
    captures = [str(SAMPLES / f"nginx/{side}.pcap") for side in ("client", "backend")]
    report = tmp_path / "report.json"
    words = ["compare", *captures, "--jobs", "2", "--format", "json", "-o", str(report)]
    for _ in range(2):  # a new file, and one that is replaced
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT, *words], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(report.read_text())["format"] == "lbtrace-report"
