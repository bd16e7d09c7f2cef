"""The source of lbtrace → the texts that can be translated, with the modules they stand in.

A text is found where it is written, by what it is given to:

    tr("…"), N("…")                              itself
    form("one", "many", n), counted(…)           both forms
    plural(n, "request"[, "many"])               "{n} request", "{n} requests"
    Texts({key: "…"})                            each value of the table, and of a table X with
                                                 a type, where there is X = Texts(X)
    heading("…"[, "…"]), Column("…")             what a page translates itself
    ("…", "label")                               likewise
    Weight(…, …, …, "…"), undecided(kind, "…")   a reason for the verdict

What findings and witnesses say is found by `lbtrace.language.sentences`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from lbtrace.language.plurals import forms
from lbtrace.language.sentences import sentences

CODE = Path(__file__).resolve().parent.parent


class Text(NamedTuple):
    """A text, with its form for many where it counts something. `module` is a path in lbtrace."""

    one: str
    many: str
    module: str


def texts() -> Iterator[Text]:
    """Those of all modules, in the order of their paths."""
    for path in sorted(CODE.rglob("*.py")):
        module = path.relative_to(CODE.parent).as_posix()
        for one, many in found_in(path.read_text("utf-8")):
            yield Text(one, many, module)
        if {"findings", "witnesses"} & {folder.name for folder in path.parents}:
            name = module.removesuffix(".py").replace("/", ".")
            for sentence in sentences(import_module(name)):
                one, many, _ = forms(sentence)
                yield Text(one, many, module)


def found_in(source: str) -> Iterator[tuple[str, str]]:
    """(one, many or "") of each text of a module."""
    tree = ast.parse(source)
    tables = set(re.findall(r"^(\w+) = Texts\(\1\)$", source, re.MULTILINE))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            finder = _FINDERS.get(_called(node.func))
            if finder is not None:
                yield from finder(node.args)
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            yield from _itself(node.elts[: _literal(node.elts[1]) == "label"])
        elif isinstance(node, ast.AnnAssign) and node.value and _called(node.target) in tables:
            yield from _table([node.value])


def _called(function: ast.expr) -> str:
    """The last part of the name of what is called."""
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _literal(node: ast.expr) -> str | None:
    """A text as it is written; None for what is made of parts."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _itself(arguments: Sequence[ast.expr]) -> Iterator[tuple[str, str]]:
    if arguments and (found := _literal(arguments[0])):
        yield found, ""


def _each(arguments: Sequence[ast.expr]) -> Iterator[tuple[str, str]]:
    for argument in arguments[:2]:
        yield from _itself([argument])


def _forms(arguments: Sequence[ast.expr]) -> Iterator[tuple[str, str]]:
    both = [_literal(argument) for argument in arguments[:2]]
    if len(both) == 2 and both[0] and both[1]:
        yield both[0], both[1]


def _nouns(arguments: Sequence[ast.expr]) -> Iterator[tuple[str, str]]:
    nouns = [_literal(argument) for argument in arguments[1:3]]
    if nouns and nouns[0]:
        many = nouns[1] if len(nouns) > 1 and nouns[1] else f"{nouns[0]}s"
        yield f"{{n}} {nouns[0]}", f"{{n}} {many}"


def _table(arguments: Sequence[ast.expr]) -> Iterator[tuple[str, str]]:
    if arguments and isinstance(arguments[0], ast.Dict):
        for value in arguments[0].values:
            yield from _itself([value])


def _because(arguments: Sequence[ast.expr]) -> Iterator[tuple[str, str]]:
    """What an observation is worth: its reason."""
    yield from _itself(arguments[3:])


_FINDERS: dict[str, Callable[[Sequence[ast.expr]], Iterator[tuple[str, str]]]] = {
    "tr": _itself,
    "N": _itself,
    "form": _forms,
    "counted": _forms,
    "plural": _nouns,
    "Texts": _table,
    "heading": _each,
    "Column": _itself,
    "Weight": _because,
    "undecided": lambda arguments: _itself(arguments[1:]),
}
