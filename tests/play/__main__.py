"""`python -m tests.play [--plays N] [--write]`: the accuracy of the pairing, scenario by scenario,
against the truth of the plays.

With --write the table goes into docs/accuracy.md between its markers. Confident mistakes are
printed as they are found.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lbtrace.correlate import correlate
from lbtrace.options import DEFAULT
from tests.play.cast import Play
from tests.play.chance import any_play
from tests.play.scenarios import SCENARIOS
from tests.play.score import Score, score

PAGE = Path(__file__).parents[2] / "docs" / "accuracy.md"
HEAD = (
    "| scenario | exchanges | precision | alone | in a set | low | missed | connections | "
    "wrong |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def row(what: str, s: Score) -> str:
    """One line of the table."""
    share = [
        f"{100 * n / s.caused:.1f} %" if s.caused else "–"
        for n in (s.right, s.grouped, s.unsure, s.missed)
    ]
    precision = f"{100 * s.precision:.1f} %" if s.right + s.wrong else "–"
    mates = f"{s.mates_found} of {s.mates}" if s.mates_found else "–"
    wrong = (
        s.wrong + s.wrong_groups + s.mates_wrong + s.reasons_wrong + s.own_wrong + s.checks_wrong
    )
    return f"| {what} | {s.caused} | {precision} | {' | '.join(share)} | {mates} | {wrong} |"


def judge(play: Play, name: str) -> Score:
    """Perform, pair, score."""
    shown = play.perform()
    counted, said = score(shown, correlate(shown.clients, shown.backends, DEFAULT))
    for line in said:
        print(f"  {name}: {line}")
    return counted


def main() -> None:
    """Print the table, or write it into the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plays", type=int, default=500)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    lines = [HEAD]
    for name, make in SCENARIOS.items():
        lines.append(row((make.__doc__ or name).split("\n")[0], judge(make(), name)))
    total = Score()
    for seed in range(asked.plays):
        counted = judge(any_play(seed), f"chance {seed}")
        for field in Score.__slots__:
            setattr(total, field, getattr(total, field) + getattr(counted, field))
    lines.append(
        row(
            f"**{asked.plays} plays drawn at random** (loss up to 10 %, cut windows, any balancer)",
            total,
        )
    )
    table = "\n".join(lines)
    print(table)
    if asked.write:
        before, _, rest = PAGE.read_text().partition("<!-- table -->")
        PAGE.write_text(
            before
            + "<!-- table -->\n"
            + table
            + "\n<!-- end -->"
            + rest.partition("<!-- end -->")[2]
        )


if __name__ == "__main__":
    main()
