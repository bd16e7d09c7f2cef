"""The JSON Schema → the tables in docs/json-format.md, written by `python -m
tests.render.json_tables`; a test keeps them true.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "json-format.md"
BEGIN, END = (
    "<!-- tables: written by python -m tests.render.json_tables -->\n",
    "<!-- /tables -->\n",
)
SCHEMA = "lbtrace-1.schema.json"


def schema(name: str = SCHEMA) -> dict[str, Any]:
    """A schema that is shipped."""
    parsed: dict[str, Any] = json.loads(
        resources.files("lbtrace.render").joinpath("schema", name).read_text("utf-8")
    )
    return parsed


def tables() -> str:
    """One table per object, documents first, then in the order a reader meets them."""
    definitions = schema()["$defs"]
    order: list[str] = []
    for start in ("report", "trace"):
        _walk(start, definitions, order)
    return "\n".join(_section(name, definitions[name]) for name in order)


def _walk(name: str, definitions: dict[str, Any], order: list[str]) -> None:
    if name in order:
        return
    order.append(name)
    for reference in _references(definitions[name]):
        _walk(reference, definitions, order)


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        here = [node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else []
        return here + [r for value in node.values() for r in _references(value)]
    if isinstance(node, list):
        return [r for value in node for r in _references(value)]
    return []


def _section(name: str, node: dict[str, Any]) -> str:
    if "properties" not in node:
        return f"### {name}\n\n{_type(node).capitalize()}: {_cell(node)}.\n"
    text = f"### {name}\n\n{node['description']}.\n"
    rows = [f"| `{path}` | {_type(value)} | {_cell(value)} |" for path, value in _rows(node, "")]
    return f"{text}\n| key | type | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _rows(node: dict[str, Any], prefix: str) -> list[tuple[str, dict[str, Any]]]:
    rows = []
    for key, value in node["properties"].items():
        rows.append((prefix + key, value))
        inner = value.get("items", value)
        if "properties" in inner:
            rows += _rows(inner, f"{prefix}{key}{'[]' if 'items' in value else ''}.")
    return rows


def _type(node: dict[str, Any]) -> str:
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name})"
    if "oneOf" in node:
        return " or ".join(_type(option) for option in node["oneOf"])
    if "const" in node:
        return f"`{json.dumps(node['const'])}`"
    kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
    if kinds == ["array"]:
        return f"array of {_type(node['items'])}"
    return " or ".join(kinds)


def _cell(node: dict[str, Any]) -> str:
    parts = [node.get("description", "")]
    choices = node.get("enum") or node.get("items", {}).get("enum")
    if choices:
        parts.append(", ".join(f"`{choice}`" for choice in choices if choice is not None))
    return ": ".join(p for p in parts if p)


def written(document: str) -> str:
    """The document with its tables as they should be."""
    before, rest = document.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return before + BEGIN + "\n" + tables() + "\n" + END + after


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text("utf-8")), "utf-8")
