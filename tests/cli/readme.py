"""The README's example output, as `lbtrace demo` prints it now. `python -m tests.cli.readme` writes
it; a test checks it is not stale.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = (
    "<!-- demo-output: written by python -m tests.cli.readme -->\n",
    "<!-- /demo-output -->\n",
)


def output() -> str:
    """What `lbtrace demo` prints in 80 columns."""
    done = subprocess.run(
        [sys.executable, "-m", "lbtrace", "demo", "--width", "80"],
        cwd=README.parent,
        env={**os.environ, "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout.rstrip()


def written(document: str) -> str:
    """The README with its example as it should be."""
    before, rest = document.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}```text\n{output()}\n```\n{END}{after}"


if __name__ == "__main__":
    README.write_text(written(README.read_text("utf-8")), "utf-8")
