"""The source of findings and witnesses → the sentences and remedies that they can say.

A statement is written in pieces: constants, alternatives, optional parts. This evaluates them as
far as they are known without running anything, and yields every sentence that can come of it.
What is only known at run time (a word that is computed) makes a statement unknown; it then stays
English. The texts themselves are translated sentence by sentence (`split`), so that an optional
sentence behind another doubles nothing.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise, product
from types import ModuleType
from typing import Any, TypeGuard

from lbtrace.language.plurals import choices
from lbtrace.language.split import split

# tables of what can stand at a place of a sentence, or be one
PHRASES = ("HOW", "TEXT", "WHAT_TO_DO")
MOST_CALLS = 10  # of functions of other modules, one in another
MOST = 400  # forms of one statement; what has more is no text any more
# who may be named in a remedy: (sender, server), as `findings._side.ends` names them
ROLES = (
    {"sender": "client", "server": "balancer"},
    {"sender": "balancer", "server": "backend"},
    {"sender": "client", "server": "backend"},
    {"sender": "client end", "server": "server end"},
)
ENDS = tuple(dict.fromkeys(end for role in ROLES for end in role.values()))
SIDE = " on the {side} side"  # left out of what one capture alone tells
_PLACE = re.compile(r"\{(\w+)\}")


class Unknown(Exception):
    """A text that is only known at run time."""


def sentences(module: ModuleType) -> Iterator[str]:
    """The title of a module's findings, each sentence of their statements and remedies, and what
    can stand in those; each once.
    """
    found = [sentence for text in statements(module) for sentence in split(text) if sentence]
    tables = [getattr(module, name, None) for name in PHRASES]
    found += [text for table in tables if isinstance(table, dict) for text in table.values()]
    if hasattr(module, "KIND"):
        found.append(module.KIND.title)
    yield from dict.fromkeys(found)


def statements(module: ModuleType) -> Iterator[str]:
    """The statements and remedies of a module, in every form that is known."""
    for _, forms, _ in _texts_of(module):
        yield from forms


def unknown(module: ModuleType) -> Iterator[str]:
    """The statements and remedies of a module that are only known at run time, as its source. The
    places of a remedy are filled in before it is translated: only who is meant may stand there.
    """
    for node, forms, is_remedy in _texts_of(module):
        if not forms or (is_remedy and any(map(_PLACE.search, forms))):
            yield ast.unparse(node)


def _texts_of(module: ModuleType) -> Iterator[tuple[ast.expr, list[str], bool]]:
    """Each statement and remedy, with its forms, and whether it is a remedy."""
    tree = ast.parse(inspect.getsource(module))
    reader = _Reader(module, tree)
    for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
        for call in (n for n in ast.walk(function) if isinstance(n, ast.Call)):
            for node in _statement(call):
                yield node, reader.known(node, function), False
            for node in _remedy(call):
                yield node, reader.known(node, function), True


def _statement(call: ast.Call) -> list[ast.expr]:
    """The statement of a finding or of a witness."""
    match call.func:
        case ast.Attribute(attr="finding"):
            return call.args[3:4]
        case ast.Attribute(attr="of", value=ast.Name(id="Observation")):
            return call.args[2:3]
    return []


def _remedy(call: ast.Call) -> list[ast.expr]:
    """The remedy of a finding."""
    match call.func:
        case ast.Attribute(attr="finding"):
            return [k.value for k in call.keywords if k.arg == "remedy"]
    return []


class _Reader:
    """Evaluates the expressions of one module."""

    def __init__(self, module: ModuleType, tree: ast.Module) -> None:
        self._module = module
        self._functions = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        self._calls = [
            (call, function)
            for function in self._functions.values()
            for call in ast.walk(function)
            if isinstance(call, ast.Call)
        ]

    def known(self, node: ast.expr, inside: ast.FunctionDef) -> list[str]:
        """The forms of a text; none when it is not known."""
        try:
            forms = self._whole(node, inside)
            return list(dict.fromkeys(chain.from_iterable(map(choices, forms))))
        except Unknown:
            return []

    def _forms(self, node: ast.expr, inside: ast.FunctionDef, depth: int) -> list[str]:
        if depth > 20:
            raise Unknown
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.BinOp(op=ast.Add()):
                return self._joined([node.left, node.right], inside, depth)
            case ast.JoinedStr():
                return self._joined(node.values, inside, depth)
            case ast.FormattedValue():
                return self._forms(node.value, inside, depth + 1)
            case ast.IfExp():
                return self._any([node.body, node.orelse], inside, depth)
            case ast.NamedExpr():
                return self._forms(node.value, inside, depth + 1)
        return self._found(node, inside, depth)

    def _found(self, node: ast.expr, inside: ast.FunctionDef, depth: int) -> list[str]:
        """What stands elsewhere: the forms of a name, of a table, of a call."""
        match node:
            case ast.Name(id=name):
                return self._named(name, inside, depth)
            case ast.Subscript(value=ast.Name(id=name)):
                return _texts(getattr(self._module, name, None))
            case ast.Attribute(attr=name):
                return self._given(name, depth)
            case ast.Call():
                return self._called(node, inside, depth)
        raise Unknown

    def _whole(self, node: ast.expr, inside: ast.FunctionDef) -> list[str]:
        """The forms of a statement; where sentences end on both sides of a joint, those of either
        side alone: a form of each behind a form of each other would be too many.
        """
        parts = [self._forms(part, inside, 0) for part in _joint_parts(node)]
        runs = [[parts[0]]]
        for before, part in pairwise(parts):
            if _end_sentences(before) and _are_sentences(part):
                runs.append([part])
            else:
                runs[-1].append(part)
        return [form for run in runs for form in _products(run)]

    def _joined(self, nodes: Iterable[ast.expr], inside: ast.FunctionDef, depth: int) -> list[str]:
        """Every form of one behind every form of the other."""
        return _products([self._forms(node, inside, depth + 1) for node in nodes])

    def _any(self, nodes: Iterable[ast.expr], inside: ast.FunctionDef, depth: int) -> list[str]:
        return [form for node in nodes for form in self._forms(node, inside, depth + 1)]

    def _named(self, name: str, inside: ast.FunctionDef, depth: int) -> list[str]:
        """What a variable is given in the function or by its callers, else a constant of the
        module.
        """
        given = [(node, inside) for node in _assigned(name, inside)]
        given += self._passed(name, inside)
        if not given:
            return _texts(getattr(self._module, name, None))
        return [f for node, where in given for f in self._forms(node, where, depth + 1)]

    def _passed(
        self, name: str, function: ast.FunctionDef
    ) -> Iterator[tuple[ast.expr, ast.FunctionDef]]:
        """What the callers of a function pass for a parameter, and where."""
        parameters = [argument.arg for argument in function.args.args]
        if name not in parameters:
            return
        place = parameters.index(name)
        for call, where in self._calls:
            if isinstance(call.func, ast.Name) and call.func.id == function.name:
                yield from ((k.value, where) for k in call.keywords if k.arg == name)
                if place < len(call.args):
                    yield call.args[place], where

    def _given(self, name: str, depth: int) -> list[str]:
        """The texts that anything of the module is given under a name: `case.statement`."""
        nodes = []
        for call, where in self._calls:
            nodes += [
                (k.value, where)
                for k in call.keywords
                if k.arg == name and getattr(k.value, "attr", "") != name  # handed on
            ]
            made = getattr(self._module, call.func.id, None) if _is_name(call.func) else None
            fields = getattr(made, "_fields", ())
            if name in fields and len(call.args) > fields.index(name):
                nodes.append((call.args[fields.index(name)], where))
        if not nodes:
            raise Unknown
        return [f for node, where in nodes for f in self._forms(node, where, depth + 1)]

    def _returned(self, name: str, depth: int) -> list[str]:
        """What a function of the module returns."""
        function = self._functions.get(name)
        if function is None:
            raise Unknown
        returned = [n.value for n in ast.walk(function) if isinstance(n, ast.Return)]
        return self._any((node for node in returned if node), function, depth + 1)

    def _called(self, call: ast.Call, inside: ast.FunctionDef, depth: int) -> list[str]:
        match call.func:
            case ast.Name(id="told"):
                forms = self._forms(call.args[1], inside, depth + 1)
                return [*forms, *(form.replace(SIDE, "") for form in forms)]
            case ast.Name(id=name) if name in self._functions:
                return self._returned(name, depth)
            case ast.Name(id=name):
                there = inspect.getmodule(getattr(self._module, name, None))
                if there is None or there is self._module or depth > MOST_CALLS:
                    raise Unknown
                tree = ast.parse(inspect.getsource(there))
                return _Reader(there, tree)._returned(name, depth)
            case ast.Attribute(attr="format", value=text):
                return [
                    _filled(f, {**role, "end": end})
                    for f in self._forms(text, inside, depth)
                    for role in ROLES
                    for end in (ENDS if "{end}" in f else ENDS[:1])
                ]
            case ast.Attribute(attr="get", value=ast.Name(id=table)):
                otherwise = self._any(call.args[1:], inside, depth)
                return [*_texts(getattr(self._module, table, None)), *otherwise]
            case ast.Attribute(attr="replace", value=text):
                old, new = (self._forms(a, inside, depth + 1) for a in call.args)
                every = self._forms(text, inside, depth + 1)
                return [form.replace(old[0], by) for form in every for by in new]
        raise Unknown


def _joint_parts(node: ast.expr) -> Iterator[ast.expr]:
    """The parts that are joined by +, in order."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _joint_parts(node.left)
        yield from _joint_parts(node.right)
    else:
        yield node


