"""Every member of every enumeration has its words."""

from __future__ import annotations

from enum import Enum

import pytest

from lbtrace.render.wording import names

TABLES = [
    value
    for value in vars(names).values()
    if isinstance(value, dict) and value and all(isinstance(k, Enum) for k in value)
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: type(next(iter(table))).__name__)
def test_tables_are_complete(table: dict[Enum, str]) -> None:
    assert set(table) == set(type(next(iter(table))))
    assert all(table.values())


def test_there_are_tables() -> None:
    assert len(TABLES) >= 10
