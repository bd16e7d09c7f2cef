"""A process in a copy of the tree that runs tests, again and again: jobs in, outcomes out, one JSON
object per line.

The tests of the room are collected once, and with them all modules are imported. Each job is a
fork of that session, in which the functions of one module get the code of the fault
(`tests.mutation.swap`), and the tests that were collected run at once. Where the code cannot be
exchanged, the fork imports the copy anew and collects again. It runs the tests named in their
order, and stops at the first that fails. A job that uses up its processor time, or waits for ever,
is ended.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import TextIO, TypedDict

import pytest

from tests.mutation.swap import Functions, exchange, live

OTHERS = (
    "numpy",
    "hypothesis.strategies",
    "hypothesis.internal.conjecture.engine",
    "scapy.layers.all",
    "scapy.contrib.geneve",
    "dpkt",
    "click.testing",
    "rich.console",
    "rich.table",
    "hpack",
    "jsonschema",
    "zstandard",
    "lz4.frame",
    "xxhash",
)
OPTIONS = (
    *("-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile", "mutation"),
    "--assert=plain",  # pytest would rewrite those of lbtrace too, for it is a plugin
)
MEMORY_BYTES = 6 << 30
BROKEN = 70
"""In place of pytest's exit code: the fork itself failed, which says nothing of the fault."""

Items = Mapping[str, pytest.Item]
"""The tests that were collected, by their ids."""


class Job(TypedDict):
    """Tests (ids, in order), the processor time that they may take, and the file with the fault.

    `before` is its source without the fault; empty where the file must be imported anew.
    """

    tests: list[str]
    seconds: float
    path: str
    before: str


class Outcome(TypedDict):
    """`passed`, `failed`, `timed out`, `no tests`; and the first test that failed, if the fault let
    it be collected. `broken` when the fault met no test because of us, and then why.
    """

    outcome: str
    test: str


class Chosen:
    """Of what is collected, the tests of the job in their order; and which failed first."""

    def __init__(self, tests: Sequence[str]) -> None:
        self.order = {test: i for i, test in enumerate(tests)}
        self.failed = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self.order),
            key=lambda item: self.order[item.nodeid],
        )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


class Serving:
    """In place of a session that runs its tests: one that answers jobs with them."""

    def __init__(self, jobs: TextIO, answers: TextIO) -> None:
        self.jobs = jobs
        self.answers = answers

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        functions = live(Path.cwd() / "lbtrace")
        gc.collect()
        gc.freeze()
        self._say(list(items))
        for line in self.jobs:
            self._say(attempt(json.loads(line), items, functions))
        return True

    def _say(self, what: object) -> None:
        print(json.dumps(what), file=self.answers, flush=True)


def attempt(job: Job, items: Items, functions: Functions) -> Outcome:
    """Run a job in a process of its own."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        _run(job, items, functions, write)
    os.close(write)
    return _wait(child, read, job["seconds"] * 4 + 60)


def _planted(job: Job, functions: Functions) -> bool:
    """Make the imported functions those of the copy, as it is now; whether that could be."""
    if not job["path"]:
        return True
    path = Path.cwd() / job["path"]
    return bool(job["before"]) and exchange(path, job["before"], path.read_text(), functions)


def _at_once(tests: Sequence[str], items: Items) -> tuple[int, str]:
    """Run tests that were collected: what pytest's exit code would be, and the first that fails."""
    chosen = Chosen(tests)
    mine = [items[test] for test in tests if test in items]
    if not mine:
        return int(pytest.ExitCode.NO_TESTS_COLLECTED), ""
    mine[0].config.pluginmanager.register(chosen)
    for item, following in zip_longest(mine, mine[1:]):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if chosen.failed:
            return int(pytest.ExitCode.TESTS_FAILED), chosen.failed
    return int(pytest.ExitCode.OK), ""


def _anew(tests: Sequence[str]) -> tuple[int, str]:
    """Import everything again, collect the tests and run them: the exit code of pytest, and the
    first that fails.
    """
    here = f"{Path.cwd()}/"
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(here) and name != "__main__":
            del sys.modules[name]
    chosen = Chosen(tests)
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    return int(pytest.main([*OPTIONS, *files], plugins=[chosen])), chosen.failed


def _run(job: Job, items: Items, functions: Functions, write: int) -> None:
    """In the fork: never returns."""
    code = BROKEN
    try:
        os.setsid()
        limit = int(job["seconds"]) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 2))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        if _planted(job, functions):
            code, failed = _at_once(job["tests"], items)
        else:
            code, failed = _anew(job["tests"])
        os.write(write, f"{code} {failed}".encode())
    finally:
        if code == BROKEN:
            os.write(write, f"{code} {traceback.format_exc()}".encode())
        os._exit(code)


def _wait(child: int, read: int, seconds: float) -> Outcome:
    """How the fork ended. The wall clock is the last resort, and generous: machines are busy."""
    end = time.monotonic() + seconds
    status = 0
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended or time.monotonic() > end:
            break
        time.sleep(0.01)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if not ended:
        _, status = os.waitpid(child, 0)
    said = os.read(read, 1 << 16).decode()
    os.close(read)
    if not said:
        signalled = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        late = signalled in (signal.SIGXCPU, signal.SIGKILL)
        return {"outcome": "timed out" if late else "failed", "test": ""}
    code, _, test = said.partition(" ")
    outcome = {"0": "passed", "5": "no tests", str(BROKEN): "broken"}.get(code, "failed")
    return {"outcome": outcome, "test": test}


def main() -> None:
    """Say which tests there are in the files named, then serve jobs until standard input ends."""
    sys.path.insert(0, str(Path.cwd()))
    answers = os.fdopen(os.dup(1), "w")
    jobs = os.fdopen(os.dup(0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    for name in OTHERS:
        with suppress(ImportError):
            importlib.import_module(name)
    pytest.main([*OPTIONS, *sys.argv[1:]], plugins=[Serving(jobs, answers)])


if __name__ == "__main__":
    main()
