"""Which tests run which lines: a plugin of pytest that writes it down, and the map read back.

There is one map for each room, of the tests in the folder of that room (`ALSO` names more). What is
kept for several tests (`functools.cache`) is made anew for each, or the lines that made it would
belong to the first of them alone.
`coverage run -m pytest -p tests.mutation.reach` leaves two files: coverage's data, in which the
context of each line is the id of the test that ran it, and the processor time of each test that
passed. Lines that run at import have no test; they belong to every test that runs a line of their
file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Iterable
from functools import _lru_cache_wrapper, cache, cached_property
from hashlib import blake2b
from pathlib import Path

import coverage
import pytest

from tests.mutation.swap import bodies

ROOT = Path(__file__).parents[2]
DATA = ROOT / ".mutation"
_CONCLUDED = "tests/golden/test_scenarios.py"  # what all rooms together conclude of a scenario
ALSO: dict[str, tuple[str, ...]] = {
    "comparison": (
        "tests/findings/connections/test_idle_limits.py",
        "tests/findings/connections/test_large_segments.py",
        _CONCLUDED,
    ),
    "match": (_CONCLUDED,),
    "explain": (_CONCLUDED,),
    "findings": (_CONCLUDED,),
    "verdict": (_CONCLUDED,),
    "behaviour": (_CONCLUDED,),
}
"""Rooms whose rules are tested outside their folder, and where."""
ALL = "all else"
_PLACE = "LBTRACE_MUTATION_ROOM"


def tested_by(room: str) -> tuple[str, ...]:
    """The folders and files of tests that a fault in this room meets."""
    return (f"tests/{room}", *ALSO.get(room, ()))


def room_of(path: str) -> str:
    """`lbtrace/tcp/loss.py` → `tcp`."""
    return path.split("/")[1].removesuffix(".py")


def state(room: str) -> dict[str, str]:
    """What the code of a room and its tests hold now: a digest of each file of tests, and under
    `ALL` one of all else, on which each of them may rest.
    """
    out: dict[str, str] = {}
    whole = blake2b(Path(__file__).read_bytes(), digest_size=8)
    for place in (f"lbtrace/{room}", *tested_by(room)):
        start = ROOT / place
        for path in sorted(start.rglob("*.py")) if start.is_dir() else [start]:
            name, source = path.relative_to(ROOT).as_posix(), path.read_bytes()
            if path.name.startswith("test_"):
                out[name] = blake2b(source, digest_size=8).hexdigest()
            else:
                whole.update(name.encode() + b"\0" + source)
    return out | {ALL: whole.hexdigest()}


def the_map(room: str) -> Reach:
    """The map of a room. Tests that are new or changed since it was made run again; all do when the
    code of the room changed.
    """
    data, times = DATA / f"{room}.coverage", DATA / f"{room}.json"
    then = json.loads(times.read_text()).get("state", {}) if times.exists() else {}
    now = state(room)
    if same := then.get(ALL) == now[ALL]:
        tests = [file for file in now if file != ALL and then.get(file) != now[file]]
    else:
        tests = list(tested_by(room))
    if tests or now.keys() != then.keys():
        print(f"running tests of {room} once, to see which lines each reaches", file=sys.stderr)
        DATA.mkdir(exist_ok=True)
        measure = ("coverage", "run", f"--data-file={data}", f"--source=lbtrace/{room}")
        plugin = ("-p", "tests.mutation.reach", "--hypothesis-profile", "mutation")
        kept = ("--append",) if same else ()
        pytests = ("pytest", "-q", *plugin, *(tests or ["--collect-only"]))
        subprocess.run(
            [sys.executable, "-m", *measure, *kept, "-m", *pytests],
            cwd=ROOT,
            env=os.environ | {_PLACE: room},
            check=False,
            stdout=subprocess.DEVNULL,
        )
    return Reach(data, times)


def mirror(path: str) -> str:
    """`lbtrace/tcp/loss.py` → `tests/tcp/test_loss.py`."""
    folder, _, name = path.removeprefix("lbtrace/").rpartition("/")
    return f"tests/{folder}/test_{name}"


class Recorder:
    """Tells coverage which test runs, and how much processor time each took."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self.measured = measured
        self.room = os.environ[_PLACE]
        self.state = state(self.room)
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self._modules = 0
        self._caches: list[_lru_cache_wrapper[object]] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._forget()
        self.measured.switch_context(item.nodeid)
        begin = time.process_time()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = round(time.process_time() - begin, 4)
            self.measured.switch_context("")

    def _forget(self) -> None:
        """Clear all caches of functions of lbtrace and its tests."""
        if len(sys.modules) != self._modules:
            self._modules = len(sys.modules)
            self._caches = [
                kept
                for name, module in list(sys.modules.items())
                if name.partition(".")[0] in ("lbtrace", "tests")
                for kept in vars(module).values()
                if isinstance(kept, _lru_cache_wrapper)
            ]
        for kept in self._caches:
            kept.cache_clear()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome != "passed":
            self.failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        passed = {test: s for test, s in self.seconds.items() if test not in self.failed}
        times = DATA / f"{self.room}.json"
        then = json.loads(times.read_text()) if times.exists() else {}
        if then.get("state", {}).get(ALL) == self.state[ALL]:
            passed |= {
                test: s
                for test, s in then["seconds"].items()
                if (file := test.partition("::")[0]) in self.state
                and then["state"].get(file) == self.state[file]
            }
        times.write_text(json.dumps({"state": self.state, "seconds": passed}, indent=0))


