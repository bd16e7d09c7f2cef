"""`python -m tests.mutation PACKAGE… --seed S --count N`: plant faults in a copy of the tree, and
see whether the tests catch them.

A fault in a room must be caught by the tests of that room: those in its folder. The map from lines
to tests is made once for each state of the room and its tests, and kept in `.mutation/`.
`--json FILE` keeps the results, `--floor 85` fails below that share, `--total` draws N mutants from
all packages together, `--again FILE` runs the survivors of an earlier run again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.mutation.equivalent import reason
from tests.mutation.operators import Mutant, mutants
from tests.mutation.reach import ROOT, the_map
from tests.mutation.run import BUDGET_SECONDS, Result, run

NOTICED = ("caught", "timed out")


def files(package: str) -> list[Path]:
    """The files of a package, or the module."""
    folder = ROOT / "lbtrace" / package
    found = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    return [file for file in found if file.name != "__main__.py"]


def drawn(package: str, seed: int, count: int) -> list[Mutant]:
    """`count` mutants of a package, or all if there are fewer."""
    found = [mutant for file in files(package) for mutant in mutants(file, ROOT)]
    return sorted(found, key=lambda mutant: mutant.rank(seed))[:count]


def score(results: Sequence[Result]) -> tuple[int, int]:
    """How many were noticed, of how many that could be."""
    live = [r for r in results if r.outcome != "equivalent"]
    return sum(r.outcome in NOTICED for r in live), len(live)


def show(result: Result) -> None:
    """A line for each mutant, and what it is when nothing caught it."""
    mutant = result.mutant
    print(f"{result.outcome:12}{mutant.path}:{mutant.line}  {result.by}", flush=True)
    if result.outcome not in NOTICED:
        print(f"            {mutant.scope}: {mutant.operator}")
        print(f"            - {mutant.before}\n            + {mutant.after}", flush=True)


def as_json(package: str, seed: int, results: Sequence[Result]) -> dict[str, object]:
    """The result of a package, as it is kept."""
    noticed, of = score(results)
    return {
        "package": package,
        "seed": seed,
        "mutants": len(results),
        "outcomes": dict(Counter(r.outcome for r in results)),
        "noticed": noticed,
        "of": of,
        "left": [
            {
                "place": f"{r.mutant.path}:{r.mutant.line}",
                "scope": r.mutant.scope,
                "operator": r.mutant.operator,
                "outcome": r.outcome,
                "before": r.mutant.before,
                "after": r.mutant.after,
                "reason": r.by,
            }
            for r in results
            if r.outcome not in NOTICED
        ],
    }


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("packages", nargs="+", metavar="PACKAGE")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--budget", type=float, default=BUDGET_SECONDS)
    parser.add_argument("--floor", type=float, default=0.0, metavar="PERCENT")
    parser.add_argument("--total", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--again", type=Path)
    asked = parser.parse_args()
    share = max(1, asked.count // len(asked.packages)) if asked.total else asked.count
    left = _left(asked.again)
    kept = []
    all_results: list[Result] = []
    worst = 100.0
    for package in asked.packages:
        sample = drawn(package, asked.seed, share)
        if left is not None:
            sample = [m for m in sample if (m.path, m.before, m.after) in left]
        given = {m: reason(m) for m in sample}
        results = [Result(m, "equivalent", why) for m, why in given.items() if why]
        results += run(
            [m for m, why in given.items() if not why],
            the_map(package),
            workers=asked.workers,
            budget=asked.budget,
            each=show,
        )
        noticed, of = score(results)
        percent = 100 * noticed / of if of else 100.0
        worst = min(worst, percent)
        all_results += results
        print(
            f"== {package}, seed {asked.seed}: {noticed} of {of} noticed ({percent:.1f} %), "
            f"{dict(Counter(r.outcome for r in results))}",
            flush=True,
        )
        kept.append(as_json(package, asked.seed, results))
        if asked.json:
            asked.json.write_text(json.dumps(kept, indent=1) + "\n")
    if asked.total:
        noticed, of = score(all_results)
        worst = 100 * noticed / of if of else 100.0
        print(f"== all: {noticed} of {of} noticed ({worst:.1f} %)")
    sys.exit(worst < asked.floor)


def _left(path: Path | None) -> set[tuple[str, str, str]] | None:
    """The mutants that nothing caught in an earlier run."""
    if path is None:
        return None
    return {
        (m["place"].rpartition(":")[0], m["before"], m["after"])
        for package in json.loads(path.read_text())
        for m in package["left"]
    }


if __name__ == "__main__":
    main()
