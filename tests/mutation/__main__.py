"""`python -m tests.mutation PACKAGE… --seed S --count N`: plant faults in a copy of the tree, and
see whether the tests catch them.

A fault in a room must be caught by the tests of that room: those in its folder. The map from lines
to tests is made once for each state of the room and its tests, and kept in `.mutation/`.
`--json FILE` keeps the results, `--floor 85` fails below that share, `--again FILE` runs the
survivors of an earlier run again.

`--quick` needs no map: it draws N mutants from a few files, of all packages in turn, and each meets
only the tests that have the name of its module.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from random import Random
from typing import TypeVar

from tests.mutation.equivalent import reason
from tests.mutation.operators import Mutant, candidates, is_sound
from tests.mutation.reach import ROOT, Mirror, Reach, mirror, the_map
from tests.mutation.run import BUDGET_SECONDS, Result, run

T = TypeVar("T")
NOTICED = ("caught", "timed out")
FILES_AT_A_TIME = 12  # that a quick run draws from: reading a file for its faults takes a second


def files(package: str) -> list[Path]:
    """The files of a package, or the module."""
    folder = ROOT / "lbtrace" / package
    found = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    return [file for file in found if file.name != "__main__.py"]


def drawn(places: Sequence[Path], seed: int, count: int) -> list[Mutant]:
    """`count` mutants of some files, or all if there are fewer."""
    found = [mutant for file in places for mutant in candidates(file, ROOT)]
    found.sort(key=lambda mutant: mutant.rank(seed))
    sound = (m for m in found if is_sound(m, (ROOT / m.path).read_bytes()))
    return list(islice(sound, count))


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
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--again", type=Path)
    asked = parser.parse_args()
    left = _left(asked.again)
    kept: list[dict[str, object]] = []
    worst = 100.0
    for name, sample, reach in _samples(asked.packages, asked.seed, asked.count, asked.quick):
        if left is not None:
            sample = [m for m in sample if (m.path, m.before, m.after) in left]
        given = {m: reason(m) for m in sample}
        results = [Result(m, "equivalent", why) for m, why in given.items() if why]
        results += run(
            [m for m, why in given.items() if not why],
            reach,
            workers=asked.workers,
            budget=asked.budget,
            each=show,
        )
        noticed, of = score(results)
        percent = 100 * noticed / of if of else 100.0
        worst = min(worst, percent)
        print(
            f"== {name}, seed {asked.seed}: {noticed} of {of} noticed ({percent:.1f} %), "
            f"{dict(Counter(r.outcome for r in results))}",
            flush=True,
        )
        kept.append(as_json(name, asked.seed, results))
        if asked.json:
            asked.json.write_text(json.dumps(kept, indent=1) + "\n")
    sys.exit(worst < asked.floor)


def _samples(
    packages: Sequence[str], seed: int, count: int, quick: bool
) -> Iterator[tuple[str, list[Mutant], Reach | Mirror]]:
    """What is drawn, and which tests it meets."""
    if not quick:
        for package in packages:
            yield package, drawn(files(package), seed, count), the_map(package)
        return
    few = in_turn([_tested(package, seed) for package in packages])[:FILES_AT_A_TIME]
    some = 2 * count // len(few) + 1  # of a file, for there are files with fewer than their share
    sample = in_turn([drawn([file], seed, some) for file in few])[:count]
    yield " ".join(packages), sample, Mirror(m.path for m in sample)


def in_turn(groups: Sequence[Sequence[T]]) -> list[T]:
    """The first of each, then the second of each that has one, and so on."""
    rounds = zip_longest(*groups, fillvalue=None)
    return [each for taken in rounds for each in taken if each is not None]


def _tested(package: str, seed: int) -> list[Path]:
    """The files of a package that have tests of their name, in the order that `seed` draws."""
    there = [file for file in files(package) if (ROOT / mirror(_name(file))).exists()]
    return Random(seed).sample(there, len(there))


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


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
