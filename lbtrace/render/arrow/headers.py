"""The table of field lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lbtrace.model.http import Exchange, HeaderLine
from lbtrace.model.report import CaptureReport, Report
from lbtrace.render.arrow.columns import PLACE, ArrowColumn, ArrowRow, ArrowTable, traces

COLUMNS = (
    *PLACE,
    ArrowColumn("exchange", "integer", "the exchange it belongs to"),
    ArrowColumn("message", "text", "request, response, or interim (a 1xx response)"),
    ArrowColumn("is_trailer", "flag", "whether it came behind the body"),
    ArrowColumn("position", "integer", "which line of its message, from 0"),
    ArrowColumn("name", "text", "its name as sent; empty for a line without a colon"),
    ArrowColumn("value", "text", "its value, credentials masked"),
)


def _rows(report: Report | CaptureReport) -> Iterator[ArrowRow]:
    for trace in traces(report):
        for exchange in trace.exchanges:
            for message, trailer, lines in _blocks(exchange):
                for position, line in enumerate(lines):
                    yield (
                        trace.side.value,
                        trace.point,
                        exchange.id,
                        message,
                        trailer,
                        position,
                        line.name,
                        line.value,
                    )


def _blocks(exchange: Exchange) -> Iterator[tuple[str, bool, Sequence[HeaderLine]]]:
    for interim in exchange.interim:
        yield "interim", False, interim.lines
    for name, message in (("request", exchange.request), ("response", exchange.response)):
        if message is not None:
            yield name, False, message.lines
            yield name, True, message.trailers


TABLE = ArrowTable("headers", COLUMNS, _rows)
