"""A check as GitHub workflow commands: annotations on the lines of the file of expectations."""

from __future__ import annotations

from typing import TextIO

from lbtrace.model.expectation import CheckResult, Fulfilment, Outcome
from lbtrace.render import View
from lbtrace.render.check._words import lines, summary, word
from lbtrace.render.wording.annotations import annotation
from lbtrace.render.wording.escape import shown

SUMMARY = "annotations for GitHub Actions"


def write(result: CheckResult, out: TextIO, view: View) -> None:
    """One command per line: errors, warnings, then a notice with the summary."""
    for outcome in result.outcomes:
        if outcome.fails:
            out.write(_command("error", outcome))
        elif outcome.answer is not Fulfilment.HOLDS and not outcome.without_occasion:
            out.write(_command("warning", outcome))
    for warning in result.warnings:
        out.write(annotation("warning", {"title": "lbtrace check"}, shown(warning)))
    text = summary(result) + (f". {result.undecided}" if result.undecided else "")
    out.write(annotation("notice", {"title": "lbtrace check"}, text))


def _command(level: str, outcome: Outcome) -> str:
    properties = {"title": f"lbtrace {word(outcome)}: {shown(outcome.key)}"}
    if outcome.place.line:
        properties = {
            "file": shown(outcome.place.file),
            "line": str(outcome.place.line),
            **properties,
        }
    text = "\n".join(f"{label}: {said}" for label, said in lines(outcome))
    return annotation(level, properties, text)
