"""Renderers read and lay out. What is counted, compared with a threshold or turned into a ratio is
measured before, in the room that owns it: its words are in `Report`, `Trace` and `CaptureCounts`.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lbtrace.render

RENDER = Path(lbtrace.render.__file__).parent
PAGE = [
    path
    for room in ("html", "terminal", "wording")
    for path in sorted((RENDER / room).glob("*.py"))
]
# where numbers of columns and lines are divided, and where a number with a unit becomes text
LAYOUT = {
    "drawing.py",
    "first_screen.py",
    "frames.py",
    "ladder_svg.py",
    "ladders.py",
    "page.py",
    "show_screen.py",
    "topology.py",
}
UNITS = {"escape.py", "names.py", "times.py", "units.py"}
MEASURING = {"sum", "Counter", "median", "mean", "max", "min", "statistics", "numpy", "np"}
READ = (
    "lbtrace.model",
    "lbtrace.render",
    "lbtrace.errors",
    "lbtrace.language",
    "lbtrace._version",
    "rich",
)
# counts one Trace, of which there is no Report; puts the exchanges of a Report in order; reads the
# bytes of a frame
COUNTED = (
    "lbtrace.tables.captures",
    "lbtrace.listing",
    "lbtrace.ladder",
    "lbtrace.pair_times",
    "lbtrace.frame.dissection",
    "lbtrace.frame.evidence",
    "lbtrace.frame.payload_lines",
    "lbtrace.http_fields.masking",
)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("path", PAGE, ids=name)
def test_a_page_counts_nothing(path: Path) -> None:
    used = {node.id for node in ast.walk(tree(path)) if isinstance(node, ast.Name)}
    if path.name not in LAYOUT | UNITS:
        assert not used & MEASURING


@pytest.mark.parametrize("path", PAGE, ids=name)
def test_a_page_divides_nothing(path: Path) -> None:
    divided = [
        node.lineno
        for node in ast.walk(tree(path))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod)
    ]
    assert not divided or path.name in LAYOUT | UNITS


@pytest.mark.parametrize("path", PAGE, ids=name)
def test_a_page_reads_finished_values_only(path: Path) -> None:
    imported = [
        node.module or ""
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lbtrace")
    ]
    assert all(module in COUNTED or module.startswith(READ) for module in imported)


@pytest.mark.parametrize("path", sorted((RENDER / "json").glob("*.py")), ids=name)
def test_json_writes_what_was_measured(path: Path) -> None:
    nodes = list(ast.walk(tree(path)))
    assert not [n for n in nodes if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div)]
    called = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not called & {"sum", "Counter", "median"}