def _products(parts: list[list[str]]) -> list[str]:
    """Every form of one behind every form of the other."""
    if math.prod(map(len, parts)) > MOST:
        raise Unknown
    return ["".join(forms) for forms in product(*parts)]


def _end_sentences(forms: list[str]) -> bool:
    return any(forms) and all(form.endswith(".") for form in forms if form)


def _are_sentences(forms: list[str]) -> bool:
    return _end_sentences(forms) and all(form.startswith(" ") for form in forms if form)


def _is_name(node: ast.expr) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name)


def _filled(text: str, places: dict[str, str]) -> str:
    return _PLACE.sub(lambda place: places.get(place[1], place[0]), text)


def _assigned(name: str, function: ast.FunctionDef) -> Iterator[ast.expr]:
    """What a variable is assigned in a function, loops over literals included."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _part(name, target, node.value)
        elif isinstance(node, ast.NamedExpr):
            yield from _part(name, node.target, node.value)
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple | ast.List):
            for value in node.iter.elts:
                yield from _part(name, node.target, value)


def _part(name: str, target: ast.expr, value: ast.expr) -> Iterator[ast.expr]:
    """The part of a value that goes to a variable."""
    if isinstance(target, ast.Name) and target.id == name:
        yield value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.IfExp):
        for either in (value.body, value.orelse):
            yield from _part(name, target, either)
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for inner, part in zip(target.elts, value.elts, strict=False):
            yield from _part(name, inner, part)


def _texts(value: Any) -> list[str]:
    """The texts of a constant: of a text, or of the values of a table."""
    if isinstance(value, str):
        return [value]
    found = list(value.values()) if isinstance(value, dict) else []
    if found and all(isinstance(each, str) for each in found):
        return found
    raise Unknown
