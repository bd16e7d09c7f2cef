"""Lines of JSON are their parts, one after the other, on both roads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.render.json.lines import CompiledLines, JsonLines, PlainLines, json_lines
from tests.compiled import CORE, needs_core, road
from tests.laws import examples

INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-11, 11)
TEXTS = ["null", "", "[1]", '"a"']


@st.composite
def noted(draw: st.DrawFn) -> tuple[int, list[tuple[str, Any, Any]]]:
    """How many lines, and their parts: (what, column or text, more)."""
    count = draw(st.integers(1, 5))

    def column(items: st.SearchStrategy[int]) -> list[int]:
        return draw(st.lists(items, min_size=count, max_size=count))

    parts: list[tuple[str, Any, Any]] = []
    for what in draw(st.lists(st.sampled_from(["common", "numbers", "named"]), max_size=8)):
        if what == "common":
            parts.append((what, draw(st.text("a,{", max_size=3)), None))
        elif what == "numbers":
            parts.append((what, column(INTEGERS), draw(st.none() | INTEGERS)))
        else:
            parts.append((what, column(st.integers(0, len(TEXTS) - 1)), None))
    return count, parts


def tell(lines: JsonLines, parts: list[tuple[str, Any, Any]]) -> str:
    for what, given_one, more in parts:
        if what == "common":
            lines.common(given_one)
        elif what == "numbers":
            lines.numbers(np.array(given_one, np.int64), more)
        else:
            lines.named(TEXTS, np.array(given_one))
    return lines.joined("\n,")


def expected(count: int, parts: list[tuple[str, Any, Any]]) -> str:
    def part(what: str, of: Any, more: Any, row: int) -> object:
        if what == "common":
            return of
        if what == "named":
            return TEXTS[of[row]]
        return "null" if of[row] == more else str(of[row])

    return "\n,".join("".join(str(part(*each, row)) for each in parts) for row in range(count))


@examples(200)
@given(noted())
def test_the_plain_lines(said: tuple[int, list[tuple[str, Any, Any]]]) -> None:
    assert tell(PlainLines(said[0]), said[1]) == expected(*said)


@needs_core
@examples(200)
@given(noted())
def test_the_compiled_lines(said: tuple[int, list[tuple[str, Any, Any]]]) -> None:
    assert CORE is not None
    assert tell(CompiledLines(CORE, said[0]), said[1]) == expected(*said)


@needs_core
@pytest.mark.parametrize(
    "dtype", [np.uint32, np.int32, np.uint16, np.int16, np.uint8, np.int8, np.int64]
)
def test_columns_of_any_integers_are_written(dtype: Any) -> None:
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    with road(CORE):
        lines = json_lines(3)
    lines.numbers(np.array([least, 7, most], dtype)[::-1])
    lines.common(" ")
    lines.named(["a", "b"], np.array([True, False, True])[::-1])
    assert lines.joined(",") == f"{most} b,7 a,{least} b"


@needs_core
@pytest.mark.parametrize("dtype", [np.uint64, np.float64, "V16", ">i4"])
def test_the_core_takes_no_other_columns(dtype: Any) -> None:
    assert CORE is not None
    with pytest.raises(ValueError, match="a column of integers"):
        CORE.Lines(1).numbers(np.zeros(1, dtype))
