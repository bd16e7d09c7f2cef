"""Report or CaptureReport → a page for people: first what is wrong, then who talks to whom and what
the balancer does. The reasons for it, and what could not be known, follow where they are asked for.
"""

from __future__ import annotations

from typing import TextIO

from lbtrace.listing import listing, selected_alone
from lbtrace.model.report import CaptureReport, Report
from lbtrace.render import Detail, View
from lbtrace.render.terminal import (
    drawing,
    exchanges,
    findings,
    first_screen,
    headers,
    limits,
    overview,
    pairs,
    problems,
    zoom,
)
from lbtrace.render.terminal import trace as one_side
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Page
from lbtrace.tables.captures import capture_counts

SUMMARY = "for people"


def write_report(report: Report, out: TextIO, view: View) -> None:
    """The result of `compare`."""
    page, labels = Page(out, view), Labels(report.clients, report.backends)
    if view.ladder:
        zoom.drawn(page, report, view.zoom, view.ladder, labels)
    elif view.zoom:
        zoom.zoom(page, report, view.zoom, labels)
    elif view.detail is Detail.PROBLEMS:
        overview.summary(page, report)
        problems.problems(page, report, labels)
    elif view.detail is Detail.FIRST_SCREEN:
        listed = listing(report, view.selection)
        first_screen.first_screen(page, report, listed, labels)
    else:
        _everything(page, report, labels)


def _everything(page: Page, report: Report, labels: Labels) -> None:
    overview.summary(page, report)
    problems.problems(page, report, labels)
    overview.verdict(page, report, reason=True)
    drawing.drawing(page, report)
    overview.sides(page, report)
    headers.headers(page, report, labels)
    if page.view.selection:
        listed = listing(report, page.view.selection)
        most = len(listed.rows) if page.view.everything else first_screen.ROWS
        exchanges.exchanges(page, report, listed, labels, most)
    else:
        pairs.pairs(page, report, labels)
    pairs.unpaired(page, report, labels)
    limits.times(page, report, labels)
    findings.facts(page, report.findings, labels)
    findings.why(page, report, labels)
    limits.unknowns(page, report, labels)
    limits.captures(page, (*report.clients, *report.backends), labels)


def write_trace(report: CaptureReport, out: TextIO, view: View) -> None:
    """The result of `show`: first what is wrong in it."""
    trace = report.trace
    page, labels, counts = Page(out, view), Labels([trace], ()), capture_counts(trace)
    if view.zoom:
        zoom.alone(page, report, view.zoom, labels)
        return
    one_side.summary(page, report, counts)
    problems.problems(page, report, labels)
    if view.detail is Detail.PROBLEMS:
        return
    one_side.connections(page, trace, counts)
    wrong = (
        trace.files[f.file].first_frame + f.number - 1 for p in report.problems for f in p.frames
    )
    one_side.exchanges(page, trace, selected_alone(trace, view.selection, wrong))
    findings.facts(page, report.findings, labels)
    limits.could_not_know(page, [*limits.not_captured(report), *limits.blind_spots(trace)])
    limits.captures(page, [trace], labels)
