"""A question that several judges ask of a Comparison is worked out once."""

from __future__ import annotations

from dataclasses import replace

from lbtrace.comparison import Comparison, once
from lbtrace.model.pairing import Correlation

ASKED: list[tuple[Comparison, str]] = []


@once
def one(comparison: Comparison, word: str = "") -> list[str]:
    """A question."""
    ASKED.append((comparison, word))
    return [word]


@once
def other(comparison: Comparison) -> None:
    """A question whose answer is None."""
    ASKED.append((comparison, "other"))


def test_each_question_is_worked_out_once_for_each_comparison_and_all_it_is_given() -> None:
    ASKED.clear()
    first, second = (Comparison((), (), Correlation()) for _ in range(2))
    assert one(first, "a") is one(first, "a")
    assert one(first, "b") == ["b"]
    assert one(first, word="b") == ["b"]
    assert other(first) is other(first) is None
    assert one(second, "a") == ["a"]
    told = [(first, "a"), (first, "b"), (first, "b"), (first, "other"), (second, "a")]
    assert [(id(of), word) for of, word in ASKED] == [(id(of), word) for of, word in told]


def test_what_is_known_of_a_comparison_does_not_go_to_another_one_made_of_it() -> None:
    ASKED.clear()
    first = Comparison((), (), Correlation())
    one(first, "a")
    one(replace(first, correlation=Correlation(swapped=True)), "a")
    assert len(ASKED) == 2
