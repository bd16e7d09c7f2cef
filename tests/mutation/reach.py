"""Which tests run which lines: a plugin of pytest that writes it down, and the map read back.

`coverage run -m pytest -p tests.mutation.reach` leaves two files: coverage's data, in which the
context of each line is the id of the test that ran it, and the processor time of each test that
passed. Lines that run at import have no test; they belong to every test that runs a line of their
file.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator, Iterable
from functools import cache
from hashlib import blake2b
from pathlib import Path

import coverage
import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT / ".mutation"
TIMES = DATA / "tests.json"
ARGUMENTS = ("-p", "tests.mutation.reach", "--ignore=tests/mutation", "--ignore=tests/lab")


def digests() -> dict[str, str]:
    """What each file under lbtrace/ holds now."""
    return {
        path.relative_to(ROOT).as_posix(): blake2b(path.read_bytes(), digest_size=8).hexdigest()
        for path in sorted((ROOT / "lbtrace").rglob("*.py"))
    }


class Recorder:
    """Tells coverage which test runs, and how much processor time each took."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self.measured = measured
        self.files = digests()
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self.measured.switch_context(item.nodeid)
        begin = time.process_time()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = round(time.process_time() - begin, 4)
            self.measured.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome != "passed":
            self.failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        DATA.mkdir(exist_ok=True)
        passed = {test: s for test, s in self.seconds.items() if test not in self.failed}
        TIMES.write_text(json.dumps({"files": self.files, "seconds": passed}, indent=0))


def pytest_configure(config: pytest.Config) -> None:
    """Record, when coverage measures."""
    measured = coverage.Coverage.current()
    if measured is not None and os.environ.get("PYTEST_XDIST_WORKER") is None:
        config.pluginmanager.register(Recorder(measured), "reach")


class Reach:
    """The map from lines to tests."""

    def __init__(self, data: Path, times: Path) -> None:
        saved = json.loads(times.read_text())
        self.files: dict[str, str] = saved["files"]
        self.seconds: dict[str, float] = saved["seconds"]
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

    def tests(self, path: str, lines: Iterable[int]) -> set[str]:
        """The tests that run one of `lines`; for lines that run at import, all that run any line
        of the file.
        """
        contexts = self._lines(path)
        found = {test for line in lines for test in contexts.get(line, ())}
        if found == {""}:
            found = {test for tests in contexts.values() for test in tests}
        return found & self.seconds.keys()
