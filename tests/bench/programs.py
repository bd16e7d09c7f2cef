"""The programs that the benchmark compares, and how each is asked to read a capture."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

TSHARK_FIELDS = (
    "frame.number",
    "tcp.stream",
    "http.request.method",
    "http.request.uri",
    "http.response.code",
    "http.content_length",
)
FLOOR = Path(__file__).with_name("floor.c")
NAMES = ("lbtrace", "page", "floor", "tshark", "tcpdump", "tcptrace", "dpkt")
# floor.c, tcptrace and the loop read no HTTP/2: what they would cost there says nothing
NO_HTTP2 = {"floor", "tcptrace", "dpkt"}


def lbtrace(*arguments: str) -> list[str]:
    """The command of this checkout."""
    return [sys.executable, "-m", "tests.bench.show", *arguments]


def commands(capture: Path, floor: str | None) -> dict[str, list[str]]:
    """Name → command; `floor`: the program that `built_floor` made."""
    fields = [word for name in TSHARK_FIELDS for word in ("-e", name)]
    return {
        "lbtrace": lbtrace("show", str(capture), "--format", "json"),
        "page": lbtrace("show", str(capture)),
        "floor": [floor or "floor", str(capture)],
        "tshark": ["tshark", "-2", "-n", "-r", str(capture), "-Y", "http || http2", "-T", "fields",
                   *fields],
        "tcpdump": ["tcpdump", "-r", str(capture), "-w", "/dev/null"],
        "tcptrace": ["tcptrace", "-n", str(capture)],
        "dpkt": [sys.executable, "-m", "tests.bench.dpkt_loop", str(capture)],
    }  # fmt: skip


def built_floor(folder: Path) -> str | None:
    """floor.c as a program in this folder; None without a C compiler."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        return None
    program = folder / "floor"
    options = ["-O2", "-D_GNU_SOURCE", "-o", str(program), str(FLOOR)]
    done = subprocess.run([compiler, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{FLOOR} does not compile:\n{done.stderr}")
    return str(program)


def missing(floor: str | None) -> Iterator[tuple[str, str]]:
    """The programs that cannot be run here: name, and why."""
    if floor is None:
        yield "floor", "no C compiler"
    for name in ("tshark", "tcpdump", "tcptrace"):
        if shutil.which(name) is None:
            yield name, "not installed"
    if importlib.util.find_spec("dpkt") is None:
        yield "dpkt", "not installed"
