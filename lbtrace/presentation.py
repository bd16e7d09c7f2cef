"""A result → how it shows itself in Python: its page as text and as HTML, one line for `repr`, its
JSON as a dictionary.

The model stands below `render` and does not know it. Its results come here when somebody prints
them; nothing else in the model does. Credentials are masked, as on the command line.
"""

from __future__ import annotations

import json
from dataclasses import replace
from html import escape
from io import StringIO
from typing import Any

from lbtrace.model.problems import Problem
from lbtrace.model.report import CaptureReport, Finding, Report
from lbtrace.model.trace import Trace
from lbtrace.render import View, get_format, without_credentials
from lbtrace.render.wording import names, units
from lbtrace.render.wording.escape import cut, shown
from lbtrace.render.wording.statements import filled

_HTML_WIDTH = 100
_LINE = 120  # characters of a finding in one line


def finding_text(finding: Finding) -> str:
    """Its sentence, with the values filled in."""
    return filled(finding.statement, finding.values)


def finding_line(finding: Finding) -> str:
    """`<Finding errors (high): …>`."""
    from lbtrace.render.masked import masked_finding

    text = cut(finding_text(masked_finding(finding)), _LINE)
    return f"<Finding {finding.slug} ({finding.severity}): {text}>"


def problem_line(problem: Problem) -> str:
    """`<Problem P1 (high): …>`. No capture is at hand: as `finding_line`, it hides only what shows
    by itself that it is a credential.
    """
    from lbtrace.render.masked import masked_finding

    text = finding_text(masked_finding(problem.cause))
    return f"<Problem {problem.id} ({problem.severity}): {text}>"


def report_line(report: Report) -> str:
    """`<Report: 1 problem in 3 requests; L7 proxy, looks like nginx (confidence: medium)>`."""
    verdict, requests = report.verdict, report.client_counts.requests
    looks = next((f", looks like {shown(p.name)}" for p in verdict.profiles if p.named), "")
    sure = f"confidence: {names.CONFIDENCE[verdict.confidence]}"
    wrong = f"{_problems(report)} in {units.plural(requests, 'request')}"
    return f"<Report: {wrong}; {names.KIND[verdict.kind]}{looks} ({sure})>"


def capture_report_line(report: CaptureReport) -> str:
    """`<CaptureReport: 2 problems in 1 capture>`."""
    captures = units.plural(len(report.captures), "capture")
    return f"<CaptureReport: {_problems(report)} in {captures}>"


def trace_line(trace: Trace) -> str:
    """`<Trace client.pcap: 41 packets, 4 connections, 4 exchanges>`."""
    counts = (
        units.plural(trace.packets.read, "packet"),
        units.plural(len(trace.connections), "connection"),
        units.plural(len(trace.exchanges), "exchange"),
    )
    return f"<Trace {shown(trace.name)}: {', '.join(counts)}>"


def _problems(report: Report | CaptureReport) -> str:
    found = len(report.problems)
    return units.plural(found, "problem") if found else "no problems found"


def page(report: Report | CaptureReport) -> str:
    """Its first screen."""
    return _written(report, "terminal", _view(report))


def html(report: Report | CaptureReport) -> str:
    """Its first screen as HTML, in the colours of a terminal."""
    from rich.console import Console
    from rich.text import Text

    coloured = _written(report, "terminal", replace(_view(report), width=_HTML_WIDTH, colour=True))
    console = Console(record=True, width=_HTML_WIDTH, file=StringIO(), legacy_windows=False)
    console.print(Text.from_ansi(coloured), soft_wrap=True)
    title = escape(repr(report), quote=True)
    code = console.export_html(inline_styles=True, code_format="{code}")
    return f'<pre title="{title}" style="line-height:normal;overflow-x:auto">{code}</pre>'


def to_dict(report: Report | CaptureReport, show_secrets: bool = False) -> dict[str, Any]:
    """What `--format json` writes, as a dictionary."""
    found: dict[str, Any] = json.loads(_written(report, "json", View(show_secrets=show_secrets)))
    return found


def to_arrow(report: Report | CaptureReport, show_secrets: bool = False) -> dict[str, Any]:
    """Its tables by name, as pyarrow.Table. OptionError when pyarrow is not installed."""
    from lbtrace.render.arrow import arrow_tables

    return arrow_tables(report if show_secrets else without_credentials(report))


def to_pandas(report: Report | CaptureReport, show_secrets: bool = False) -> dict[str, Any]:
    """Its tables by name, as pandas.DataFrame. OptionError when a library is not installed."""
    from lbtrace.render.arrow import pandas_tables

    return pandas_tables(to_arrow(report, show_secrets))


def to_polars(report: Report | CaptureReport, show_secrets: bool = False) -> dict[str, Any]:
    """Its tables by name, as polars.DataFrame. OptionError when a library is not installed."""
    from lbtrace.render.arrow import polars_tables

    return polars_tables(to_arrow(report, show_secrets))


def _view(report: Report | CaptureReport) -> View:
    return View(command=f"lbtrace {'compare' if isinstance(report, Report) else 'show'} …")


def _written(report: Report | CaptureReport, format_: str, view: View) -> str:
    out, how = StringIO(), get_format(format_)
    if isinstance(report, Report):
        how.write_report(report, out, view)
    else:
        how.write_trace(report, out, view)
    return out.getvalue()
