"""A fault is met by the tests: whether its code can be exchanged in the functions there are, or the
module is imported anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("mutmut")

from tests.mutation import run
from tests.mutation.operators import mutants
from tests.mutation.reach import ROOT
from tests.mutation.run import Worker
from tests.mutation.worker import Job, Outcome

ROOM = """
from functools import cache

LIMIT = 3


def above(number, least=LIMIT):
    return True if number > least else False


@cache
def sizes(words):
    found = []
    found.extend(len(word) for word in words)
    return found


def unseen():
    return 1


def half(number):
    assert number % 2 == 0
    return number // 2


class Twice:
    factor = 2

    def of(self, number):
        return number * self.factor
"""
TESTS = """
import pytest
from lbtrace.room.some import LIMIT, Twice, above, half, sizes


@pytest.mark.parametrize("number", [3, 4])
def test_above(number):
    assert above(number) == (number == 4)


def test_sizes():
    assert sizes(("a", "bc")) == [1, 2]


def test_twice():
    assert Twice().of(4) == 8


def test_half():
    assert half(6) == 3


def test_nothing():
    above(1), sizes(()), Twice().of(0)
"""
TEST = "tests/room/test_some.py"
PASSED: Outcome = {"outcome": "passed", "test": ""}
ALL = [
    f"{TEST}::test_{name}" for name in ("nothing", "above[3]", "above[4]", "sizes", "twice", "half")
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Worker]]:
    """A small tree, and a worker in a copy of it."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("lbtrace/__init__.py", "lbtrace/room/__init__.py", "tests/room/__init__.py"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    (tree / "lbtrace/room/some.py").write_text(ROOM)
    (tree / TEST).write_text(TESTS)
    for name in (
        "pyproject.toml",
        "lbtrace/pytest_plugin.py",
        "tests/__init__.py",
        "tests/conftest.py",
        "tests/laws.py",
    ):
        shutil.copy(ROOT / name, tree / name)
    shutil.copytree(ROOT / "tests/mutation", tree / "tests/mutation")
    place = tmp_path_factory.mktemp("copy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "ROOT", tree)
        worker = Worker(place, [TEST])
    yield tree, worker
    worker.close()


def meets(tree: tuple[Path, Worker], after: str, anew: bool) -> Outcome:
    """What becomes of the fault that makes a line into `after`."""
    root, worker = tree
    (mutant,) = (m for m in mutants(root / "lbtrace/room/some.py", root) if m.after == after)
    before = "" if anew else ROOM
    with worker.planted(mutant):
        return worker.ask({"tests": ALL, "seconds": 60, "path": mutant.path, "before": before})


def test_without_a_fault_all_tests_pass(tree: tuple[Path, Worker]) -> None:
    _, worker = tree
    assert sorted(worker.collected) == sorted(ALL)
    assert worker.ask({"tests": ALL, "seconds": 60, "path": "", "before": ""}) == PASSED


@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.parametrize(
    ("after", "test"),
    [
        ("return True if number >= least else False", "above[3]"),
        ("LIMIT = 4", "above[4]"),
        ("factor = 3", "twice"),
        ("pass", "sizes"),
        ("return number / 2", ""),
        ("return number // 3", "half"),
        ("return 2", ""),
    ],
)
def test_the_first_test_that_fails_is_named(
    tree: tuple[Path, Worker], after: str, test: str, anew: bool
) -> None:
    met: Outcome = {"outcome": "failed", "test": f"{TEST}::test_{test}"}
    assert meets(tree, after, anew) == (met if test else PASSED)


def test_what_fails_before_a_test_runs_is_no_catch(tree: tuple[Path, Worker]) -> None:
    _, worker = tree
    job: Job = {"tests": ALL, "seconds": 60, "path": "lbtrace/room/none.py", "before": ROOM}
    got = worker.ask(job)
    assert got["outcome"] == "broken"
    assert "none.py" in got["test"]
