"""Report or CaptureReport → annotations for GitHub Actions: one for each problem, then a notice
with the summary. They belong to the run, not to a line of a file.
"""

from __future__ import annotations

from typing import TextIO

from lbtrace.model.report import CaptureReport, Report, Severity
from lbtrace.render import View
from lbtrace.render._told import labels_of, title, told
from lbtrace.render.wording.annotations import annotation
from lbtrace.render.wording.units import plural

SUMMARY = "annotations for GitHub Actions"
LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning"}


def write_report(report: Report, out: TextIO, view: View) -> None:
    """The result of `compare`."""
    _write(report, out, view)


def write_trace(report: CaptureReport, out: TextIO, view: View) -> None:
    """The result of `show`."""
    _write(report, out, view)


def _write(report: Report | CaptureReport, out: TextIO, view: View) -> None:
    labels = labels_of(report)
    for found in report.problems:
        text = "\n".join(f"{label}: {said}" for label, said in told(report, found, labels))
        level = LEVELS.get(found.severity, "notice")
        out.write(annotation(level, {"title": f"lbtrace {title(found)}"}, text))
    count = len(report.problems)
    said = plural(count, "problem") if count else "no problems found"
    out.write(annotation("notice", {"title": "lbtrace"}, said))
