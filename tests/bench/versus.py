"""This lbtrace beside an older one: the same work by turns, and the median of the ratios.

On a machine where others work too, CPU seconds vary by a fifth from minute to minute. What runs at
the same time varies alike: so old and new take turns, each pair of runs gives one ratio, and the
median of seven is good to a few percent. Which of both comes first changes from pair to pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from tests.bench.measure import MarkdownTable, run, seconds
from tests.bench.programs import lbtrace

TURNS = 7
COLUMNS = ("what", "before", "now", "now ÷ before, median", "least", "most")


class Versus:
    """The table; `python`: the interpreter of an environment in which the older lbtrace is
    installed.
    """

    def __init__(self, python: str) -> None:
        # -P: not the lbtrace of the working directory
        self.old = [python, "-P", "-m", "lbtrace"]
        said = run([*self.old, "--version"])
        if said.status:
            raise SystemExit(f"--versus {python}: it cannot run lbtrace (exit {said.status}).")
        self.table = MarkdownTable(f"Now beside before, {TURNS} pairs of runs", COLUMNS)

    def row(self, title: str, arguments: Sequence[str]) -> None:
        """Measure one command of lbtrace with both."""
        old, new = [*self.old, *arguments], lbtrace(*arguments)
        before, now = list[float](), list[float]()
        for turn in range(TURNS):
            for command, costs in ((old, before), (new, now))[:: -1 if turn % 2 else 1]:
                cost = run(command)
                if cost.status:
                    raise SystemExit(f"{' '.join(command)}: exit {cost.status}.")
                costs.append(cost.cpu_s)
        ratios = [new_s / old_s for old_s, new_s in zip(before, now, strict=True)]
        figures = [seconds(median(before)), seconds(median(now))]
        figures += [f"{value:.2f}" for value in (median(ratios), min(ratios), max(ratios))]
        self.table.row(title, dict(zip(COLUMNS[1:], figures, strict=True)))
