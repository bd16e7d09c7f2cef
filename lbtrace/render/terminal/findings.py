"""Findings and witnesses: what lbtrace says, with the frames it says it from and a filter that shows them in Wireshark."""

from __future__ import annotations

from collections.abc import Sequence

from lbtrace.model.report import Evidence, Finding, Kind, Report, Severity
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Page
from lbtrace.render.wording import names
from lbtrace.render.wording.escape import shown
from lbtrace.render.wording.statements import filled

_SHOWN = 30
_INDENT = 3


def findings(page: Page, report: Report, labels: Labels) -> None:
    """One block per finding, most severe first."""
    if not report.findings:
        return
    page.heading("Findings")
    many = len(report.findings) if page.view.everything else _SHOWN
    for finding in report.findings[:many]:
        _finding(page, finding, labels)
    page.more(len(report.findings) - many, "findings")


def _finding(page: Page, finding: Finding, labels: Labels) -> None:
    severity = finding.severity
    label = f"{names.SEVERITY[severity]:<9}"
    sure = (
        ""
        if severity is Severity.INFO and finding.confidence.value in ("certain", "high")
        else f"   ({names.CONFIDENCE[finding.confidence]} confidence)"
    )
    page.line((label, f"severity.{severity.value}"), (shown(finding.title), "bold"), (sure, "note"))
    page.prose(filled(finding.statement, finding.values), indent=_INDENT)
    if finding.remedy:
        page.prose(f"What to do: {shown(finding.remedy)}", indent=_INDENT)
    _evidence(page, finding.evidence, labels)


def _evidence(page: Page, evidence: Sequence[Evidence], labels: Labels) -> None:
    for e in evidence[: len(evidence) if page.view.everything else 2]:
        note = f": {shown(e.note)}" if e.note else ""
        page.line((labels.frames(e.frames), "frame"), (note, "note"), indent=_INDENT)
        for side, text in (("client", e.client_filter), ("backend", e.backend_filter)):
            if text:
                page.line((f"Wireshark, {side}: ", "note"), (shown(text), "filter"), indent=_INDENT)


def witnesses(page: Page, report: Report, labels: Labels) -> None:
    """Why lbtrace believes its verdict: each independent observation and what it speaks for."""
    v = report.verdict
    if v.witnesses:
        page.heading("Why", "independent observations and what they speak for")
        for w in v.witnesses:
            page.prose(f"{filled(w.statement, w.values)}{_speaks(w.speaks_for, w.speaks_against)}", indent=1)
            frames = labels.frames([f for e in w.evidence for f in e.frames], most=3)
            if frames:
                page.line((frames, "frame"), indent=_INDENT)
    for p in v.profiles:
        if not p.named:
            continue
        page.heading(f"Looks like {shown(p.name)}", f"fits {p.score} of 100")
        for rule, example in p.matched:
            page.line(("fits  ", "added"), shown(rule), (f"   {shown(example)}" if example else "", "note"))
        for rule, example in p.contradicted:
            page.line(("not   ", "removed"), shown(rule), (f"   {shown(example)}" if example else "", "note"))


def _speaks(speaks_for: Sequence[Kind], speaks_against: Sequence[Kind]) -> str:
    parts = []
    if speaks_for:
        parts.append("for " + ", ".join(k.value for k in speaks_for))
    if speaks_against:
        parts.append("against " + ", ".join(k.value for k in speaks_against))
    return f" [{'; '.join(parts)}]" if parts else ""
