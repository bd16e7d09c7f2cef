"""No small capture costs a reader minutes or gigabytes, whatever is in it.

All are read one after the other by one child process, which is killed where a careless reader would
take the machine with it. The limits are those of the promise (5 s, 1 GB); what is spent is a tenth
of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.captures.hostile import CAPTURES

SECONDS, MEGABYTES = 5.0, 1000

CHILD = """
import json, resource, sys, time
resource.setrlimit(resource.RLIMIT_CPU, (300, 300))
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
from lbtrace import pipeline
for path in sys.stdin.read().split():
    begun = time.process_time()
    trace = pipeline.inspect([path])
    peak = int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))) // 1024
    counts = trace.packets
    print(json.dumps({
        "seconds": time.process_time() - begun, "peak": peak, "read": counts.read, "decoded": counts.decoded,
        "skipped": sum(n for _, n in counts.skipped),
    }), flush=True)
"""  # noqa: E501


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_no_capture_hangs_or_swells(tmp_path: Path) -> None:
    paths = [tmp_path / str(i) for i in range(len(CAPTURES))]
    for path, made in zip(paths, CAPTURES.values(), strict=True):
        path.write_bytes(made())
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        input="\n".join(map(str, paths)),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    lines = child.stdout.splitlines()
    assert len(lines) == len(CAPTURES), (
        f"died of {list(CAPTURES)[len(lines)]}: {child.stderr[-2000:]}"
    )
    for name, told in zip(CAPTURES, map(json.loads, lines), strict=True):
        assert told["seconds"] < SECONDS, name
        assert told["peak"] < MEGABYTES, name
        assert told["read"] == told["decoded"] + told["skipped"], name
