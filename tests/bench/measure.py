"""What one process costs, and a table of such costs that can be pasted into a page.

CPU time is user + system time of the process and of its children (wait4), memory the peak resident
set. Output is thrown away.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """What one process took. `status` is its exit code. `anonymous_bytes`: the most memory it had
    that is no part of a file, as far as looking every hundredth of a second shows; 0 where the
    system does not tell.
    """

    cpu_s: float
    peak_bytes: int
    status: int
    anonymous_bytes: int = 0

    @property
    def note(self) -> str:
        """What to write behind a figure of a program that failed."""
        return f" (exit {self.status})" if self.status else ""


def run(command: Sequence[str]) -> Cost:
    """Run it, output thrown away."""
    pid = os.fork()
    if pid == 0:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        try:
            os.execvp(command[0], list(command))
        except OSError:
            os._exit(127)
    anonymous = 0
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        anonymous = max(anonymous, _anonymous_bytes(pid))
        time.sleep(0.01)
    return Cost(
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * 1024,
        os.waitstatus_to_exitcode(status),
        anonymous,
    )


def _anonymous_bytes(pid: int) -> int:
    """Memory of a process that is no part of a file, now."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(found[0]) * 1024 if found else 0


class MarkdownTable:
    """A table in Markdown, printed row by row. All columns but the first hold figures."""

    def __init__(self, title: str, columns: Sequence[str]) -> None:
        self.columns = columns
        print(f"\n## {title}\n")
        self._print(columns)
        self._print(["---", *["---:"] * (len(columns) - 1)])

    def row(self, first: str, figures: Mapping[str, str]) -> None:
        """One row; a column that is not among the figures stays empty."""
        unknown = figures.keys() - set(self.columns)
        assert not unknown, unknown
        self._print([first, *(figures.get(name, "") for name in self.columns[1:])])

    def _print(self, cells: Sequence[str]) -> None:
        print(f"| {' | '.join(cells)} |", flush=True)


def thousands(value: int) -> str:
    """1234567 → "1 234 567"."""
    return f"{value:,}".replace(",", " ")


def seconds(value: float) -> str:
    """Two digits that say something."""
    return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"


def ratio(value: float) -> str:
    """Two digits that say something."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
