"""Text in Markdown is shown as it is: nothing in it ends the span or block that it stands in."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.render.wording.markdown import code, fenced

TEXTS = st.text("`a |\\", max_size=20)


@given(TEXTS)
def test_the_fence_of_a_span_is_the_shortest_that_the_text_does_not_hold(text: str) -> None:
    found = re.fullmatch(r"(`+)( ?)(.*?)\2\1", code(text))
    assert found is not None
    fence = found[1]
    runs = re.findall("`+", text)
    assert fence not in runs
    assert len(fence) == max(map(len, runs), default=0) + 1


@given(st.lists(TEXTS))
def test_no_line_of_a_block_ends_it(rows: list[str]) -> None:
    first, *held, last = fenced(rows, "text").splitlines()
    assert (first, held) == (f"{last}text", rows)
    assert not any(last in row for row in rows)
    assert len(last) >= 3


def test_a_text_of_nothing_but_back_ticks_costs_no_more_than_another() -> None:
    ticks = "`" * 1_000_000  # one by one, a fence that is long enough would take half an hour
    assert len(code(ticks)) == 3 * len(ticks) + 4
