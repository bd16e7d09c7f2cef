"""What is not named is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.findings._names import counted, few


def test_the_most_frequent_come_first_and_the_rest_are_counted() -> None:
    assert few(["b", "a", "a", "c"]) == "a, b, c"
    assert few(["b", "a", "a", "c", "d", "e"]) == "a, b, c and 2 more"
    assert counted(["400", "431", "400"]) == "400 ×2, 431 ×1"
    assert few([]) == ""


@given(st.lists(st.sampled_from("abcdefgh")), st.integers(1, 9))
def test_every_name_is_told_or_counted(names: list[str], most: int) -> None:
    told, _, more = few(names, most).partition(" and ")
    shown = told.split(", ") if told else []
    assert len(shown) + int(more.removesuffix(" more") or 0) == len(set(names))