def pytest_configure(config: pytest.Config) -> None:
    """Record, when coverage measures for a map."""
    measured = coverage.Coverage.current()
    if measured is not None and _PLACE in os.environ:
        config.pluginmanager.register(Recorder(measured), "reach")


class Reach:
    """The map from lines to tests."""

    def __init__(self, data: Path, times: Path) -> None:
        self.seconds: dict[str, float] = json.loads(times.read_text())["seconds"]
        self._data = coverage.CoverageData(str(data))
        self._data.read()
        self._names = {Path(f).as_posix(): f for f in self._data.measured_files()}

    @cache  # noqa: B019  # there is one
    def _lines(self, path: str) -> dict[int, frozenset[str]]:
        name = next((f for shown, f in self._names.items() if shown.endswith(path)), None)
        if name is None:
            return {}
        found = self._data.contexts_by_lineno(name)
        return {line: frozenset(tests) for line, tests in found.items()}

    @cached_property
    def _breadths(self) -> Counter[str]:
        return Counter(
            test for path in self._names for tests in self._lines(path).values() for test in tests
        )

    def breadth(self, test: str) -> int:
        """How many lines of the room a test runs: one that runs few is about those."""
        return self._breadths[test]

    @property
    def files(self) -> list[str]:
        """The files of the tests."""
        return sorted({test.partition("::")[0] for test in self.seconds})

    def collected(self, tests: Iterable[str]) -> None:
        """The tests there are, which the map knows."""

    @cache  # noqa: B019  # there is one
    def _body(self, path: str) -> frozenset[int]:
        """The lines that run when a file is imported, whichever test does that first."""
        whole = compile((ROOT / path).read_text(), path, "exec", dont_inherit=True)
        return frozenset(line for body in bodies(whole) for *_, line in body.co_lines() if line)

    def at_import(self, path: str, lines: Iterable[int]) -> bool:
        """Does one of `lines` run when the file, or another, is imported?"""
        contexts = self._lines(path)
        return any("" in contexts.get(line, ()) or line in self._body(path) for line in lines)

    def tests(self, path: str, lines: Iterable[int]) -> set[str]:
        """The tests that run one of `lines`; for lines that run at import, all that run any line
        of the file, and its own.
        """
        contexts = self._lines(path)
        found = {test for line in lines for test in contexts.get(line, ())}
        if found == {""} or not self._body(path).isdisjoint(lines):
            own = mirror(path) + "::"
            found |= {test for tests in contexts.values() for test in tests}
            found |= {test for test in self.seconds if test.startswith(own)}
        return found & self.seconds.keys()


class Mirror:
    """In place of a map, where there is no time to make one: a module meets the tests of the file
    that has its name.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.files = sorted({mirror(path) for path in paths})
        self.seconds: dict[str, float] = {}

    def collected(self, tests: Iterable[str]) -> None:
        """The tests there are; how long they take is not known."""
        self.seconds = dict.fromkeys(tests, 0.1)

    def breadth(self, test: str) -> int:
        """Not known: the same for all."""
        return 1

    def at_import(self, path: str, lines: Iterable[int]) -> bool:
        """Not known: taken for no."""
        return False

    def tests(self, path: str, lines: Iterable[int]) -> set[str]:
        """Those of the module."""
        own = mirror(path) + "::"
        return {test for test in self.seconds if test.startswith(own)}
