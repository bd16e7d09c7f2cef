"""Problems: what is wrong, why, since when, and what to type next."""

from __future__ import annotations

from collections.abc import Sequence

from lbtrace.language import tr
from lbtrace.model.problems import Problem
from lbtrace.model.report import CaptureReport, Finding, Report
from lbtrace.render import Detail
from lbtrace.render.terminal.findings import proof
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Cell, Page
from lbtrace.render.wording import names, times
from lbtrace.render.wording.escape import shown
from lbtrace.render.wording.statements import filled, told_in

_FRAMES = (4, 3, 2)  # of each side, as many as fit


def problems(page: Page, report: Report | CaptureReport, labels: Labels) -> None:
    """All of them, each with what to do about it."""
    for found in report.problems:
        if page.view.detail >= Detail.REASONS:
            in_full(page, report, found, labels)
        else:
            problem(page, report, found, labels, remedy=True)


def problem(
    page: Page, report: Report | CaptureReport, found: Problem, labels: Labels, remedy: bool
) -> None:
    """The cause, what came of it, what to do about the cause; since when, and where. No sentence is
    cut.
    """
    cause, *effects = [report.findings[i] for i in found.said]
    indent = _cause(page, found, cause)
    for finding in effects:
        page.prose(filled(finding.statement, finding.values), indent)
    if remedy:
        _remedies(page, [f for f in (cause, *effects) if f.remedy][:1], indent)
    page.line(*_where(page, found, labels, page.width - indent), indent=indent)


def _where(page: Page, found: Problem, labels: Labels, room: int) -> list[Cell]:
    """Since when, and in which frames: so many that they fit a line, if a few do."""
    lines: list[list[Cell]] = [
        [
            (_since(page, found), "note"),
            (labels.frames(found.frames, most), "frame"),
            (f" · --zoom {found.id}", "note"),
        ]
        for most in _FRAMES
    ]
    return next((line for line in lines if page.text(*line).cell_len <= room), lines[0])


def in_full(page: Page, report: Report | CaptureReport, found: Problem, labels: Labels) -> None:
    """The same with the evidence for each of its sentences."""
    told = [report.findings[i] for i in found.findings]
    page.blank()
    indent = _cause(page, found, told[0])
    for finding in told:
        if finding is not told[0]:
            page.prose(filled(finding.statement, finding.values), indent)
        proof(page, finding.evidence, labels, filters=True, indent=indent)
    _remedies(page, [report.findings[i] for i in found.said], indent)
    sure = "; ".join(dict.fromkeys(names.CONFIDENCE[f.confidence] for f in told))
    page.line(
        (f"{_since(page, found)}{tr('confidence: {sure}').format(sure=sure)}", "note"),
        indent=indent,
    )


def _cause(page: Page, found: Problem, cause: Finding) -> int:
    severity = (f"{names.SEVERITY[found.severity]:<6} ", f"severity.{found.severity.value}")
    lead = ((f"{found.id} ", "bold"), severity)
    return page.hanging(lead, filled(cause.statement, cause.values))


def _remedies(page: Page, told: Sequence[Finding], indent: int) -> None:
    for remedy in dict.fromkeys(finding.remedy for finding in told if finding.remedy):
        page.prose(tr("What to do: {remedy}").format(remedy=shown(told_in(remedy))), indent)


def _since(page: Page, found: Problem) -> str:
    when = tr("at {time}") if found.count == 1 else tr("since {time}")
    return f"{when.format(time=times.clock(found.since.time_ns, page.view.zone))} · "


def more(page: Page, report: Report | CaptureReport, hidden: Sequence[Problem]) -> None:
    """The paragraph that says that not all problems are shown, and what the others are about."""
    ids = f"{hidden[0].id}–{hidden[-1].id}" if len(hidden) > 1 else hidden[0].id
    titles: dict[str, list[str]] = {}
    for found in hidden:
        titles.setdefault(report.findings[found.said[0]].title, []).append(found.id)
    about = " · ".join(f"{tr(title)} ({', '.join(named)})" for title, named in titles.items())
    told = tr("+{n} more: {ids} (-v shows all)").format(n=len(hidden), ids=ids)
    page.prose(f"{told}: {shown(about)}", style="note")
