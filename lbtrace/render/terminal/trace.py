"""`show`: captures alone, each with its counts, connections and exchanges."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from lbtrace.language import N, tr
from lbtrace.listing import ListingAlone
from lbtrace.model.http import Application, Exchange, Mark, Protocol
from lbtrace.model.report import CaptureCounts, CaptureReport, NotCaptured
from lbtrace.model.selection import NO_STATUS
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.render.terminal import limits
from lbtrace.render.terminal.cells import answer, began, duration, outcome_of, request
from lbtrace.render.terminal.overview import of_captures, of_requests
from lbtrace.render.terminal.page import Cell, Column, Page, Remark
from lbtrace.render.wording import names, times, units
from lbtrace.render.wording.escape import shown
from lbtrace.tables.captures import capture_counts

CONNECTIONS = 12
EXCHANGES = 25
_TIME, _WIDE = 2, 60  # the column of the time of day, and the page that has room for it
BOTH_SIDES = {
    NotCaptured.NOTHING: N(
        "Taken on a balancer: each request that it passed on is in here twice. What it did:"
    ),
    NotCaptured.PERHAPS_NOTHING: N(
        "Taken on a host that takes connections and opens others. If it is a balancer, compare its "
        "two sides:"
    ),
}
_WIDER = 100  # the page whose rows have room for how a gRPC call ended


def summary(page: Page, report: CaptureReport) -> None:
    """How much is wrong, and when; in how many captures, if there are several."""
    found = len(report.problems)
    if len(report.captures) > 1:
        page.line((of_captures(found, len(report.captures)), "verdict"))
        page.prose(tr("Each capture is told alone. To learn what a balancer between them did:"))
        page.line(_compare(report), indent=3)
    else:
        _summary(page, report.trace, found, "verdict")
        if report.not_captured in BOTH_SIDES:
            page.prose(tr(BOTH_SIDES[report.not_captured]))
            page.line(shown(f"lbtrace compare --lb {_paths(report.trace)}"), indent=3)


def _paths(trace: Trace) -> str:
    return shlex.join(file.path for file in trace.files)


def _summary(page: Page, trace: Trace, problems: int, style: str = "") -> None:
    if trace.packets.read:
        requests = capture_counts(trace).requests
        when = times.window(trace.first_ns, trace.last_ns, page.view.zone)
        page.line((of_requests(problems, requests, len(trace.connections)), style), f" · {when}")
    limits.not_read(page, [trace])


def _compare(report: CaptureReport) -> str:
    """The command that compares them: the first with the others, as files of both sides where one
    has several. What was taken behind a balancer comes last, what was taken in front of one first.
    """
    order = {NotCaptured.BEHIND: 0, NotCaptured.IN_FRONT: 2}
    captures = sorted(report.captures, key=lambda alone: order.get(alone.not_captured, 1))
    files = [[f.path for f in alone.trace.files] for alone in captures]
    if all(len(paths) == 1 for paths in files):
        words = [path for paths in files for path in paths]
    else:
        behind = [path for paths in files[1:] for path in paths]
        words = ["--client", *files[0], "--backend", *behind]
    return shown(f"lbtrace compare {shlex.join(words)}")


def title(page: Page, report: CaptureReport, number: int) -> None:
    """Which of several captures it is, when it ran, and how much is wrong in it."""
    trace = report.captures[number].trace
    files = ", ".join(shown(f.path) for f in trace.files)
    page.heading(f"{tr('Capture {n}').format(n=number + 1)}: {files}")
    _summary(page, trace, len(report.problems_of(trace.point)))


def counted(page: Page, trace: Trace, counts: CaptureCounts, listed: ListingAlone) -> None:
    """The connections, SYNs and requests, and the ratio of these; how the requests were
    answered.
    """
    connections = units.plural(len(trace.connections), "TCP connection")
    page.line(f"{connections}, {units.plural(counts.requests, 'HTTP request')}")
    if not trace.packets.read:
        page.prose(tr("There is no packet in this capture."))
    elif not trace.connections:
        page.prose(
            tr(
                "No packet in this capture belongs to a TCP connection. Capture the interface that "
                "carries it (tcpdump -i any: all of them)."
            )
        )
    elif counts.syns and counts.requests:
        page.prose(
            f"{units.plural(counts.syns, 'SYN')} : {units.plural(counts.requests, 'request')} = "
            f"{units.ratio(counts.syns, counts.requests)}"
        )
    if counts.already_open:
        page.prose(
            tr("The SYN of {connections} was not captured.").format(
                connections=units.plural(counts.already_open, "connection")
            )
        )
    if counts.requests:
        page.prose(f"{tr('answers:')} {', '.join(_answers(listed))}")


def _answers(listed: ListingAlone) -> Iterator[str]:
    """ "200 ×4", "none captured ×1"."""
    for status, times_ in listed.statuses:
        name = str(status) if status else tr("(no status line)")
        name = tr("none captured") if status == NO_STATUS else name
        yield f"{name} ×{units.count(times_)}"


def connections(page: Page, trace: Trace, counts: CaptureCounts, most: int = CONNECTIONS) -> None:
    """One row per connection."""
    every = trace.connections
    if not every:
        return
    some = page.some(every, most)
    page.heading("Connections", _some(len(some), len(every)))
    page.table(
        [
            Column("id", right=True),
            Column("client → server", flexible=True),
            Column("begins", right=True),
            Column(),
            Column("carried", flexible=True),
            Column("ended by"),
        ],
        (_connection(trace, c, trace.applications[c.id], counts.exchanges[c.id]) for c in some),
    )


def _connection(trace: Trace, c: Connection, a: Application, exchanges: int) -> list[Cell]:
    return [
        str(c.id),
        f"{shown(str(c.client))} → {shown(str(c.server))}",
        (f"#{trace.ref(c.first_frame, c.first_ns).number}", "frame"),
        "SYN" if c.syns else tr("no SYN"),
        _carried(a, exchanges),
        " ".join(map(tr, " ".join(c.closed_by or (N("nobody"),)).split())),
    ]


def _carried(a: Application, exchanges: int) -> str:
    match a.protocol:
        case Protocol.HTTP1:
            name = f"{units.count(exchanges)} HTTP"
        case Protocol.HTTP2:
            name = f"{units.count(exchanges)} HTTP/2"
        case Protocol.TLS:
            server = a.tls.server_name if a.tls else ""
            name = f"TLS {tr('for {server}').format(server=shown(server))}" if server else "TLS"
        case Protocol.NONE:
            name = tr("no bytes")
        case _:
            name = shown(a.name) or tr("no HTTP")
    if a.opened:
        name = f"TLS, {name}"
    if a.upgraded:
        name += f", {tr('then {name}').format(name=shown(a.upgraded))}"
    if a.proxy:
        name = f"PROXY v{a.proxy[0].version}, {name}"
    return name


def exchanges(
    page: Page, trace: Trace, listed: ListingAlone, of: str = "", most: int = EXCHANGES
) -> None:
    """One row per exchange that is listed, and below it what is unusual about it. `of` stands
    before its number, where there are several captures.
    """
    if not listed.of:
        return
    hidden = listed.of - len(listed.rows)
    some = [trace.exchanges[i] for i in page.some(listed.rows, most)]
    notes = [_some(len(some), len(listed.rows))]
    notes += [tr("problems first")] if listed.troubled else []
    if hidden:
        notes.append(tr("{n} hidden by what you asked for").format(n=units.count(hidden)))
    frames = "" if hidden else tr("; frames: where each half begins")
    if not some:
        none = tr("none of {n} is what you asked for").format(n=listed.of)
        page.heading("HTTP exchanges", none)
        return
    page.heading("HTTP exchanges", f"{', '.join(notes)}{frames}")
    columns = [
        Column("no.", right=True),
        Column("on", right=True),
        Column("time"),
        Column("request", flexible=True, cut=True),
        Column("frame", right=True, style="frame"),
        Column("status", right=True),
        Column("frame", right=True, style="frame"),
        Column("body", right=True),
        Column("took", right=True),
    ]
    rows = _rows(page, trace, some, of)
    if page.width < _WIDE:
        del columns[_TIME]
        rows = (row if isinstance(row, Remark) else row[:_TIME] + row[_TIME + 1 :] for row in rows)
    page.table(columns, rows)


def _some(some: int, of: int) -> str:
    return tr("{count} of {of}").format(count=units.count(some), of=units.count(of))


def _rows(
    page: Page, trace: Trace, some: Sequence[Exchange], of: str
) -> Iterator[list[Cell] | Remark]:
    for e in some:
        beside = page.width >= _WIDER
        yield _row(page, trace, e, of, beside)
        yield from _remarks(e, "" if beside else outcome_of(trace, e))


def _row(page: Page, trace: Trace, e: Exchange, of: str, beside: bool) -> list[Cell]:
    """`beside`: how a gRPC call ended stands beside its status, not below the row."""
    response = e.response
    return [
        f"{of}{e.id + 1}",
        f"{e.connection}.{e.ordinal}",
        began(page, e),
        request(e, trace.connections[e.connection]),
        f"#{trace.ref(e.first_frame, 0).number}" if e.request else "",
        answer(trace, e) if beside else names.status(response),
        f"#{trace.ref(response.first_frame, 0).number}" if response else "",
        units.size(response.body.length) if response else "",
        duration(e),
    ]


def _remarks(e: Exchange, outcome: str) -> list[Remark]:
    """What is unusual about an exchange: "request pipelined; response body cut". `outcome`: how a
    gRPC call ended, where the row has no room for it.
    """
    marked: tuple[tuple[str, Sequence[Mark]], ...] = (
        ("", e.marks),
        (f"{tr('request')} ", e.request.marks if e.request else ()),
        (f"{tr('response')} ", e.response.marks if e.response else ()),
    )
    texts = [
        whose + ", ".join(names.MARK[mark] for mark in dict.fromkeys(marks))
        for whose, marks in marked
        if marks
    ]
    texts = [outcome, *texts] if outcome else texts
    return [Remark("; ".join(texts))] if texts else []
