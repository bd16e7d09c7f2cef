"""Report or CaptureReport → tables of Apache Arrow, and Parquet files of them: for notebooks.

    exchanges     a row per request with its response, of every capture
    headers       a row per field line
    connections   a row per TCP connection
    pairs         a row per attempt: a client exchange with a backend exchange it caused
    findings      a row per finding

One module per table: its columns with what they mean, and its rows. Each row names its capture as
the JSON does, by side and point, so tables join on (side, point, exchange) and (side, point,
connection). Text is latin-1 as in the JSON: one character for each byte of the wire.

Invariant: a table has the same columns whatever was captured. pyarrow is loaded when a table is
made, and not before; it is in the extra `tables`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from itertools import islice
from typing import Any, Final

from lbtrace.errors import OptionError
from lbtrace.guard import unfinished
from lbtrace.model.report import CaptureReport, Report
from lbtrace.render.arrow import connections, exchanges, findings, headers, pairs
from lbtrace.render.arrow.columns import ArrowTable

TABLES: Final[tuple[ArrowTable, ...]] = (
    exchanges.TABLE,
    headers.TABLE,
    connections.TABLE,
    pairs.TABLE,
    findings.TABLE,
)
_ROWS: Final = 8192  # of a batch


def arrow_tables(report: Report | CaptureReport) -> dict[str, Any]:
    """The tables by name. OptionError without pyarrow."""
    pa = _pyarrow()
    return {
        table.name: pa.Table.from_batches(_batches(table, report), table.schema(pa))
        for table in _told(report)
    }


def pandas_tables(tables: dict[str, Any]) -> dict[str, Any]:
    """The same for pandas. OptionError without it."""
    _library("pandas", "pandas")
    return {name: table.to_pandas() for name, table in tables.items()}


def polars_tables(tables: dict[str, Any]) -> dict[str, Any]:
    """The same for polars. OptionError without it."""
    polars = _library("polars", "polars")
    return {name: polars.from_arrow(table) for name, table in tables.items()}


def write_parquet(report: Report | CaptureReport, folder: str) -> list[str]:
    """The tables as files of a folder, which is there: NAME.parquet. They get their names when all
    of them are complete. Returns their paths. OptionError without pyarrow.
    """
    pa = _pyarrow()
    parquet = import_module("pyarrow.parquet")
    with ExitStack() as undo:
        written: list[tuple[str, str]] = []
        for table in _told(report):
            beside = os.path.join(folder, f".{table.name}.{os.getpid()}.part")
            undo.enter_context(unfinished(beside))
            written.append((beside, os.path.join(folder, f"{table.name}.parquet")))
            with parquet.ParquetWriter(beside, table.schema(pa), compression="zstd") as out:
                for batch in _batches(table, report):
                    out.write_batch(batch)
        for beside, path in written:
            os.replace(beside, path)
        return [path for _, path in written]


def _told(report: Report | CaptureReport) -> Iterator[ArrowTable]:
    """The tables that a result has."""
    for table in TABLES:
        if table is not pairs.TABLE or isinstance(report, Report):
            yield table


def _batches(table: ArrowTable, report: Report | CaptureReport) -> Iterator[Any]:
    pa = _pyarrow()
    schema, rows = table.schema(pa), table.rows(report)
    while part := list(islice(rows, _ROWS)):
        columns = [
            pa.array(list(column), field.type)
            for column, field in zip(zip(*part, strict=True), schema, strict=True)
        ]
        yield pa.record_batch(columns, schema=schema)


def _pyarrow() -> Any:
    return _library("pyarrow", "'lbtrace[tables]'")


def _library(name: str, installed_as: str) -> Any:
    """A library that only tables need. OptionError without it."""
    try:
        return import_module(name)
    except ImportError:
        raise OptionError(
            "library-missing",
            f"{name} is not installed, which makes the tables.",
            f"Try: pip install {installed_as}",
        ) from None
