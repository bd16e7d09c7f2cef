"""A table of declared columns, against a list of rows that says the same."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.tables.columns import Column, running
from lbtrace.tables.rows import rows_of
from lbtrace.tables.table import RowTable, Table, bounds, column, item, part, shared, table

NAMES = ["a", "b"]
NONE = -1


@table
class Wheels(Table):
    """Two per bicycle."""

    spokes: Column = column("i4", "how many spokes", none=NONE)


@table
class Bicycles(Table):
    """All that a table can declare."""

    names: list[str] = shared("names")
    name: Column = column("u1", "its name", "index in `names`")
    rented: Column = column("?", "someone rides it")
    wheels: Wheels = part("its wheels", each=2)
    first: Column = bounds("its first rider")
    rider: Column = item("i8", "who rode it, in order")
    remark: str = shared("about all of them", str, default="")


class Row(NamedTuple):
    """The same as a value."""

    name: int
    rented: bool
    wheels: tuple[int | None, int | None]
    riders: tuple[int, ...]


spokes = st.none() | st.integers(0, 40)
some_rows = st.lists(
    st.builds(
        Row,
        st.integers(0, 1),
        st.booleans(),
        st.tuples(spokes, spokes),
        st.lists(st.integers(0, 9), max_size=3).map(tuple),
    ),
    max_size=5,
)


def made(rows: list[Row]) -> Bicycles:
    every = [spokes for row in rows for spokes in row.wheels]
    return Bicycles(
        NAMES,
        np.array([row.name for row in rows], np.uint8),
        np.array([row.rented for row in rows], bool),
        Wheels(Wheels.declared["spokes"].column(every)),
        running(np.array([len(row.riders) for row in rows], np.int64)),
        np.array([rider for row in rows for rider in row.riders], np.int64),
    )


def told(held: Bicycles) -> list[Row]:
    (every,) = held.wheels.values(["spokes"], slice(None))
    riders, first = held.rider.tolist(), held.first.tolist()
    return [
        Row(
            int(held.name[i]),
            bool(held.rented[i]),
            (every[2 * i], every[2 * i + 1]),
            tuple(riders[first[i] : first[i + 1]]),
        )
        for i in range(len(held))
    ]


@given(some_rows)
def test_there_and_back(rows: list[Row]) -> None:
    held = made(rows)
    assert len(held) == len(held.name) == len(rows)
    assert told(held) == rows
    assert held.faults() == []


@given(some_rows, st.lists(st.integers(0, 99), max_size=8))
def test_rows_are_taken_with_all_that_belongs_to_them(rows: list[Row], which: list[int]) -> None:
    at = [i % len(rows) for i in which] if rows else []
    taken = made(rows).taken(np.array(at, np.int64))
    assert told(taken) == [rows[i] for i in at]
    assert taken.names is NAMES
    assert taken.faults() == []


@given(some_rows, st.data())
def test_a_mask_takes_its_rows_in_order(rows: list[Row], data: st.DataObject) -> None:
    mask = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    expected = [row for row, wanted in zip(rows, mask, strict=True) if wanted]
    held = made(rows)
    assert told(held.where(np.array(mask, bool))) == expected
    assert told(held.where(np.flatnonzero(mask))) == expected


@given(st.lists(some_rows, max_size=3))
def test_joined_rows_follow_each_other(parts: list[list[Row]]) -> None:
    joined = Bicycles.joined(list(map(made, parts)))
    assert told(joined) == [row for rows in parts for row in rows]
    assert joined.faults() == []


def test_tables_that_refer_to_other_things_are_not_joined() -> None:
    held = made([])
    with pytest.raises(AssertionError, match="names"):
        Bicycles.joined([held, held.with_columns(names=[*NAMES])])


@given(some_rows, some_rows)
def test_tables_are_equal_when_their_rows_are(one: list[Row], other: list[Row]) -> None:
    assert (made(one) == made(other)) == (one == other)
    assert made(one) == made(one)
    assert made(one) != one
    assert made(one) != made(one).with_columns(remark="another")


def test_a_table_without_rows_has_the_declared_types() -> None:
    empty = Bicycles.empty()
    assert empty == made([]).with_columns(names=[])
    assert (len(empty), empty.faults()) == (0, [])
    assert Bicycles.joined([]) == empty
    assert (empty.names, empty.remark) == ([], "")


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("name", np.zeros(2, np.uint8), "rented has 1 entries, not 2"),
        ("rented", np.zeros(2, bool), "rented has 2 entries, not 1"),
        ("rented", np.zeros(1, np.int8), "rented has the type int8, declared is bool"),
        ("wheels", Wheels.empty(), "wheels has 0 entries, not 2"),
        ("first", np.array([0]), "first has 1 entries, not 2"),
        ("rider", np.zeros(2, np.int64), "rider has 2 entries, not 1"),
        (
            "wheels",
            Wheels(np.zeros(2, np.int64)),
            "wheels.spokes has the type int64, declared is int32",
        ),
    ],
)
def test_what_is_not_as_declared_is_said(name: str, value: Any, fault: str) -> None:
    held = made([Row(0, True, (28, 28), (1,))])
    assert held.with_columns(**{name: value}).faults()[0] == fault


def test_columns_are_made_of_the_declared_types() -> None:
    held = made([Row(0, True, (28, None), (1, 2))])
    wide = held.with_columns(name=np.array([0], np.int64), rented=np.array([1]))
    assert wide.faults() == [
        "name has the type int64, declared is uint8",
        "rented has the type int64, declared is bool",
    ]
    assert wide.as_declared() == held
    assert wide.as_declared().faults() == []
    assert held.as_declared().rider is held.rider


@given(st.lists(spokes))
def test_none_has_its_value_in_the_column(values: list[int | None]) -> None:
    declared = Wheels.declared["spokes"]
    held = declared.column(values)
    assert held.dtype == declared.dtype
    assert held.tolist() == [NONE if v is None else v for v in values]
    assert declared.values(held) == values


class Point(NamedTuple):
    """A row as an object."""

    x: int
    y: int | None


@table
class Points(RowTable[Point]):
    """A table with objects."""

    x: Column = column("i8", "to the right")
    y: Column = column("i8", "up", none=NONE)

    @classmethod
    def of(cls, points: list[Point]) -> Points:
        """The columns of points."""
        return cls(**cls.columns_of(points, Point._fields))

    def make(self, rows: Column) -> list[Point]:
        """The points of these rows."""
        return rows_of(Point, self.values(Point._fields, rows))


points = st.lists(st.builds(Point, st.integers(0, 3), st.none() | st.integers(0, 3)), max_size=5)


@given(points, st.integers(-6, 6), st.integers(-6, 6))
def test_a_row_table_is_the_sequence_of_its_objects(
    expected: list[Point], low: int, high: int
) -> None:
    held = Points.of(expected)
    assert list(held) == expected
    assert held[low:high] == expected[low:high]
    assert [held[i] for i in range(len(held))] == expected
    assert [held[i - len(held)] for i in range(len(held))] == expected
    for beyond in (len(held), -len(held) - 1):
        with pytest.raises(IndexError):
            held[beyond]


@given(points, points)
def test_row_tables_are_equal_when_their_objects_are(one: list[Point], other: list[Point]) -> None:
    for right in (other, Points.of(other), tuple(other)):
        assert (Points.of(one) == right) == (one == other)
    assert Points.of(one) != 1


def test_a_row_table_keeps_what_it_made() -> None:
    held = Points.of([Point(1, 2), Point(3, None)])
    assert held[1] is held[1]
    assert held[0] is next(iter(held))
