"""Functions get the code of a fault only if they are what their source makes."""

from __future__ import annotations

from pathlib import Path
from types import FunctionType

import pytest

from tests.mutation.swap import bodies, exchange

PATH = Path("/nowhere/some.py")
BEFORE = "def one():\n    return 1\n\n\ndef two():\n    return 2\n"
LATER = "\n" + BEFORE


def made(source: str) -> dict[tuple[str, str], list[FunctionType]]:
    """The functions of a source."""
    names: dict[str, object] = {}
    exec(compile(source, str(PATH), "exec", dont_inherit=True), names)
    found = [thing for thing in names.values() if isinstance(thing, FunctionType)]
    return {(str(PATH), f.__qualname__): [f] for f in found}


@pytest.mark.parametrize(("old", "new"), [("return 1", "return 3"), ("return 2", "return 3")])
def test_the_function_with_the_fault_gets_its_code(old: str, new: str) -> None:
    functions = made(BEFORE)
    assert exchange(PATH, BEFORE, BEFORE.replace(old, new), functions)
    got = [function() for (function,) in functions.values()]
    assert got == [3, 2] if old.endswith("1") else [1, 3]


def test_code_that_something_has_rewritten_is_not_exchanged() -> None:
    """As pytest rewrites assertions: then all that moved by a line is no fault."""
    functions = made(BEFORE)
    (function,) = functions[str(PATH), "one"]
    function.__code__ = made(BEFORE.replace("1", "7"))[str(PATH), "one"][0].__code__
    assert not exchange(PATH, BEFORE, LATER.replace("return 1", "return 3"), functions)
    assert function() == 7


def test_what_runs_at_import_is_not_exchanged() -> None:
    assert not exchange(PATH, "LIMIT = 1\n" + BEFORE, "LIMIT = 2\n" + BEFORE, made(BEFORE))


def test_a_function_that_is_gone_with_its_statement_is_not_exchanged() -> None:
    before = "def f(x):\n    x(lambda: 1)\n    return x\n"
    assert not exchange(PATH, before, before.replace("x(lambda: 1)", "pass"), made(before))


def test_what_runs_at_import_is_the_module_and_the_bodies_of_its_classes() -> None:
    method = "    def of(self, n=LIMIT):\n        return n\n"
    source = f"LIMIT = 1\nclass Some:\n    factor = 2\n{method}"
    whole = compile(source, str(PATH), "exec", dont_inherit=True)
    lines = {line for body in bodies(whole) for *_, line in body.co_lines() if line}
    assert lines == {1, 2, 3, 4}
