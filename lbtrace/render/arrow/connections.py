"""The table of connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lbtrace.model.report import CaptureReport, Report
from lbtrace.model.stream import Direction
from lbtrace.render.arrow.columns import (
    PLACE,
    ArrowColumn,
    ArrowRow,
    ArrowTable,
    FrameNumbers,
    traces,
)

_OF_AN_END: Final = {
    "packets": "segments",
    "bytes": "bytes of payload that were captured, each once",
    "missing": "bytes that were sent and are not in the capture",
    "retransmissions": "segments that repeat bytes",
    "out_of_order": "segments that came after later ones",
    "lost": "bytes that were acknowledged and that no packet holds",
    "zero_windows": "segments that closed the window",
}


def _end(name: str) -> tuple[ArrowColumn, ...]:
    return tuple(
        ArrowColumn(f"{name}_{key}", "integer", f"{meaning}, of the {name}")
        for key, meaning in _OF_AN_END.items()
    )


COLUMNS = (
    *PLACE,
    ArrowColumn("connection", "integer", "its number in the capture, from 0"),
    ArrowColumn("client_address", "text", "address of the end that opened it"),
    ArrowColumn("client_port", "integer", "its port"),
    ArrowColumn("server_address", "text", "address of the end that accepted it"),
    ArrowColumn("server_port", "integer", "its port"),
    ArrowColumn("network", "text", "the VLAN or tunnel it was in"),
    ArrowColumn("protocol", "text", "what it carried: http/1, http/2, tls, other, none"),
    ArrowColumn("server_name", "text", "the name that the TLS client asked for"),
    ArrowColumn("opened", "flag", "whether the handshake was completed in the capture"),
    ArrowColumn("already_open", "flag", "whether it was open when the capture began"),
    ArrowColumn("first_time", "time", "when its first packet was seen"),
    ArrowColumn("last_time", "time", "when its last packet was seen"),
    ArrowColumn("established_time", "time", "when the handshake was complete"),
    ArrowColumn("first_frame", "integer", "its first frame, as numbered in its file"),
    ArrowColumn("first_file", "integer", "that file, from 0"),
    ArrowColumn("last_frame", "integer", "its last frame"),
    ArrowColumn("last_file", "integer", "that file"),
    ArrowColumn("closed_by", "text", "client or server: the end that closed it first"),
    ArrowColumn("closed_with", "text", "FIN or RST"),
    *_end("client"),
    *_end("server"),
)


def _rows(report: Report | CaptureReport) -> Iterator[ArrowRow]:
    for trace in traces(report):
        numbers = FrameNumbers(trace)
        for connection, carried in zip(trace.connections, trace.applications, strict=True):
            yield (
                trace.side.value,
                trace.point,
                connection.id,
                *connection.client,
                *connection.server,
                connection.network,
                carried.protocol.value,
                carried.tls and carried.tls.server_name,
                connection.opened,
                connection.already_open,
                connection.first_ns,
                connection.last_ns,
                connection.established_ns,
                *numbers.of(connection.first_frame),
                *numbers.of(connection.last_frame),
                *(connection.closed_by or (None, None)),
                *_of(connection.from_client),
                *_of(connection.from_server),
            )


def _of(sent: Direction) -> ArrowRow:
    return tuple(getattr(sent, key) for key in _OF_AN_END)


TABLE = ArrowTable("connections", COLUMNS, _rows)
