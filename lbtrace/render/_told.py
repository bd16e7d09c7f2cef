"""A problem of a report → what markdown and github say of it, in plain text without control
characters.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

from lbtrace.model.problems import Problem
from lbtrace.model.report import CaptureReport, Report
from lbtrace.render import Detail, View, terminal
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.wording.escape import shown
from lbtrace.render.wording.statements import filled

FRAMES = 4  # of each side
PAGE_WIDTH = 100


def labels_of(report: Report | CaptureReport) -> Labels:
    """The names of its captures."""
    if isinstance(report, Report):
        return Labels(report.clients, report.backends)
    return Labels([alone.trace for alone in report.captures], ())


def title(found: Problem) -> str:
    """Its name, how grave it is, and what it is of."""
    return f"{found.id} {found.severity.value}: {shown(found.slugs[0])}"


def told(
    report: Report | CaptureReport, found: Problem, labels: Labels
) -> Iterator[tuple[str, str]]:
    """(label, text) of what there is to say."""
    findings = [report.findings[i] for i in found.said]
    for finding in findings:
        yield "what", filled(finding.statement, finding.values)
    for remedy in dict.fromkeys(f.remedy for f in findings if f.remedy):
        yield "what to do", shown(remedy)
    yield "packets", labels.frames(found.frames, most=FRAMES)
    filters = dict.fromkeys(
        (side, text)
        for finding in findings
        for e in finding.evidence
        for side, text in (("client", e.client_filter), ("backend", e.backend_filter))
        if text
    )
    for side, text in filters:
        yield "Wireshark", f"{text} ({side} capture)"
    yield "zoom in", f"--zoom {found.id}"


def first_screen(report: Report | CaptureReport, view: View) -> list[str]:
    """The page for people, in lines."""
    out = StringIO()
    plain = View(
        width=PAGE_WIDTH, detail=Detail.FIRST_SCREEN, ascii_only=view.ascii_only,
        show_secrets=view.show_secrets, zone=view.zone, command=view.command,
    )  # fmt: skip
    if isinstance(report, Report):
        terminal.write_report(report, out, plain)
    else:
        terminal.write_trace(report, out, plain)
    return out.getvalue().rstrip("\n").split("\n")
