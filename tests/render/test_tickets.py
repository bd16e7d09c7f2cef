"""The formats for tickets and for CI: every problem with its packets, hostile bytes inert."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest

from lbtrace.model.net import Side
from lbtrace.model.report import (
    CaptureAlone,
    CaptureReport,
    Evidence,
    Finding,
    Report,
    Severity,
)
from lbtrace.render import View, get_format
from tests.behaviour.samples import report_of
from tests.render.terminal.test_hostile import hostile

NAMES = ("markdown", "github")
HOSTILE = "/`<script>|@all%0A::error::x\x1b[31m"


def written(name: str, report: Report | CaptureReport, view: View | None = None) -> str:
    out = io.StringIO()
    form = get_format(name)
    write = form.write_report if isinstance(report, Report) else form.write_trace
    write(report, out, view or View())  # type: ignore[arg-type]
    return out.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_every_problem_is_told_with_its_packets(name: str) -> None:
    report = report_of("nginx-race")
    text = written(name, report)
    for problem in report.problems:
        assert f"{problem.id} {problem.severity.value}" in text.replace("%3A", ":")
        assert f"--zoom {problem.id}" in text
    assert "client #" in text
    assert "frame.number" in text
    assert "what to do: " in text


def test_annotations_are_one_line_each_and_as_grave_as_the_problem() -> None:
    lines = written("github", report_of("nginx-race")).splitlines()
    assert [line.split(" ", 1)[0] for line in lines] == ["::error", "::notice"]
    assert written("github", report_of("alb-like")) == "::notice title=lbtrace::no problems found\n"


def test_markdown_ends_with_the_page_for_people() -> None:
    text = written("markdown", report_of("alb-like"))
    assert text.startswith("### lbtrace: no problems found\n\n```text\n")
    assert "SYN : requests" in text
    assert text.endswith("\n```\n")


def _of_client(finding: Finding) -> tuple[Evidence, ...]:
    """The evidence that a capture of the client side alone has."""
    frames = [f for e in finding.evidence for f in e.frames if f.side is Side.CLIENT]
    return (Evidence(tuple(frames)),) if frames else ()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("alone", [False, True])
def test_hostile_bytes_of_a_capture_are_inert(name: str, alone: bool) -> None:
    told = hostile(HOSTILE)
    graver = tuple(replace(f, severity=Severity.HIGH) for f in told.findings)
    report: Report | CaptureReport = replace(told, findings=graver)
    if alone:
        seen = tuple(replace(f, evidence=_of_client(f)) for f in graver if _of_client(f))
        report = CaptureReport((CaptureAlone(told.clients[0], seen),))
    assert report.problems
    text = written(name, report)
    assert "\x1b" not in text
    if name == "github":
        assert all(line.startswith("::") for line in text.splitlines())
        assert "%0A::error" not in text.replace("%250A", "")
        return
    outside = re.sub(r"(?ms)^(`{3,})text\n.*?^\1$", "", text)
    outside = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", outside)
    assert "<script>" not in outside
    assert "@all" not in outside
