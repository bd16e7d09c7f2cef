"""The table of exchanges."""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.model.http import Request, Response
from lbtrace.model.report import CaptureReport, Report
from lbtrace.render.arrow.columns import (
    PLACE,
    ArrowColumn,
    ArrowRow,
    ArrowTable,
    FrameNumbers,
    traces,
)


def _half(name: str) -> tuple[ArrowColumn, ...]:
    return (
        ArrowColumn(f"{name}_time", "time", f"when the {name} began"),
        ArrowColumn(f"{name}_head_time", "time", "when its head was complete"),
        ArrowColumn(f"{name}_end_time", "time", "when it ended"),
        ArrowColumn(f"{name}_frame", "integer", "the frame it began in, as numbered in its file"),
        ArrowColumn(f"{name}_file", "integer", "that file, from 0"),
        ArrowColumn(f"{name}_body_bytes", "integer", "bytes of its body that were captured"),
        ArrowColumn(f"{name}_body_declared", "integer", "its Content-Length"),
        ArrowColumn(f"{name}_body_complete", "flag", "whether all of its body was captured"),
        ArrowColumn(f"{name}_body_digest", "text", "XXH3-128 of its body: equal bodies are equal"),
        ArrowColumn(f"{name}_marks", "texts", "what is unusual about it"),
    )


COLUMNS = (
    *PLACE,
    ArrowColumn("exchange", "integer", "its number in the capture, from 0"),
    ArrowColumn("connection", "integer", "the connection it is on"),
    ArrowColumn("ordinal", "integer", "which exchange of the connection, from 1"),
    ArrowColumn("stream_id", "integer", "the HTTP/2 stream; none in HTTP/1"),
    ArrowColumn("client_address", "text", "address of the end that asked"),
    ArrowColumn("client_port", "integer", "its port"),
    ArrowColumn("server_address", "text", "address of the end that was asked"),
    ArrowColumn("server_port", "integer", "its port"),
    ArrowColumn("method", "text", "method of the request"),
    ArrowColumn("target", "text", "target of the request, credentials masked"),
    ArrowColumn("version", "text", "version of the request"),
    ArrowColumn("status", "integer", "status of the response"),
    ArrowColumn("reason", "text", "reason of the response"),
    ArrowColumn("took", "duration", "from the request's first byte to the response's last"),
    *_half("request"),
    *_half("response"),
    ArrowColumn("marks", "texts", "what is unusual about the exchange"),
)


def _rows(report: Report | CaptureReport) -> Iterator[ArrowRow]:
    for trace in traces(report):
        numbers, connections = FrameNumbers(trace), trace.connections
        for exchange in trace.exchanges:
            connection = connections[exchange.connection]
            request, response = exchange.request, exchange.response
            yield (
                trace.side.value,
                trace.point,
                exchange.id,
                exchange.connection,
                exchange.ordinal,
                exchange.stream_id,
                *connection.client,
                *connection.server,
                *((None,) * 3 if request is None else request[:3]),
                *((None,) * 2 if response is None else response[:2]),
                exchange.total_ns,
                *_of(request, numbers),
                *_of(response, numbers),
                list(exchange.marks),
            )


def _of(message: Request | Response | None, numbers: FrameNumbers) -> ArrowRow:
    if message is None:
        return (None,) * 10
    body = message.body
    return (
        message.first_ns,
        message.head_ns,
        message.last_ns,
        *numbers.of(message.first_frame),
        body.length,
        body.declared,
        body.complete,
        body.digest,
        list(message.marks),
    )


TABLE = ArrowTable("exchanges", COLUMNS, _rows)
