"""Declarations of the tables → docs/tables.md: `python -m lbtrace.tables > docs/tables.md`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import lbtrace.tables
from lbtrace.tables.table import Declared, RowTable, Table

HEAD = """# Tables

Made from the declarations in `lbtrace/tables/` by `python -m lbtrace.tables > docs/tables.md`; do
not edit this file.

Packets, connections, exchanges and pairs are rows of numpy columns. A table has one value per row
in each column, and where a row has any number of items (a stream its pieces, a pair its attempts)
one value per item. The type is numpy's: `u4` is an unsigned integer of four bytes, `?` a truth
value, `V16` sixteen bytes. *None* is the number that stands for "there is none". A frame is
numbered through the files of its capture point, from 1.
"""
_NOT_TABLES = (Table, RowTable)


def documented() -> list[type[Table]]:
    """The tables of this room, file by file in order of their names, as each file has them."""
    modules = sorted(
        m.name for m in pkgutil.iter_modules(lbtrace.tables.__path__) if not m.name.startswith("_")
    )
    found: list[type[Table]] = []
    for name in modules:
        module = importlib.import_module(f"lbtrace.tables.{name}")
        found += [
            cls
            for cls in vars(module).values()
            if inspect.isclass(cls)
            and issubclass(cls, Table)
            and cls.__module__ == module.__name__
            and cls not in _NOT_TABLES
            and not cls.__name__.startswith("_")
        ]
    return found


def document() -> str:
    """The whole page."""
    return HEAD + "".join(map(section, documented()))


def section(cls: type[Table]) -> str:
    """One table: what a row is, its columns, and what all rows refer to."""
    text = f"\n## {cls.__name__}\n\n{inspect.cleandoc(cls.__doc__ or '')}\n\n"
    text += "| column | of | type | unit | none | meaning |\n|---|---|---|---|---|---|\n"
    return text + "".join(f"| {' | '.join(_cells(d))} |\n" for d in cls.declared.values())


def _cells(d: Declared) -> Iterator[str]:
    of = {"column": "row", "item": "item", "bounds": "row", "shared": "table", "part": "row"}
    yield f"`{d.name}`"
    yield f"{of[d.role]} ({d.each} each)" if d.each > 1 else of[d.role]
    yield {"part": "table", "shared": ""}.get(d.role, f"`{d.dtype}`")
    yield d.unit
    yield "" if d.none is None else str(d.none)
    yield d.meaning


if __name__ == "__main__":
    print(document(), end="")
