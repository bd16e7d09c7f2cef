"""`python -m tests.simulator [--simulations N] [--write]`: the accuracy of the pairing, scenario by
scenario, against the truth.

With --write the table goes into docs/accuracy.md between its markers. Confident mistakes are
printed as they are found.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from lbtrace.correlate import correlate
from lbtrace.model.pairing import Correlation, Tier
from lbtrace.options import DEFAULT
from tests.simulator.calibration import EVIDENCE, Calibration
from tests.simulator.random_simulations import random_simulation
from tests.simulator.roles import Simulation
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.score import Score, score

PAGE = Path(__file__).parents[2] / "docs" / "accuracy.md"
HEAD = (
    "| scenario | exchanges | precision | alone | in a set | low | missed | connections | "
    "wrong | decided by | clock |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|---|---|"
)


def row(what: str, s: Score, found: Correlation | None = None) -> str:
    """One line of the table; without `found` it is that of many simulations."""
    share = [
        f"{100 * n / s.caused:.1f} %" if s.caused else "–"
        for n in (s.right, s.grouped, s.unsure, s.missed)
    ]
    precision = f"{100 * s.precision:.1f} %" if s.right + s.wrong else "–"
    mates = f"{s.mates_found} of {s.mates}" if s.mates_found else "–"
    wrong = (
        s.wrong + s.wrong_groups + s.mates_wrong + s.reasons_wrong + s.own_wrong + s.checks_wrong
    )
    end = f"{_decided(found)} | {_clock(found)}" if found else "– | –"
    return (
        f"| {what} | {s.caused} | {precision} | {' | '.join(share)} | {mates} | {wrong} | {end} |"
    )


def row_of(name: str, found: Correlation, counted: Score) -> str:
    """The line of a scenario."""
    title = (SCENARIOS[name].__doc__ or name).partition("\n\n")[0]
    return row(" ".join(title.split()), counted, found)


def _decided(found: Correlation) -> str:
    """How many pairs are how sure, and by what evidence."""
    counted = Counter((p.confidence, p.tier) for p in found.pairs)
    in_order = sorted(counted, key=lambda key: (-key[0].rank, key[1]))
    return ", ".join(f"{counted[key]} {key[0]} ({SHORT[key[1]]})" for key in in_order) or "–"


def _clock(found: Correlation) -> str:
    """How narrow the widest clock is, and why others are not known."""
    known = [c.half_width_ns for c in found.clocks if not c.refused]
    refused = sorted({str(c.refused.value) for c in found.clocks if c.refused})
    width = [f"± {max(known) // 1000} µs"] if known else []
    return ", ".join(width + refused) or "–"


SHORT = EVIDENCE | {Tier.ORDER: "set"}


def judge(simulation: Simulation, name: str, calibration: Calibration) -> tuple[Score, Correlation]:
    """Run, pair, score."""
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    calibration.add(recorded, found)
    counted, said = score(recorded, found)
    for line in said:
        print(f"  {name}: {line}")
    return counted, found


def main() -> None:
    """Print the table, or write it into the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--simulations", type=int, default=500)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    lines, calibration = [HEAD], Calibration()
    for name, make in SCENARIOS.items():
        counted, found = judge(make(), name, calibration)
        lines.append(row_of(name, found, counted))
    total = Score()
    for seed in range(asked.simulations):
        counted, _ = judge(random_simulation(seed), f"chance {seed}", calibration)
        for field in Score.__slots__:
            setattr(total, field, getattr(total, field) + getattr(counted, field))
    lines.append(
        row(
            f"**{asked.simulations} simulations drawn at random** (loss up to 10 %, cut windows, "
            "any balancer)",
            total,
        )
    )
    table = "\n".join(lines)
    print(table, calibration.table(), sep="\n\n")
    if asked.write:
        page = _with(PAGE.read_text(), "table", "end", table)
        PAGE.write_text(_with(page, "calibration", "end of calibration", calibration.table()))


def _with(page: str, begin: str, end: str, table: str) -> str:
    """A page with a table between its markers."""
    before, _, rest = page.partition(f"<!-- {begin} -->")
    _, _, after = rest.partition(f"<!-- {end} -->")
    return f"{before}<!-- {begin} -->\n{table}\n<!-- {end} -->{after}"


if __name__ == "__main__":
    main()
