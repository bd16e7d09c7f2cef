"""What a table is: columns, each declared once, and everything that follows from that.

A table has rows. Its class declares what it holds, in the order of its constructor:

    column    one value per row
    part      another table, with as many rows, or `each` times as many
    bounds    where the items of each row begin, when a row has any number of items: row i has the
              items `bounds[i]` to `bounds[i + 1]`
    item      one value per item
    shared    what all rows refer to; a selection of rows refers to the same

The declaration gives the constructor, the length, selection of rows, concatenation, equality, the
table without rows, and the description in docs/tables.md. Nothing is done row by row. A constructor
checks nothing: `faults` says what is not as declared, and tests ask it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import (
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    Self,
    TypeVar,
    dataclass_transform,
    get_type_hints,
)

import numpy as np

from lbtrace.tables.columns import Column, parts_of, running
from lbtrace.tables.rows import Rows

_Class = TypeVar("_Class", bound=type)
_T = TypeVar("_T")
Role = Literal["column", "part", "bounds", "item", "shared"]


class Declared(NamedTuple):
    """One declaration. `dtype` is numpy's short name, `none` the value that stands for None, `each`
    how many rows of a part belong to one row.
    """

    name: str
    role: Role
    meaning: str
    dtype: str = ""
    unit: str = ""
    none: int | None = None
    each: int = 1
    empty: Callable[[], Any] = list

    def column(self, values: Sequence[Any]) -> Column:
        """Values → the column. None becomes `none`."""
        if self.none is None:
            return np.array(values, self.dtype)
        return np.array([self.none if v is None else v for v in values], self.dtype)

    def values(self, column: Column) -> list[Any]:
        """A column → its values. `none` becomes None."""
        values: list[Any] = column.tolist()
        if self.none is not None:
            for i in np.flatnonzero(column == self.none).tolist():
                values[i] = None
        return values


def column(dtype: str, meaning: str, unit: str = "", none: int | None = None) -> Any:
    """One value per row."""
    return field(
        metadata={"role": "column", "dtype": dtype, "meaning": meaning, "unit": unit, "none": none}
    )


def item(dtype: str, meaning: str, unit: str = "", none: int | None = None) -> Any:
    """One value per item."""
    return field(
        metadata={"role": "item", "dtype": dtype, "meaning": meaning, "unit": unit, "none": none}
    )


def bounds(meaning: str) -> Any:
    """Where the items of each row begin; one entry more says where those of the last row end."""
    return field(metadata={"role": "bounds", "dtype": "i8", "meaning": meaning})


def part(meaning: str, each: int = 1) -> Any:
    """Another table: row i of this one has its rows `each * i` up to `each * (i + 1)`."""
    return field(metadata={"role": "part", "meaning": meaning, "each": each})


def shared(meaning: str, empty: Callable[[], Any] = list, default: Any = MISSING) -> Any:
    """What all rows refer to. `empty` makes it for a table without rows."""
    return field(default=default, metadata={"role": "shared", "meaning": meaning, "empty": empty})


@dataclass_transform(eq_default=False, field_specifiers=(column, item, bounds, part, shared))
def table(cls: _Class) -> _Class:
    """Gives a table's class the constructor that its declarations make."""
    made: Any = dataclass(eq=False)(cls)
    made.declared = {f.name: Declared(f.name, **f.metadata) for f in fields(made) if f.metadata}
    return cls


