"""The faults that are planted are those that are meant, each alone and in its place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytest.importorskip("mutmut")

from tests.mutation.equivalent import known
from tests.mutation.operators import Mutant, mutants
from tests.mutation.reach import ROOT

SOURCE = b'''"""A text with 1 number."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path as P


def f(a: "int | None" = 3, *, low: bool = True) -> "int":
    """Zero is 0."""
    if a < 2 and low:
        g(a)
        return -a
    return max(
        a, 7
    )


def g(a): assert a > 0; os.nice(a - 1)


def h(a): return zip(a.reshape(-1, 2), a, strict=True)
'''


def planted(tmp_path: Path) -> list[Mutant]:
    path = tmp_path / "lbtrace" / "room" / "some.py"
    path.parent.mkdir(parents=True)
    path.write_bytes(SOURCE)
    return mutants(path, tmp_path)


def test_every_kind_of_fault(tmp_path: Path) -> None:
    assert {(m.line, m.before, m.after) for m in planted(tmp_path)} == {
        (10, DEF, DEF.replace("3", "4")),
        (10, DEF, DEF.replace("3", "2")),
        (10, DEF, DEF.replace("True", "False")),
        (12, "if a < 2 and low:", "if a <= 2 and low:"),
        (12, "if a < 2 and low:", "if a < 3 and low:"),
        (12, "if a < 2 and low:", "if a < 1 and low:"),
        (12, "if a < 2 and low:", "if a < 2 or low:"),
        (12, "if a < 2 and low:", "if not (a < 2 and low):"),
        (12, "if a < 2 and low:", "pass"),
        (13, "g(a)", "pass"),
        (14, "return -a", "return +a"),
        (14, "return -a", "return None"),
        (15, "return max(", "return min("),
        (15, "return max(", "return None"),
        (16, "a, 7", "a, 8"),
        (16, "a, 7", "a, 6"),
        (20, G, G.replace("1", "2")),
        (20, G, G.replace("1", "0")),
        (20, G, G.replace("-", "+")),
        (23, H, "def h(a): return None"),
        (23, H, H.replace("2", "3")),
        (23, H, H.replace("2", "1")),
    }


DEF = 'def f(a: "int | None" = 3, *, low: bool = True) -> "int":'
H = "def h(a): return zip(a.reshape(-1, 2), a, strict=True)"
G = "def g(a): assert a > 0; os.nice(a - 1)"


def test_each_is_one_change_of_the_program(tmp_path: Path) -> None:
    whole = ast.dump(ast.parse(SOURCE))
    for mutant in planted(tmp_path):
        changed = mutant.planted(SOURCE)
        assert ast.dump(ast.parse(changed)) != whole
        assert changed[: mutant.start] == SOURCE[: mutant.start]
        assert changed.endswith(SOURCE[mutant.end :])


def test_a_statement_of_several_lines_is_noticed_by_whoever_runs_one(tmp_path: Path) -> None:
    found = {m.before: (m.first, m.last) for m in planted(tmp_path)}
    assert found["a, 7"] == (15, 17)
    assert found["if a < 2 and low:"] == (12, 12)


def test_a_change_elsewhere_leaves_the_sample(tmp_path: Path) -> None:
    before = sorted(planted(tmp_path), key=lambda m: m.rank(5))
    path = tmp_path / "lbtrace" / "room" / "some.py"
    path.write_bytes(b"X = 'new'\n" + SOURCE)
    after = sorted(mutants(path, tmp_path), key=lambda m: m.rank(5))
    assert [m.after for m in before] == [m.after for m in after]


def test_equivalent_mutants_are_lines_that_there_are() -> None:
    for (path, before, _), reason in known().items():
        lines = [line.strip() for line in (ROOT / path).read_text().splitlines()]
        assert before in lines, f"{path} has no line {before!r} any more"
        assert reason.endswith(".")
