"""A second process that compares the same captures under another hash seed.

What it writes must be what the first one writes, to the byte. It reads lines of JSON, the paths of
a comparison, and answers each with a digest of the page and of the JSON.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache

from lbtrace.errors import InputError
from lbtrace.model.report import Report
from lbtrace.options import Options
from lbtrace.pipeline import compare
from lbtrace.render import Detail, View, get_format

Paths = Sequence[Sequence[str]]
SEEDS = ("1", "2")


def written(report: Report) -> str:
    """The JSON of a report."""
    out = io.StringIO()
    get_format("json").write_report(report, out, View())
    return out.getvalue()


def page(report: Report) -> str:
    """The page of a report, with everything on it."""
    out = io.StringIO()
    get_format("terminal").write_report(report, out, View(detail=Detail.EVERYTHING))
    return out.getvalue()


def digest(clients: Paths, backends: Paths, stated_ns: int | None) -> str:
    """What a comparison writes, in short; the error where it is one."""
    try:
        report = compare(clients, backends, Options(clock_offset_ns=stated_ns))
    except InputError as error:
        return str(error)
    return digest_of(written(report), page(report))


def digest_of(*texts: str) -> str:
    """Texts in short."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()


class Twin:
    """The process."""

    def __init__(self) -> None:
        seed = SEEDS[os.environ.get("PYTHONHASHSEED") == SEEDS[0]]
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": seed},
            text=True,
        )
        atexit.register(self.process.kill)

    def ask(self, clients: Paths, backends: Paths, stated_ns: int | None) -> None:
        """Give it captures to compare."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([clients, backends, stated_ns]) + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        """What came of them."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@cache
def twin() -> Twin:
    """The one of this process."""
    return Twin()


def main() -> None:
    """Answer until nobody asks."""
    for line in sys.stdin:
        print(json.dumps(digest(*json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
