"""Report or CaptureReport → a page for people: first the verdict, then what the balancer did, why
lbtrace believes it, what it could not know.
"""

from __future__ import annotations

from typing import TextIO

from lbtrace.model.report import CaptureReport, Report
from lbtrace.render import View
from lbtrace.render.terminal import drawing, findings, headers, limits, overview, pairs
from lbtrace.render.terminal import trace as one_side
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Page
from lbtrace.tables.captures import capture_counts

SUMMARY = "for people"


def write_report(report: Report, out: TextIO, view: View) -> None:
    """The result of `compare`."""
    page, labels = Page(out, view), Labels(report.clients, report.backends)
    overview.verdict(page, report)
    drawing.drawing(page, report)
    overview.sides(page, report)
    headers.headers(page, report, labels)
    pairs.pairs(page, report, labels)
    pairs.unpaired(page, report, labels)
    limits.times(page, report, labels)
    findings.findings(page, report, labels)
    findings.why(page, report, labels)
    limits.unknowns(page, report, labels)
    limits.captures(page, (*report.clients, *report.backends), labels)


def write_trace(report: CaptureReport, out: TextIO, view: View) -> None:
    """The result of `show`: first what is wrong in it."""
    trace = report.trace
    page, labels, counts = Page(out, view), Labels([trace], ()), capture_counts(trace)
    one_side.summary(page, trace, counts)
    findings.troubles(page, report.findings, labels)
    one_side.connections(page, trace, counts)
    one_side.exchanges(page, trace)
    findings.facts(page, report.findings, labels)
    limits.could_not_know(page, [*limits.not_captured(report), *limits.blind_spots(trace)])
    limits.captures(page, [trace], labels)
