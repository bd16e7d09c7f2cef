"""The table of findings."""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.model.net import FrameRef
from lbtrace.model.report import CaptureReport, Report
from lbtrace.render.arrow.columns import ArrowColumn, ArrowRow, ArrowTable, told_text

COLUMNS = (
    ArrowColumn("problem", "text", "the problem it is part of, as the page calls it: P1, P2, …"),
    ArrowColumn("slug", "text", "what is found: see docs/findings.md"),
    ArrowColumn("severity", "text", "how grave it is; info for a fact"),
    ArrowColumn("confidence", "text", "how sure it is"),
    ArrowColumn("text", "text", "its sentence"),
    ArrowColumn("remedy", "text", "what to do"),
    ArrowColumn("values", "values", "the numbers and names of the sentence"),
    ArrowColumn("frames", "frames", "the packets it rests on"),
)


def _rows(report: Report | CaptureReport) -> Iterator[ArrowRow]:
    problems = {number: problem.id for problem in report.problems for number in problem.findings}
    for number, finding in enumerate(report.findings):
        yield (
            problems.get(number),
            finding.slug,
            finding.severity.value,
            finding.confidence.value,
            told_text(finding.text),
            finding.remedy,
            [
                {"name": v.name, "value": told_text(str(v.value)), "unit": v.unit}
                for v in finding.values
            ],
            [_frame(frame) for evidence in finding.evidence for frame in evidence.frames],
        )


def _frame(frame: FrameRef) -> dict[str, object]:
    return {
        "side": frame.side.value,
        "point": frame.point,
        "frame": frame.number,
        "file": frame.file,
    }


TABLE = ArrowTable("findings", COLUMNS, _rows)
