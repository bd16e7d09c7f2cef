"""What README and lessons show of lbtrace, as it is printed now. `python -m tests.cli.readme`
writes it; tests check that it is not stale.

    <!-- printed: lbtrace demo nginx-race -q --width 80 -->          all that the command prints
    <!-- printed: lbtrace demo haproxy --zoom 1; Request head -->    the part with that heading
    <!-- /printed -->
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
PRINTED = re.compile(
    r"(?P<begin><!-- printed: (?P<command>[^;\n]+?)(?:; (?P<heading>[^\n]+?))? -->)\n"
    r"(?:.*?\n)??<!-- /printed -->",
    re.DOTALL,
)
BEGIN, END = (
    "<!-- demo-output: written by python -m tests.cli.readme -->\n",
    "<!-- /demo-output -->\n",
)


def output(command: str = "lbtrace demo") -> str:
    """What a command prints at the root of the checkout, on a page of 80 columns."""
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        cwd=README.parent,
        env={
            **os.environ,
            "NO_COLOR": "1",
            "PYTHONIOENCODING": "utf-8",
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "80",
        },
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout.strip("\n").rstrip()


def part(page: str, heading: str) -> str:
    """The part of a page with that heading; all of it for none."""
    parts = page.split("\n\n")
    return next(text for text in parts if text.startswith(heading)) if heading else page


def written(document: str) -> str:
    """The README with its example as it should be."""
    before, rest = document.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}```text\n{output()}\n```\n{END}{after}"


def printed(document: str) -> str:
    """A document with everything that it says is printed."""

    def block(found: re.Match[str]) -> str:
        text = part(output(found["command"]), found["heading"] or "")
        return f"{found['begin']}\n```text\n{text}\n```\n<!-- /printed -->"

    return PRINTED.sub(block, document)


if __name__ == "__main__":
    README.write_text(written(README.read_text("utf-8")), "utf-8")
    for document in (README.with_name("README.ko.md"), *README.parent.glob("docs/lessons/**/*.md")):
        document.write_text(printed(document.read_text("utf-8")), "utf-8")
