"""Each format of a diff, on the founding pair and on hostile text."""

from __future__ import annotations

import io
import json

import jsonschema
import pytest

from lbtrace.behaviour import compared
from lbtrace.model.behaviour import Behaviour, Fact
from lbtrace.render import View
from lbtrace.render.diff import DiffResult, format_names, get_format
from tests.behaviour.samples import behaviour_of, samples
from tests.render.check.hostile import HOSTILE
from tests.render.json_tables import schema


def _result(one: str = "alb-like", other: str = "nlb-like") -> DiffResult:
    before, after = behaviour_of(one), behaviour_of(other)
    return DiffResult((one, other), compared(before, after), (before.undecided, after.undecided))


def _written(name: str, result: DiffResult, width: int = 100, ascii_only: bool = False) -> str:
    out = io.StringIO()
    get_format(name).write(result, out, View(width=width, ascii_only=ascii_only))
    return out.getvalue()


def test_the_founding_table() -> None:
    page = _written("terminal", _result())
    differ, _, rest = page.partition("Same in both")
    rows = [line.split("  ") for line in differ.splitlines()]
    kinds = next(row for row in rows if row[0].startswith("kind"))
    assert "l7-proxy" in " ".join(kinds)
    assert "l4-passthrough" in " ".join(kinds)
    for text in ("x-forwarded-for", "several (4 on 1)", "one each (4 on 4)", "GET /health"):
        assert text in differ
    assert "request field user-agent: unchanged" in rest


@pytest.mark.parametrize("sample", samples())
def test_a_sample_against_itself_shows_no_difference(sample: str) -> None:
    assert _written("terminal", _result(sample, sample)).startswith("No difference was seen.")


@pytest.mark.parametrize("sample", samples())
def test_json_follows_its_schema(sample: str) -> None:
    document = json.loads(_written("json", _result("alb-like", sample)))
    jsonschema.validate(document, schema("lbtrace-diff-1.schema.json"))


def test_markdown_is_three_tables() -> None:
    text = _written("markdown", _result())
    assert text.count("|---|---|---|") == 3
    assert "**What differs** (" in text


@pytest.mark.parametrize("name", format_names())
def test_hostile_text_is_never_raw(name: str) -> None:
    facts = tuple(
        Behaviour((Fact(f"request.headers.{HOSTILE}", value, HOSTILE),)) for value in (HOSTILE, "b")
    )
    result = DiffResult((HOSTILE, "b"), compared(*facts))
    text = _written(name, result)
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("name", ["terminal", "markdown"])
def test_what_decides_nothing_is_said_and_not_compared(name: str) -> None:
    text = _written(name, DiffResult(("a", "b"), _result().facts, ("they differ", "")))
    assert "nothing can be compared" in text
    assert "l7-proxy" not in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_page_keeps_its_width(width: int) -> None:
    assert all(len(line) <= width for line in _written("terminal", _result(), width).splitlines())
    assert _written("terminal", _result(), width, ascii_only=True).isascii()
