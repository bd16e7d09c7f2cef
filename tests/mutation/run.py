"""Mutants and the map from lines to tests → which mutants the tests catch.

The tree is copied for each worker; only the copies are changed. Each mutant meets first the tests
of its own module, then the others that reach it, the cheapest and nearest first, up to a limit of
processor time. A test counts only if it passes in the copy without a fault.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from tests.mutation.operators import Mutant
from tests.mutation.reach import ROOT, Mirror, Reach, mirror
from tests.mutation.worker import Job, Outcome

COPIED = ("lbtrace", "tests", "samples", "docs", "pyproject.toml", "README.md", "CHANGELOG.md")
BUDGET_SECONDS = 60.0
SLOWER = 6
"""A job may take this many times the time that its tests took without a fault."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a mutant: `caught`, `survived`, `timed out`, `equivalent`, `not reached` or
    `broken`; by which test, why it cannot be caught, or why it met no test.
    """

    mutant: Mutant
    outcome: str
    by: str


class Worker:
    """A process in a copy of the tree."""

    def __init__(self, folder: Path, tests: Sequence[str]) -> None:
        self.folder = folder
        self.trusted: dict[str, bool] = {}
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy2(source, folder / name)
        self._stamp = 1_000_000_000
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.mutation.worker", *tests],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ""},
        )
        assert self._process.stdout is not None
        # only when it is ready may a file of the copy change
        ready = self._process.stdout.readline()
        if not ready:
            raise RuntimeError("the tests cannot be collected in a copy of the tree")
        self.collected: list[str] = json.loads(ready)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def ask(self, job: Job) -> Outcome:
        """Run a job."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        outcome: Outcome = json.loads(self._process.stdout.readline())
        return outcome

    def write(self, path: str, source: bytes) -> None:
        """Change a file. Its time moves on, or Python would take the compiled file for current."""
        target = self.folder / path
        target.write_bytes(source)
        self._stamp += 10
        os.utime(target, (self._stamp, self._stamp))

    @contextmanager
    def planted(self, mutant: Mutant) -> Iterator[None]:
        """With the fault in the copy."""
        source = (self.folder / mutant.path).read_bytes()
        self.write(mutant.path, mutant.planted(source))
        try:
            yield
        finally:
            self.write(mutant.path, source)

    def meets(
        self, mutant: Mutant, groups: Sequence[Sequence[str]], reach: Reach | Mirror
    ) -> Result:
        """Run the groups of tests one after another until one catches the mutant."""
        if not any(groups):
            return Result(mutant, "not reached", "")
        distrusted: set[str] = set()
        waiting = [list(group) for group in groups if group]
        while waiting:
            tests = [test for test in waiting[0] if test not in distrusted]
            if not tests:
                waiting.pop(0)
                continue
            job = self.job(tests, reach, mutant)
            with self.planted(mutant):
                got = self.ask(job)
            if got["outcome"] in ("passed", "no tests"):
                waiting.pop(0)
            elif got["outcome"] in ("timed out", "broken"):
                return Result(mutant, got["outcome"], got["test"])
            elif self.trusts(got["test"] or tests[0], reach):
                return Result(mutant, "caught", got["test"] or "import")
            else:
                print(f"fails also without a fault: {got['test']}", file=sys.stderr)
                distrusted.add(got["test"] or tests[0])
        return Result(mutant, "survived", "")

    def job(self, tests: list[str], reach: Reach | Mirror, mutant: Mutant | None = None) -> Job:
        """These tests; with a mutant, to be run before it is planted."""
        usual = sum(reach.seconds.get(test, 1.0) for test in tests)
        path = mutant.path if mutant else ""
        anew = mutant is None or reach.at_import(path, range(mutant.first, mutant.last + 1))
        before = "" if anew else (self.folder / path).read_text()
        return {"tests": tests, "seconds": 20 + SLOWER * usual, "path": path, "before": before}

    def trusts(self, test: str, reach: Reach | Mirror) -> bool:
        """Does a test pass without a fault?"""
        if test not in self.trusted:
            self.trusted[test] = self.ask(self.job([test], reach))["outcome"] == "passed"
        return self.trusted[test]


def groups(mutant: Mutant, reach: Reach | Mirror, budget: float) -> list[list[str]]:
    """The tests that reach a mutant: those of its own module, then the others; the cheapest and
    nearest first, each group up to `budget` seconds.
    """
    found = reach.tests(mutant.path, range(mutant.first, mutant.last + 1))
    own = mirror(mutant.path) + "::"
    out: list[list[str]] = []
    for mine in (True, False):
        ordered = sorted(
            (test for test in found if test.startswith(own) == mine),
            key=lambda test: (reach.seconds[test] * reach.breadth(test), test),
        )
        spent = accumulate(reach.seconds[test] for test in ordered)
        out.append([test for test, so_far in zip(ordered, spent, strict=True) if so_far <= budget])
    return out


def run(
    sample: Sequence[Mutant],
    reach: Reach | Mirror,
    *,
    workers: int,
    budget: float,
    each: Callable[[Result], None],
) -> list[Result]:
    """Run every mutant of a sample; `each` is called with every result as it comes."""
    waiting: SimpleQueue[Mutant | None] = SimpleQueue()
    done: SimpleQueue[Result | None] = SimpleQueue()
    for mutant in sample:
        waiting.put(mutant)

    def serve(worker: Worker) -> None:
        try:
            while (mutant := waiting.get()) is not None:
                done.put(worker.meets(mutant, groups(mutant, reach, budget), reach))
        finally:
            done.put(None)

    with tempfile.TemporaryDirectory(prefix="lbtrace-mutants-") as folder:
        served = []
        for number in range(workers):
            waiting.put(None)
            place = Path(folder) / str(number) / "tree"
            place.mkdir(parents=True)
            worker = Worker(place, reach.files)
            reach.collected(worker.collected)
            served.append((worker, Thread(target=serve, args=(worker,), daemon=True)))
        for _, thread in served:
            thread.start()
        out: dict[Mutant, Result] = {}
        ended = 0
        while ended < workers:
            got = done.get()
            if got is None:
                ended += 1
            else:
                out[got.mutant] = got
                each(got)
        for worker, thread in served:
            thread.join()
            worker.close()
    if missing := len(sample) - len(out):
        raise RuntimeError(f"{missing} mutants were not run: a worker failed")
    return [out[mutant] for mutant in sample]