class Table:
    """Rows in columns. A subclass is decorated with `table`."""

    declared: ClassVar[dict[str, Declared]] = {}  # by name, in order

    @classmethod
    def empty(cls) -> Self:
        """The table without rows."""
        return cls(**{name: _empty(cls, d) for name, d in cls.declared.items()})

    @classmethod
    def joined(cls, tables: Sequence[Self]) -> Self:
        """The rows of all tables, one table after the other. They refer to the same things."""
        if len(tables) < 2:
            return tables[0] if tables else cls.empty()
        return cls(
            **{
                name: _joined([getattr(t, name) for t in tables], d)
                for name, d in cls.declared.items()
            }
        )

    @classmethod
    def columns_of(cls, objects: Sequence[object], names: Iterable[str]) -> dict[str, Column]:
        """Objects → the columns that have these names, of their attributes."""
        return {
            name: cls.declared[name].column([getattr(each, name) for each in objects])
            for name in names
        }

    def __len__(self) -> int:
        first = next(d for d in self.declared.values() if d.role not in ("item", "shared"))
        count = len(getattr(self, first.name))
        return count - 1 if first.role == "bounds" else count // first.each

    def taken(self, rows: Column) -> Self:
        """These rows, in this order."""
        made: dict[str, Any] = {}
        begin = size = rows[:0]
        for name, d in self.declared.items():
            held = getattr(self, name)
            if d.role == "column":
                made[name] = held[rows]
            elif d.role == "part":
                made[name] = held.taken(_rows_of_part(rows, d.each))
            elif d.role == "bounds":
                begin = held[rows]
                size = held[1:][rows] - begin
                made[name] = running(size)
            else:
                made[name] = parts_of(held, begin, size) if d.role == "item" else held
        return type(self)(**made)

    def where(self, wanted: Column) -> Self:
        """The rows of a mask (bool per row), in order; or these rows."""
        return self.taken(np.flatnonzero(wanted) if wanted.dtype == bool else wanted)

    def with_columns(self, **columns: object) -> Self:
        """The same table with other columns under these names."""
        held = {name: getattr(self, name) for name in self.declared}
        return type(self)(**held | columns)

    def as_declared(self) -> Self:
        """The same table with columns of the declared types."""
        changed = {
            name: getattr(self, name).astype(d.dtype, copy=False)
            for name, d in self.declared.items()
            if d.dtype
        }
        return self.with_columns(**changed)

    def values(self, names: Iterable[str], rows: Column | slice) -> list[list[Any]]:
        """Columns as lists of values, with None where a row has none."""
        known = self.declared
        return [known[name].values(getattr(self, name)[rows]) for name in names]

    def faults(self) -> list[str]:
        """What is not as declared: columns of another type or length."""
        return list(_faults(self))

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Table)
            and type(self) is type(other)
            and all(_equal(getattr(self, n), getattr(other, n)) for n in self.declared)
        )


class RowTable(Table, Rows[_T]):
    """A table whose rows can be asked for as objects. It equals a sequence of the same objects."""

    def __eq__(self, other: object) -> bool:
        return Rows.__eq__(self, other)


def _empty(cls: type[Table], d: Declared) -> Any:
    match d.role:
        case "part":
            return get_type_hints(cls)[d.name].empty()
        case "shared":
            return d.empty()
        case "bounds":
            return np.zeros(1, np.int64)
        case _:
            return np.zeros(0, d.dtype)


def _joined(parts: list[Any], d: Declared) -> Any:
    match d.role:
        case "part":
            return type(parts[0]).joined(parts)
        case "shared":
            assert all(each is parts[0] for each in parts), (
                f"{d.name} is not the same in all tables"
            )
            return parts[0]
        case "bounds":
            return running(np.concatenate([np.diff(first) for first in parts]))
        case _:
            return np.concatenate(parts)


def _rows_of_part(rows: Column, each: int) -> Column:
    return rows if each == 1 else (rows[:, None] * each + np.arange(each)).reshape(-1)


def _equal(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(one, other)
    return one == other


def _faults(table: Table) -> Iterator[str]:
    count, items = len(table), 0
    for name, d in table.declared.items():
        value = getattr(table, name)
        if d.role == "shared":
            continue
        if d.role == "part":
            expected = count * d.each
            yield from (f"{name}.{fault}" for fault in value.faults())
        else:
            if value.dtype != np.dtype(d.dtype):
                yield f"{name} has the type {value.dtype}, declared is {np.dtype(d.dtype)}"
            if d.role == "bounds":
                items = int(value[-1])
            expected = {"column": count, "bounds": count + 1}.get(d.role, items)
        if len(value) != expected:
            yield f"{name} has {len(value)} entries, not {expected}"
