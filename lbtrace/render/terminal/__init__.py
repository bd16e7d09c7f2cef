"""Report or CaptureReport → a page for people: first what is wrong, then who talks to whom and what
the balancer does. The reasons for it, and what could not be known, follow where they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from lbtrace.language import speaking
from lbtrace.listing import ListingAlone, listing, listing_alone
from lbtrace.model.report import CaptureAlone, CaptureReport, Report
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
    show_screen,
)
from lbtrace.render.terminal import trace as one_side
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Page
from lbtrace.tables.captures import capture_counts

SUMMARY = "for people"


def write_report(report: Report, out: TextIO, view: View) -> None:
    """The result of `compare`."""
    with speaking(view.language):
        _write_report(report, out, view)


def _write_report(report: Report, out: TextIO, view: View) -> None:
    page, labels = Page(out, view), Labels(report.clients, report.backends)
    if view.zoom:
        _zoomed(page, report, labels)
    elif view.detail is Detail.PROBLEMS:
        overview.summary(page, report)
        problems.problems(page, report, labels)
    elif view.detail is Detail.FIRST_SCREEN:
        listed = listing(report, view.selection)
        first_screen.first_screen(page, report, listed, labels)
    else:
        _everything(page, report, labels)


def _zoomed(page: Page, report: Report, labels: Labels) -> None:
    from lbtrace.render.terminal import zoom

    if page.view.ladder:
        zoom.drawn(page, report, page.view.zoom, page.view.ladder, labels)
    else:
        zoom.zoom(page, report, page.view.zoom, labels)


def _zoomed_alone(page: Page, report: CaptureReport, labels: Labels) -> None:
    from lbtrace.render.terminal import zoom

    if page.view.ladder:
        zoom.drawn_alone(page, report, page.view.zoom, page.view.ladder, labels)
    else:
        zoom.alone(page, report, page.view.zoom, labels)


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
    with speaking(view.language):
        _write_trace(report, out, view)


def _write_trace(report: CaptureReport, out: TextIO, view: View) -> None:
    page, labels = Page(out, view), Labels([alone.trace for alone in report.captures], ())
    if view.zoom:
        _zoomed_alone(page, report, labels)
    elif view.detail is Detail.PROBLEMS:
        one_side.summary(page, report)
        problems.problems(page, report, labels)
    else:
        listed = [
            listing_alone(a.trace, _wrong(report, a), view.selection) for a in report.captures
        ]
        if view.detail is Detail.FIRST_SCREEN:
            show_screen.show_screen(page, report, listed, labels)
        else:
            _everything_alone(page, report, listed, labels)


def _wrong(report: CaptureReport, alone: CaptureAlone) -> Iterator[int]:
    """The frames that problems name in a capture, numbered through its files."""
    for problem in report.problems:
        for frame in problem.frames:
            if frame.point == alone.trace.point:
                yield alone.trace.files[frame.file].first_frame + frame.number - 1


def _everything_alone(
    page: Page, report: CaptureReport, listed: list[ListingAlone], labels: Labels
) -> None:
    several = len(report.captures) > 1
    one_side.summary(page, report)
    problems.problems(page, report, labels)
    for number, (alone, rows) in enumerate(zip(report.captures, listed, strict=True)):
        counts = capture_counts(alone.trace)
        if several:
            one_side.title(page, report, number)
        one_side.counted(page, alone.trace, counts, rows)
        one_side.connections(page, alone.trace, counts)
        one_side.exchanges(page, alone.trace, rows, f"{number + 1}:" if several else "")
        findings.facts(page, alone.findings, Labels([alone.trace], ()))
    unknown = [*limits.not_captured(report)]
    for number, held in enumerate(alone.trace for alone in report.captures):
        called = held.called(alone=True, several=False)
        unknown += limits.blind_spots(held, f"capture {number + 1}" if several else called)
    limits.could_not_know(page, unknown)
    limits.captures(page, [alone.trace for alone in report.captures], labels)
