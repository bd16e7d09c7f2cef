"""Source of a module → every fault that can be planted in it, one at a time.

The operators of mutmut plant them, and a few of our own for what this house is full of: margins,
rules that are a guard, the larger for the smaller. Left out are mutmut's operators on strings (the
texts for people are free to change), on arguments and on assigned values: what they plant raises an
error nearly everywhere, any test at all would catch it, and the score would say nothing.

Annotations, imports, decorators, assertions (`strict=` of zip is one) and docstrings are left as
they are, and the -1 of `reshape`, in whose place any negative number does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import libcst as cst
import libcst.matchers as m
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper, PositionProvider
from mutmut.mutation import mutators

Operator = Callable[[Any], Iterable[cst.CSTNode]]

EXCHANGED = (
    ("min", "max"),
    ("any", "all"),
    ("minimum", "maximum"),
    ("argmin", "argmax"),
    ("floor", "ceil"),
    ("first_ns", "last_ns"),
)
"""Names called, and attributes read, that are exchanged for each other."""

_PARTNER = {a: b for pair in EXCHANGED for a, b in (pair, pair[::-1])}
_NO_RULE = m.Arg(keyword=m.Name("strict"))
_REST_OF_SHAPE = m.Arg(m.UnaryOperation(m.Minus(), m.Integer("1")))
_RESHAPED = m.Call(m.Attribute(attr=m.Name("reshape")))
_SKIPPED = (cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom, cst.Assert, cst.Global)


def one_less(node: cst.Integer) -> Iterator[cst.CSTNode]:
    """`3` → `2`: mutmut's operator adds one."""
    less = cst.Integer(str(abs(node.evaluated_value - 1)))
    yield less if node.evaluated_value else cst.UnaryOperation(cst.Minus(), less)


def partner(node: cst.Name) -> Iterator[cst.CSTNode]:
    """`min` → `max`, `.any` → `.all`."""
    if node.value in _PARTNER:
        yield node.with_changes(value=_PARTNER[node.value])


def other_side(node: cst.SimpleString) -> Iterator[cst.CSTNode]:
    """`searchsorted(…, "left")` → `"right"`."""
    if node.value in ('"left"', '"right"'):
        yield cst.SimpleString('"right"' if node.value == '"left"' else '"left"')


def negated(node: cst.If) -> Iterator[cst.CSTNode]:
    """`if c:` → `if not (c):`."""
    test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield cst.UnaryOperation(cst.Not(), test)


def no_rule(node: cst.If) -> Iterator[cst.CSTNode]:
    """`if c: …` without else → nothing: the rule is gone."""
    if node.orelse is None:
        yield cst.Pass()


def no_statement(node: cst.SimpleStatementLine) -> Iterator[cst.CSTNode]:
    """A call, a yield, an addition in place → nothing."""
    (first, *rest) = node.body
    if rest or not isinstance(first, cst.Expr | cst.AugAssign | cst.Del):
        return
    if isinstance(first, cst.Expr) and not isinstance(first.value, cst.Call | cst.Yield):
        return
    yield cst.Pass()


def nothing_returned(node: cst.Return) -> Iterator[cst.CSTNode]:
    """`return x` → `return None`."""
    if node.value is not None and not m.matches(node.value, m.Name("None")):
        yield cst.Return(cst.Name("None"))


