"""Objects of rows are those that a loop would make, and only those asked for are made."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.tables.columns import Column
from lbtrace.tables.rows import _FEW, _SHORT, OnDemand, Rows, rows_of


class Pair(NamedTuple):
    a: int
    b: str


def test_rows_are_values_of_the_named_tuple() -> None:
    assert rows_of(Pair, ([1, 2], ["x", "y"])) == [Pair(1, "x"), Pair(2, "y")]
    assert type(rows_of(Pair, ([1], ["x"]))[0]) is Pair


@given(st.integers(1, 100), st.lists(st.integers(0, 99)))
def test_what_is_made_on_demand_is_what_is_made_at_once(count: int, asked: list[int]) -> None:
    held = OnDemand(count, lambda rows: [f"row {i}" for i in rows.tolist()])
    for row in asked:
        assert held[row % count] == f"row {row % count}"
        assert held[row % count - count] == f"row {row % count}"
    assert held.all() == [f"row {i}" for i in range(count)]


def test_many_that_are_asked_for_are_made_at_once() -> None:
    asked: list[int] = []

    def make(rows: Column) -> list[int]:
        asked.append(len(rows))
        return [int(row) for row in rows]

    held = OnDemand(1000, make)
    assert [held[i] for i in range(1000)] == list(range(1000))
    assert asked[-1] == 1000
    assert len(asked) < 100


def test_few_that_are_asked_for_are_made_alone() -> None:
    made: list[int] = []

    def make(rows: Column) -> list[int]:
        made.append(len(rows))
        return [int(row) for row in rows]

    count = _SHORT + 2 * _FEW
    held = OnDemand(count, make)
    assert held[5:7] == [5, 6]
    assert made == [1, 1]
    assert held[-1] == count - 1
    assert made == [1, 1, 1]
    assert held[3:4] == [3]
    assert made[-1] == count


class Squares(Rows[int]):
    """0, 1, 4, …"""

    def __len__(self) -> int:
        return 9

    def make(self, rows: Column) -> list[int]:
        """The squares of these."""
        return [i * i for i in rows.tolist()]


def test_rows_are_a_sequence() -> None:
    assert list(Squares()) == Squares() == [i * i for i in range(9)]
    assert (Squares()[2], Squares()[-1], Squares()[3:5]) == (4, 64, [9, 16])
    assert Squares() != [0]
    assert 49 in Squares()
