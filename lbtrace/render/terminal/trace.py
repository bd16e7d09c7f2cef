"""`show`: one capture alone, its counts, connections and exchanges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lbtrace.model.http import Application, Exchange, Mark, Protocol
from lbtrace.model.report import CaptureCounts, CaptureReport
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.render.terminal.cells import duration, request
from lbtrace.render.terminal.overview import of_requests
from lbtrace.render.terminal.page import Cell, Column, Page, Remark
from lbtrace.render.wording import names, times, units
from lbtrace.render.wording.escape import shown

_CONNECTIONS = 12
_EXCHANGES = 25


def summary(page: Page, report: CaptureReport, counts: CaptureCounts) -> None:
    """How many problems, connections, SYNs and requests, and the ratio of these."""
    trace = report.trace
    told = of_requests(len(report.problems), counts.requests, len(trace.connections))
    if trace.packets.read:
        when = times.window(trace.first_ns, trace.last_ns, page.view.zone)
        page.line((told, "verdict"), f" · {when}")
    connections = units.plural(len(trace.connections), "TCP connection")
    page.line(f"{connections}, {units.plural(counts.requests, 'HTTP request')}")
    if not trace.packets.read:
        page.prose("There is no packet in this capture.")
    elif not trace.connections:
        page.prose(
            "No packet in this capture belongs to a TCP connection. Capture the interface that "
            "carries it (tcpdump -i any: all of them)."
        )
    elif counts.syns and counts.requests:
        page.prose(
            f"{units.plural(counts.syns, 'SYN')} : {units.plural(counts.requests, 'request')} = "
            f"{units.ratio(counts.syns, counts.requests)}"
        )
    if counts.already_open:
        verb, whose = ("was", "its") if counts.already_open == 1 else ("were", "their")
        page.prose(
            f"{units.plural(counts.already_open, 'connection')} {verb} already open when the "
            f"capture began: {whose} SYN was not captured."
        )


def connections(page: Page, trace: Trace, counts: CaptureCounts) -> None:
    """One row per connection."""
    every = trace.connections
    if not every:
        return
    page.heading("Connections")
    some = page.some(every, _CONNECTIONS)
    page.table(
        [
            Column("id", right=True),
            Column("client → server", flexible=True),
            Column("from", right=True),
            Column(),
            Column("carried", flexible=True),
            Column("ended by"),
        ],
        (_connection(trace, c, trace.applications[c.id], counts.exchanges[c.id]) for c in some),
    )
    page.more(len(every), len(some), "connections")


def _connection(trace: Trace, c: Connection, a: Application, exchanges: int) -> list[Cell]:
    return [
        str(c.id),
        f"{shown(str(c.client))} → {shown(str(c.server))}",
        (f"#{trace.ref(c.first_frame, c.first_ns).number}", "frame"),
        "SYN" if c.syns else "no SYN",
        _carried(a, exchanges),
        " ".join(c.closed_by or ("nobody",)),
    ]


def _carried(a: Application, exchanges: int) -> str:
    match a.protocol:
        case Protocol.HTTP1:
            name = f"{units.count(exchanges)} HTTP"
        case Protocol.HTTP2:
            name = f"{units.count(exchanges)} HTTP/2"
        case Protocol.TLS:
            server = a.tls.server_name if a.tls else ""
            name = f"TLS for {shown(server)}" if server else "TLS"
        case Protocol.NONE:
            name = "no bytes"
        case _:
            name = shown(a.name) or "no HTTP"
    if a.upgraded:
        name += f", then {shown(a.upgraded)}"
    if a.proxy:
        name = f"PROXY v{a.proxy[0].version}, {name}"
    return name


def exchanges(page: Page, trace: Trace, listed: Sequence[int]) -> None:
    """One row per exchange that is listed, and below it what is unusual about it."""
    if not trace.exchanges:
        return
    hidden = len(trace.exchanges) - len(listed)
    note = (
        f"{units.count(hidden)} of {units.count(len(trace.exchanges))} hidden by what you asked for"
    )
    plain = "frames are where request and response begin"
    page.heading("HTTP exchanges", note if hidden else plain)
    if not listed:
        return
    some = [trace.exchanges[i] for i in page.some(listed, _EXCHANGES)]
    page.table(
        [
            Column("no.", right=True),
            Column("on", right=True),
            Column("request", flexible=True, cut=True),
            Column("frame", right=True, style="frame"),
            Column("status", right=True),
            Column("frame", right=True, style="frame"),
            Column("body", right=True),
            Column("time", right=True),
        ],
        _rows(trace, some),
    )
    page.more(len(listed), len(some), "exchanges")


def _rows(trace: Trace, some: Sequence[Exchange]) -> Iterator[list[Cell] | Remark]:
    for e in some:
        yield _row(trace, e)
        yield from _remarks(e)


def _row(trace: Trace, e: Exchange) -> list[Cell]:
    response = e.response
    return [
        str(e.id + 1),
        f"{e.connection}.{e.ordinal}",
        request(e, missing="(not captured)"),
        f"#{trace.ref(e.first_frame, 0).number}" if e.request else "",
        names.status(e.response),
        f"#{trace.ref(response.first_frame, 0).number}" if response else "",
        units.size(response.body.length) if response else "",
        duration(e),
    ]


def _remarks(e: Exchange) -> list[Remark]:
    """What is unusual about an exchange: "request pipelined; response body cut"."""
    marked: tuple[tuple[str, Sequence[Mark]], ...] = (
        ("", e.marks),
        ("request ", e.request.marks if e.request else ()),
        ("response ", e.response.marks if e.response else ()),
    )
    texts = [
        whose + ", ".join(names.MARK[mark] for mark in dict.fromkeys(marks))
        for whose, marks in marked
        if marks
    ]
    return [Remark("; ".join(texts))] if texts else []
