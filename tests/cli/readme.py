"""The README's example output, as `lbtrace demo` prints it now. `python -m tests.cli.readme` writes
it; a test checks it is not stale.
"""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from lbtrace.cli import cli

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = (
    "<!-- demo-output: written by python -m tests.cli.readme -->\n",
    "<!-- /demo-output -->\n",
)
UNTIL = "Exchanges on one side only"  # the README shows the page up to here


def output() -> str:
    """The first part of what `lbtrace demo` prints in 80 columns."""
    done = CliRunner().invoke(
        cli, ["demo", "--width", "80"], env={"NO_COLOR": "1"}, catch_exceptions=False
    )
    return done.stdout.split(UNTIL)[0].rstrip()


def written(document: str) -> str:
    """The README with its example as it should be."""
    before, rest = document.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}```text\n{output()}\n```\n{END}{after}"


if __name__ == "__main__":
    README.write_text(written(README.read_text("utf-8")), "utf-8")
