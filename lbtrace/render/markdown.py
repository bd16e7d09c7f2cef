"""Report or CaptureReport → Markdown, for a ticket or a comment: each problem with its packets,
then the page for people.
"""

from __future__ import annotations

from typing import TextIO

from lbtrace.model.report import CaptureReport, Report
from lbtrace.render import View
from lbtrace.render._told import first_screen, labels_of, title, told
from lbtrace.render.wording.markdown import code, fenced
from lbtrace.render.wording.units import plural

SUMMARY = "for tickets and comments"


def write_report(report: Report, out: TextIO, view: View) -> None:
    """The result of `compare`."""
    _write(report, out, view)


def write_trace(report: CaptureReport, out: TextIO, view: View) -> None:
    """The result of `show`."""
    _write(report, out, view)


def _write(report: Report | CaptureReport, out: TextIO, view: View) -> None:
    problems, labels = report.problems, labels_of(report)
    count = plural(len(problems), "problem") if problems else "no problems found"
    text = [f"### lbtrace: {count}\n"]
    for found in problems:
        text.append(f"\n#### {code(title(found))}\n\n")
        text += [f"- {label}: {code(said)}\n" for label, said in told(report, found, labels)]
    text.append(f"\n{fenced(first_screen(report, view), 'text')}")
    out.write("".join(_plain(part) if view.ascii_only else part for part in text))


def _plain(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode("ascii")
