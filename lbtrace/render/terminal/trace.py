"""`show`: one capture alone, its counts, connections and exchanges."""

from __future__ import annotations

from lbtrace.model.http import Application, Exchange, Protocol
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.render.terminal.labels import total_ns
from lbtrace.render.terminal.page import Cell, Column, Page, Remark
from lbtrace.render.wording import names, units
from lbtrace.render.wording.escape import shown
from lbtrace.tables.exchanges import by_connection

_CONNECTIONS = 12
_EXCHANGES = 25


def summary(page: Page, trace: Trace) -> None:
    """How many connections, SYNs and requests, and their ratio."""
    syns = sum(c.syns for c in trace.connections)
    already_open = sum(c.already_open for c in trace.connections)
    requests = sum(e.request is not None for e in trace.exchanges)
    title = (
        f"{units.plural(len(trace.connections), 'TCP connection')}, "
        f"{units.plural(requests, 'HTTP request')}"
    )
    page.line((title, "verdict"))
    if not trace.packets.read:
        page.prose("There is no packet in this capture.")
    elif not trace.connections:
        page.prose(
            "No packet in this capture belongs to a TCP connection. Capture the interface that "
            "carries it (tcpdump -i any: all of them)."
        )
    elif syns and requests:
        page.prose(
            f"{units.plural(syns, 'SYN')} : {units.plural(requests, 'request')} = "
            f"{units.ratio(syns, requests)}"
        )
    if already_open:
        verb, whose = ("was", "its") if already_open == 1 else ("were", "their")
        page.prose(
            f"{units.plural(already_open, 'connection')} {verb} already open when the capture "
            f"began: {whose} SYN was not captured."
        )


def connections(page: Page, trace: Trace) -> None:
    """One row per connection."""
    every = trace.connections
    if not every:
        return
    page.heading("Connections")
    many = len(every) if page.view.everything else _CONNECTIONS
    rows: list[list[Cell]] = []
    carried = by_connection(trace).sizes[:many].tolist()
    for c, a, number in zip(every[:many], trace.applications[:many], carried, strict=True):
        rows.append(
            [
                str(c.id),
                f"{shown(str(c.client))} → {shown(str(c.server))}",
                (f"#{trace.ref(c.first_frame, c.first_ns).number}", "frame"),
                "SYN" if c.syns else "no SYN",
                _carried(a, number),
                _ended(c),
            ]
        )
    page.table(
        [
            Column("id", right=True),
            Column("client → server", flexible=True),
            Column("from", right=True),
            Column(),
            Column("carried", flexible=True),
            Column("ended by"),
        ],
        rows,
    )
    page.more(len(every) - many, "connections")


def _carried(a: Application, exchanges: int) -> str:
    match a.protocol:
        case Protocol.HTTP1 | Protocol.HTTP2:
            name = (
                f"{units.count(exchanges)} {'HTTP/2' if a.protocol is Protocol.HTTP2 else 'HTTP'}"
            )
        case Protocol.TLS:
            name = "TLS" + (
                f" for {shown(a.tls.server_name)}" if a.tls and a.tls.server_name else ""
            )
        case Protocol.NONE:
            name = "no bytes"
        case _:
            name = shown(a.name) or "no HTTP"
    if a.upgraded:
        name += f", then {shown(a.upgraded)}"
    if a.proxy:
        name = f"PROXY v{a.proxy[0].version}, {name}"
    return name


def _ended(c: Connection) -> str:
    """Who closed first, and how."""
    ends = [
        (ns, who, how)
        for who, d in (("client", c.from_client), ("server", c.from_server))
        for ns, how in ((d.fin_ns, "FIN"), (d.rst_ns, "RST"))
        if ns is not None
    ]
    if not ends:
        return "nobody"
    _, who, how = min(ends)
    return f"{who} {how}"


def exchanges(page: Page, trace: Trace) -> None:
    """One row per exchange."""
    every = trace.exchanges
    if not every:
        return
    page.heading("HTTP exchanges", "frames are where request and response begin")
    many = len(every) if page.view.everything else _EXCHANGES
    rows: list[list[Cell] | Remark] = []
    for e in every[:many]:
        rows.append(_row(trace, e))
        marks = _marks(e)
        if marks:
            rows.append(Remark(marks))
    page.table(
        [
            Column("id", right=True),
            Column("on", right=True),
            Column("request", flexible=True, cut=True),
            Column("frame", right=True, style="frame"),
            Column("status", right=True),
            Column("frame", right=True, style="frame"),
            Column("body", right=True),
            Column("time", right=True),
        ],
        rows,
    )
    page.more(len(every) - many, "exchanges")


def _row(trace: Trace, e: Exchange) -> list[Cell]:
    request = (
        f"{shown(e.request.method)} {shown(e.request.target)}" if e.request else "(not captured)"
    )
    response = e.response
    ns = total_ns(e)
    return [
        str(e.id),
        f"{e.connection}.{e.ordinal}",
        request,
        f"#{trace.ref(e.first_frame, 0).number}" if e.request else "",
        names.status(response),
        f"#{trace.ref(response.first_frame, 0).number}" if response else "",
        units.size(response.body.length) if response else "",
        "?" if ns is None else units.duration(ns),
    ]


def _marks(e: Exchange) -> str:
    """What is unusual about an exchange: "request: pipelined; response: body cut"."""
    whose = (
        ("", e.marks),
        ("request ", e.request.marks if e.request else ()),
        ("response ", e.response.marks if e.response else ()),
    )
    return "; ".join(
        who + ", ".join(names.MARK[m] for m in dict.fromkeys(marks))
        for who, marks in whose
        if marks
    )
