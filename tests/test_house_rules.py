"""What holds of the code itself: text for people decides nothing, a class has one name, and nothing
large is kept.
"""

from __future__ import annotations

import ast
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import lbtrace

CODE = Path(lbtrace.__file__).parent
ROOT = CODE.parent
LARGE = 1_000_000  # bytes; the largest file that belongs here has half as many
TESTS_OF_TEXT = {
    "startswith", "endswith", "removeprefix", "removesuffix", "find", "rfind", "index", "rindex",
    "count", "partition", "rpartition", "split", "rsplit", "match", "fullmatch", "search",
}  # fmt: skip


def _sources() -> dict[str, ast.Module]:
    return {
        path.relative_to(CODE).as_posix(): ast.parse(path.read_text("utf-8"))
        for path in sorted(CODE.rglob("*.py"))
    }


def _display_texts(*nodes: ast.expr) -> Iterator[str]:
    """String constants in these expressions that hold words with a space between them."""
    for node in nodes:
        for part in ast.walk(node):
            if (
                isinstance(part, ast.Constant)
                and isinstance(part.value, str)
                and " " in part.value
                and any(character.isalpha() for character in part.value)
            ):
                yield part.value


def _named_texts(tree: ast.Module) -> dict[str, str]:
    """Names at the top of a module that stand for display text: `SAYS = "is what …"`."""
    named: dict[str, str] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            for text in _display_texts(statement.value):
                named |= {t.id: text for t in statement.targets if isinstance(t, ast.Name)}
    return named


def _compared(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, display text) of every comparison and every test of how a text begins, ends or what it
    contains, by a literal or by a name at the top of the module.
    """
    named = _named_texts(tree)
    for node in ast.walk(tree):
        operands: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in TESTS_OF_TEXT
        ):
            operands = node.args
        elif isinstance(node, ast.MatchValue):
            operands = [node.value]
        for operand in operands:
            for text in _display_texts(operand):
                yield operand.lineno, text
            for part in ast.walk(operand):
                if isinstance(part, ast.Name) and part.id in named:
                    yield part.lineno, named[part.id]


def test_no_decision_rests_on_text_for_people() -> None:
    found = [
        f"{file}:{line}: {text!r}"
        for file, tree in _sources().items()
        for line, text in _compared(tree)
    ]
    assert not found


@pytest.mark.parametrize(
    "code",
    [
        'refused.startswith("the clock was set")',
        'if "was set" not in refused: pass',
        'SET = "the clock was set"\nrefused.startswith(SET)',
        'SAYS = "it says"\ndetail.endswith((SAYS, "no date"))',
        'kind == "response body"',
        'match kind:\n    case "response body": pass',
    ],
)
def test_such_decisions_are_found(code: str) -> None:
    assert list(_compared(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    ['name == "via"', 'line.startswith(" ")', 'text = "a b"\nprint(text)', 'x in (": ", " \\t")'],
)
def test_other_texts_may_be_compared(code: str) -> None:
    assert not list(_compared(ast.parse(code)))


def test_a_class_has_a_name_of_its_own() -> None:
    files: dict[str, list[str]] = defaultdict(list)
    for file, tree in _sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                files[node.name].append(file)
    assert not {name: where for name, where in files.items() if len(where) > 1}


def test_nothing_large_is_kept() -> None:
    """What a test or a tool has fetched is committed by accident, and never leaves the history."""
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    kept = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert [path.name for path in kept if path.exists() and path.stat().st_size > LARGE] == []
