"""A process in a copy of the tree that runs tests, again and again: jobs in, outcomes out, one JSON
object per line.

The tests of the room are collected once, and with them all modules are imported. Each job is a
fork, in which the functions of one module get the code of the fault (`tests.mutation.swap`); where
that cannot be, it imports the copy anew. It runs the tests named in their order, and stops at the
first that fails. A job that uses up its processor time, or waits for ever, is ended.
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
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

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
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # hypothesis is imported before
)
MEMORY_BYTES = 6 << 30


class Job(TypedDict):
    """Tests (ids, in order), the processor time that they may take, and the file with the fault.

    `before` is its source without the fault; empty where the file must be imported anew.
    """

    tests: list[str]
    seconds: float
    path: str
    before: str


class Outcome(TypedDict):
    """`passed`, `failed`, `timed out`, or `no tests`; and the first test that failed, if the fault
    let it be collected.
    """

    outcome: str
    test: str


class Chosen:
    """Of what is collected, the tests of the job in their order (all without a job); and which
    failed first.
    """

    def __init__(self, tests: Sequence[str] = ()) -> None:
        self.order = {test: i for i, test in enumerate(tests)}
        self.collected: list[str] = []
        self.failed = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.collected = [item.nodeid for item in items]
        if not self.order:
            return
        items[:] = sorted(
            (item for item in items if item.nodeid in self.order),
            key=lambda item: self.order[item.nodeid],
        )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


def attempt(job: Job, functions: Functions) -> Outcome:
    """Run a job in a process of its own."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        _run(job, functions, write)
    os.close(write)
    ended = _wait(child, read, job["seconds"] * 4 + 60)
    return ended


def _plant(job: Job, functions: Functions) -> None:
    """Make what is imported that of the copy, as it is now."""
    if not job["path"]:
        return
    path = Path.cwd() / job["path"]
    if job["before"] and exchange(path, job["before"], path.read_text(), functions):
        return
    for name in [n for n in sys.modules if n.partition(".")[0] in ("lbtrace", "tests")]:
        del sys.modules[name]


def _run(job: Job, functions: Functions, write: int) -> None:
    """In the fork: never returns."""
    code = 70
    chosen = Chosen(job["tests"])
    try:
        os.setsid()
        limit = int(job["seconds"]) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 2))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        _plant(job, functions)
        files = list(dict.fromkeys(test.partition("::")[0] for test in job["tests"]))
        code = pytest.main([*OPTIONS, *files], plugins=[chosen])
        os.write(write, f"{int(code)} {chosen.failed}".encode())
    finally:
        os._exit(int(code))


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
    outcome = {"0": "passed", "5": "no tests"}.get(code, "failed")
    return {"outcome": outcome, "test": test}


def warm(tests: Sequence[str]) -> tuple[Functions, list[str]]:
    """Collect the tests, so that all they need is imported."""
    chosen = Chosen()
    for name in OTHERS:
        with suppress(ImportError):
            importlib.import_module(name)
    pytest.main([*OPTIONS, "--collect-only", *tests], plugins=[chosen])
    functions = live(Path.cwd() / "lbtrace")
    gc.collect()
    gc.freeze()
    return functions, chosen.collected


def main() -> None:
    """Say which tests there are in the files named, then serve jobs until standard input ends."""
    sys.path.insert(0, str(Path.cwd()))
    answers = os.fdopen(os.dup(1), "w")
    jobs = os.fdopen(os.dup(0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    functions, collected = warm(sys.argv[1:])
    print(json.dumps(collected), file=answers, flush=True)
    for line in jobs:
        print(json.dumps(attempt(json.loads(line), functions)), file=answers, flush=True)


if __name__ == "__main__":
    main()
