"""CaptureReport → what its page says, and the data that its script draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from lbtrace.ladder import ladder_alone
from lbtrace.listing import ListingAlone, exchanges_at, listing_alone
from lbtrace.model.problems import Problem
from lbtrace.model.report import CaptureAlone, CaptureReport
from lbtrace.model.trace import Trace
from lbtrace.render import View
from lbtrace.render.html import told
from lbtrace.render.html.compared import status_class
from lbtrace.render.html.rows import Cells, ColumnWriter, Dot, ShownHeads, begin_ns
from lbtrace.render.terminal import limits
from lbtrace.render.terminal.cells import answer, duration, request
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.ladders import LANES_ALONE
from lbtrace.render.terminal.overview import of_captures, of_requests
from lbtrace.render.wording import names, times, units
from lbtrace.render.wording.escape import shown
from lbtrace.tables.captures import capture_counts


class CaptureTitle(NamedTuple):
    """One capture, counted: (label, number) each; what it cannot show."""

    name: str
    window: str
    counts: tuple[tuple[str, str], ...]
    blind: tuple[str, ...]


def content(
    report: CaptureReport, view: View, most: int
) -> tuple[dict[str, object], dict[str, Any]]:
    """(values of the template, data of the script). At most so many exchanges of each capture."""
    traces = [alone.trace for alone in report.captures]
    labels, several = Labels(traces, ()), len(traces) > 1
    lasted = [(t.first_ns, t.last_ns) for t in traces if t.packets.read]
    window = lasted[0] if lasted else (0, 0)
    writer, hidden = ColumnWriter(labels, window[0]), 0
    problems = {p.id: _named(report, p, several) for p in report.problems}
    of_exchange: dict[str, list[str]] = {}
    for id_, exchanges in problems.items():
        for name in exchanges:
            of_exchange.setdefault(name, []).append(id_)
    for alone in report.captures:
        listed = listing_alone(alone.trace, _wrong(report, alone))
        hidden += len(listed.rows[most:])
        _rows(writer, alone.trace, listed, most, several, of_exchange, view, labels)
    data = {
        **writer.data(),
        **told.plots(window, view),
        "lanes": LANES_ALONE,
        "tries": (),
        "sides": ["", ""],
        "prefix": "exchange-",
        "band": None,
        "series": [["total", "took"]],
    }
    values: dict[str, object] = {
        "summary": _summary(report),
        "titles": [_title(alone.trace, view) for alone in report.captures],
        "problems": [
            card._replace(links=tuple((f"exchange-{name}", name) for _, name in card.links))
            for card in told.problems(report, labels, view, lambda p: problems[p.id])
        ],
        "list": f"{units.count(hidden)} exchanges are not on this page" if hidden else "",
        "tiers": [],
        "facts": told.facts(report.findings, labels),
        "unknown": list(limits.not_captured(report)),
        "captures": told.captures(traces, labels),
        "command": shown(view.command),
        "secrets": told.note(view),
    }
    return values, data


def _summary(report: CaptureReport) -> str:
    found = len(report.problems)
    if len(report.captures) > 1:
        return of_captures(found, len(report.captures))
    trace = report.trace
    return of_requests(found, capture_counts(trace).requests, len(trace.connections))


def _title(trace: Trace, view: View) -> CaptureTitle:
    counts = capture_counts(trace)
    numbers = (
        ("packets", trace.packets.read),
        ("TCP connections", len(trace.connections)),
        ("SYN", counts.syns),
        ("SYN not captured", counts.already_open),
        ("HTTP requests", counts.requests),
    )
    return CaptureTitle(
        ", ".join(shown(f.path) for f in trace.files),
        times.window(trace.first_ns, trace.last_ns, view.zone) if trace.packets.read else "",
        tuple((label, units.count(number)) for label, number in numbers),
        tuple(limits.blind_spots(trace, "this capture")),
    )


def _wrong(report: CaptureReport, alone: CaptureAlone) -> Iterator[int]:
    """The frames that problems name in a capture, numbered through its files."""
    for problem in report.problems:
        for frame in problem.frames:
            if frame.point == alone.trace.point:
                yield alone.trace.files[frame.file].first_frame + frame.number - 1


def _named(report: CaptureReport, found: Problem, several: bool) -> list[str]:
    """The names of the exchanges of a problem."""
    trace = report.captures[found.since.point].trace
    frames = (trace.files[f.file].first_frame + f.number - 1 for f in found.frames)
    return [_name(trace, exchange, several) for exchange in exchanges_at(trace, frames)]


def _name(trace: Trace, exchange: int, several: bool) -> str:
    return f"{trace.point + 1}:{exchange + 1}" if several else f"{exchange + 1}"


def _rows(
    writer: ColumnWriter,
    trace: Trace,
    listed: ListingAlone,
    most: int,
    several: bool,
    problems: dict[str, list[str]],
    view: View,
    labels: Labels,
) -> None:
    for place, number in enumerate(listed.rows[:most]):
        exchange = trace.exchanges[number]
        name, begun = _name(trace, number, several), begin_ns(exchange)
        status = names.status(exchange.response)
        cells = Cells(
            name=name,
            time="" if begun is None else times.clock(begun, view.zone),
            request=request(exchange, trace.connections[exchange.connection]),
            answer=answer(trace, exchange),
            behind="",
            frames=labels.frame_of(trace.side, trace.point, exchange.first_frame),
            took=duration(exchange),
            kind="",
            status=status_class(status),
            why=f"Connection {exchange.connection}, exchange {exchange.ordinal} on it.",
            wrong=place < listed.troubled,
            problems=" ".join(problems.get(name, ())),
        )
        heads = (
            ShownHeads("Request", exchange.request, None, ("", "")),
            ShownHeads("Response", exchange.response, None, ("", "")),
        )
        dot = Dot(begun, exchange.total_ns)
        writer.add(cells, dot, ladder_alone(trace, number), heads)
