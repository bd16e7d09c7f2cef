"""Report or CaptureReport → one HTML file for a browser: problems first, then the picture, the
counts, the header changes, the times, and every exchange with its ladder and its heads.

It needs no network and no other file. `document` says what keeps the text of a capture inert,
`rows` what the script of the page gets. Numbers and ids are those of the page for a terminal.
"""

from __future__ import annotations

from typing import TextIO

from lbtrace.model.report import CaptureReport, Report
from lbtrace.render import View

SUMMARY = "for a browser: one file, to send on"
MOST = 50_000  # exchanges of a page; with more of them a browser gets slow


def write_report(report: Report, out: TextIO, view: View) -> None:
    """The result of `compare`."""
    from lbtrace.render.html import compared, document

    document.write(out, "report.html", *compared.content(report, view, MOST))


def write_trace(report: CaptureReport, out: TextIO, view: View) -> None:
    """The result of `show`."""
    from lbtrace.render.html import alone, document

    document.write(out, "captures.html", *alone.content(report, view, MOST))
