"""A sentence with places, filled in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.report import Value
from lbtrace.render.wording.escape import shown
from lbtrace.render.wording.statements import filled


def test_statements_are_filled_once() -> None:
    assert (
        filled("{a} and {b}, {c}", (Value("a", "{b}"), Value("b", 1_500_000, "ns")))
        == "{b} and 1.5 ms, {c}"
    )


def test_a_count_of_one_is_singular() -> None:
    statement = "{count} requests were answered"
    assert filled(statement, (Value("count", 1, "count"),)) == "1 request was answered"
    assert filled(statement, (Value("count", 2, "count"),)) == "2 requests were answered"
    assert filled(statement, (Value("count", 1, "bytes"),)) == "1 B requests were answered"


@given(st.text(max_size=20))
def test_a_value_is_text_of_the_capture(text: str) -> None:
    assert filled("it says {value}.", (Value("value", text),)) == f"it says {shown(text)}."


@given(st.text("{}abc", max_size=20))
def test_a_place_without_a_value_stays(statement: str) -> None:
    assert filled(statement, ()) == statement