OPERATORS: tuple[tuple[type[cst.CSTNode], Operator], ...] = (
    (cst.BaseNumber, mutators.operator_number),
    (cst.Integer, one_less),
    (cst.Name, mutators.operator_name),
    (cst.Name, partner),
    (cst.SimpleString, other_side),
    (cst.UnaryOperation, mutators.operator_remove_unary_ops),
    (cst.Call, mutators.operator_symmetric_string_methods_swap),
    (cst.Call, mutators.operator_unsymmetrical_string_methods_swap),
    (cst.Lambda, mutators.operator_lambda),
    (cst.AugAssign, mutators.operator_augmented_assignment),
    (cst.CSTNode, mutators.operator_keywords),
    (cst.CSTNode, mutators.operator_swap_op),
    (cst.Match, mutators.operator_match),
    (cst.IfExp, mutators.operator_if_exp),
    (cst.If, negated),
    (cst.If, no_rule),
    (cst.SimpleStatementLine, no_statement),
    (cst.Return, nothing_returned),
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: bytes `start` to `end` of `path` become `text`.

    `first` and `last` are the lines of which one runs when the fault can be noticed; `before` and
    `after` show the lines that differ.
    """

    path: str
    scope: str
    operator: str
    line: int
    first: int
    last: int
    start: int
    end: int
    text: str
    before: str
    after: str

    def rank(self, seed: int) -> bytes:
        """Its place in the order that `seed` draws. It rests on what the fault is, not on where:
        a change elsewhere leaves the sample as it is.
        """
        what = f"{seed}\0{self.path}\0{self.scope}\0{self.operator}\0{self.before}\0{self.after}"
        return blake2b(what.encode(), digest_size=8).digest()

    def planted(self, source: bytes) -> bytes:
        """The source with the fault in it."""
        return source[: self.start] + self.text.encode() + source[self.end :]


def mutants(path: Path, root: Path) -> list[Mutant]:
    """Every fault that can be planted in one file."""
    source = path.read_bytes()
    return [mutant for mutant in candidates(path, root) if is_sound(mutant, source)]


def candidates(path: Path, root: Path) -> list[Mutant]:
    """The same, and some that are no Python."""
    source = path.read_bytes()
    wrapper = MetadataWrapper(cst.parse_module(source))
    spans = wrapper.resolve(ByteSpanPositionProvider)
    lines = wrapper.resolve(PositionProvider)
    name = str(path.relative_to(root))
    out: dict[tuple[int, int, str], Mutant] = {}
    for node, scope, header in _nodes(wrapper.module):
        for kind, operator in OPERATORS:
            if not isinstance(node, kind) or node not in spans:
                continue
            place = node.test if operator is negated else node  # type: ignore[attr-defined]
            start, length = spans[place].start, spans[place].length
            for new in operator(node):
                text = _text(wrapper.module, place, new, source[start : start + 1].isspace())
                found = Mutant(
                    name,
                    scope,
                    operator.__name__,
                    lines[node].start.line,
                    lines[header].start.line,
                    _last(header, lines),
                    start,
                    start + length,
                    text,
                    *_shown(source, start, start + length, text.encode()),
                )
                if found.before != found.after:
                    out.setdefault((start, start + length, text), found)
    return list(out.values())


def _nodes(module: cst.Module) -> Iterator[tuple[cst.CSTNode, str, cst.CSTNode]]:
    """Each node with the names of the function it is in and the statement that it belongs to."""
    waiting: list[tuple[cst.CSTNode, str, cst.CSTNode]] = [(module, "", module)]
    while waiting:
        node, scope, header = waiting.pop()
        if isinstance(node, _SKIPPED) or m.matches(node, _NO_RULE):
            continue
        if isinstance(node, cst.If) and m.matches(node.test, m.Name("TYPE_CHECKING")):
            continue
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            scope = f"{scope}.{node.name.value}" if scope else node.name.value
        if isinstance(node, cst.SimpleStatementLine | cst.BaseCompoundStatement):
            header = node
        if node is not module:
            yield node, scope, header
        waiting += [(child, scope, header) for child in reversed(_parts(node))]


def _parts(node: cst.CSTNode) -> list[cst.CSTNode]:
    """What a node is made of, without the rest of a shape."""
    reshaped = m.matches(node, _RESHAPED)
    return [c for c in node.children if not (reshaped and m.matches(c, _REST_OF_SHAPE))]


def _text(module: cst.Module, place: cst.CSTNode, new: cst.CSTNode, spaced: bool) -> str:
    """The new code, without the parentheses and spaces that stay around the old."""
    if getattr(place, "lpar", None) and getattr(new, "lpar", None):
        new = new.with_changes(lpar=(), rpar=())
    if isinstance(new, cst.SimpleStatementLine):
        new = new.with_changes(leading_lines=())
    text = module.code_for_node(new).rstrip()
    return text if spaced else text.lstrip()


def _last(header: cst.CSTNode, lines: Any) -> int:
    """The last line of a statement, without the block that it heads."""
    body = getattr(header, "body", None)
    if isinstance(header, cst.BaseCompoundStatement) and isinstance(body, cst.IndentedBlock):
        return max(int(lines[header].start.line), int(lines[body].start.line) - 1)
    return int(lines[header].end.line)


def _shown(source: bytes, start: int, end: int, text: bytes) -> tuple[str, str]:
    """The first line that differs, before and after."""
    begin = source.rfind(b"\n", 0, start) + 1
    stop = source.find(b"\n", start)
    before = source[begin : stop if stop >= 0 else len(source)]
    changed = source[begin:start] + text + (source[end:stop] if end <= stop else b"")
    return before.decode().strip(), changed.split(b"\n")[0].decode().strip()


def is_sound(mutant: Mutant, source: bytes) -> bool:
    """Is it Python?"""
    try:
        compile(mutant.planted(source), mutant.path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True
