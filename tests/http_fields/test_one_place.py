"""Field names stand in the registry and nowhere else: no literals, no lists.

The lab is free: it configures real programs and sends what clients send.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbtrace.http_fields import names

ROOT = Path(__file__).parents[2] / "lbtrace"
FREE = ("http_fields", "lab")
MODULES = [
    path.relative_to(ROOT).as_posix()
    for path in sorted(ROOT.rglob("*.py"))
    if path.relative_to(ROOT).parts[0] not in FREE
]
# Calls whose arguments are words: a noun to count, the name of a value in a report.
OF_WORDS = ("noun", "plural", "Value")
# Where a word means something else than the field of that name.
OTHER_MEANING = {
    "cli/assistants/tools.py": {"expect": "an option of check"},
    "findings/protocols/protocol_changes.py": {"upgrade": "slug of a finding"},
    "findings/messages/unasked_coding.py": {
        "x-": "prefix of older content codings (RFC 9110 §8.4.1.3)"
    },
    "http/digest.py": {"x-gzip": "content coding (RFC 9110 §8.4.1.3)"},
    "http/h1/framing.py": dict.fromkeys(("x-compress", "x-gzip"), "transfer coding"),
    "language/sentences.py": {"server": "an end of a connection"},
    "live/places/ssh.py": {"host": "part of an address"},
    "model/http.py": {"content-length": "published name of a kind of framing"},
    "model/stream.py": {"server": "an end of a connection"},
}
# Rooms with columns and labels of these names: an end of a connection, and the connection.
OF_COLUMNS = ("tables", "render")
COLUMNS = {"server", "connection"}


def literals(tree: ast.AST) -> Iterator[str]:
    """The texts of constants that look like field names, in lower case."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call) and _called(node.func) in OF_WORDS:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            value = node.value
            text = value.decode("latin-1") if isinstance(value, bytes) else value
            if text.lower() in names() or text.lower().startswith("x-"):
                yield text.lower()
        yield from literals(node)


def lists(tree: ast.AST) -> Iterator[str]:
    """Sets, lists, tuples and dictionaries that hold two field names or more, as source."""
    constants = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "lbtrace.http_fields"
        for alias in node.names
        if alias.name.isupper()
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Set | ast.List | ast.Tuple | ast.Dict):
            members = node.keys if isinstance(node, ast.Dict) else node.elts
            if sum(_is_field(member, constants) for member in members) > 1:
                yield ast.unparse(node)


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_field(node: ast.expr | None, constants: set[str]) -> bool:
    if isinstance(node, ast.Attribute):
        return getattr(node.value, "id", "") == "http_fields" and node.attr.isupper()
    return isinstance(node, ast.Name) and node.id in constants


@pytest.mark.parametrize("module", MODULES)
def test_field_names_stand_in_the_registry_alone(module: str) -> None:
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    columns = COLUMNS if module.startswith(OF_COLUMNS) else set()
    found = set(literals(tree)) - columns
    assert found == set(OTHER_MEANING.get(module, ())), "use the registry's constants"
    assert not list(lists(tree)), "give these fields a meaning in the registry"


def test_every_module_with_another_meaning_is_there() -> None:
    assert set(OTHER_MEANING) <= set(MODULES)


@pytest.mark.parametrize(
    "source",
    ['n == "host"', 'n == b"Via"', 'f(n="X-Unheard-Of")', "f'{n} {f(\"cookie\")}'", '{"age": 1}'],
)
def test_a_literal_is_found(source: str) -> None:
    assert list(literals(ast.parse(source)))


@pytest.mark.parametrize(
    "source", ['plural(n, "connection")', 'units.plural(n, "server")', '"via the host"', '"hosts"']
)
def test_a_word_is_no_field(source: str) -> None:
    assert not list(literals(ast.parse(source)))


@pytest.mark.parametrize("source", ["{HOST, VIA}", "{HOST: 1, VIA: 2}", "n in (HOST, VIA)"])
def test_a_list_is_found(source: str) -> None:
    imported = f"from lbtrace.http_fields import HOST, VIA\n{source}"
    assert list(lists(ast.parse(imported)))
    qualified = source.replace("HOST", "http_fields.HOST").replace("VIA", "http_fields.VIA")
    assert list(lists(ast.parse(qualified)))
    assert not list(lists(ast.parse(source)))
