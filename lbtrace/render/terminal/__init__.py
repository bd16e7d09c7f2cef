"""Report or Trace → a page for people: first the verdict, then what the balancer did, why lbtrace
believes it, what it could not know.
"""

from __future__ import annotations

from typing import TextIO

from lbtrace.model.report import Report
from lbtrace.model.trace import Trace
from lbtrace.render import View
from lbtrace.render.terminal import findings, limits, overview, pairs
from lbtrace.render.terminal import trace as one_side
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Page

SUMMARY = "for people"


def write_report(report: Report, out: TextIO, view: View) -> None:
    """The result of `compare`."""
    page, labels = Page(out, view), Labels(report.clients, report.backends)
    overview.verdict(page, report)
    overview.drawing(page, report)
    overview.sides(page, report)
    overview.headers(page, report, labels)
    pairs.pairs(page, report, labels)
    pairs.unpaired(page, report, labels)
    limits.times(page, report, labels)
    findings.findings(page, report, labels)
    findings.why(page, report, labels)
    limits.unknowns(page, report, labels)
    limits.captures(page, (*report.clients, *report.backends), labels)


def write_trace(trace: Trace, out: TextIO, view: View) -> None:
    """The result of `show`."""
    page = Page(out, view)
    one_side.summary(page, trace)
    one_side.connections(page, trace)
    one_side.exchanges(page, trace)
    sentences = limits.blind_spots(trace)
    if sentences:
        page.heading("What lbtrace could not know")
        for sentence in sentences:
            page.prose(sentence)
    limits.captures(page, [trace], None)
