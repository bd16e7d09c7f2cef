"""A check as GitHub workflow commands: annotations on the lines of the file of expectations.

`::error file=…,line=…,title=…::message` (docs.github.com, "Workflow commands for GitHub Actions").
In a message `%`, CR and LF are written %25, %0D, %0A; in a property `:` and `,` too.
"""

from __future__ import annotations

from typing import TextIO

from lbtrace.model.expectation import CheckResult, Fulfilment, Outcome
from lbtrace.render import View
from lbtrace.render.check._words import lines, summary, word
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
        out.write(f"::warning title=lbtrace check::{_message(shown(warning))}\n")
    text = summary(result) + (f". {result.undecided}" if result.undecided else "")
    out.write(f"::notice title=lbtrace check::{_message(text)}\n")


def _command(level: str, outcome: Outcome) -> str:
    properties = {"title": f"lbtrace {word(outcome)}: {shown(outcome.key)}"}
    if outcome.place.line:
        properties = {
            "file": shown(outcome.place.file),
            "line": str(outcome.place.line),
            **properties,
        }
    text = "\n".join(f"{label}: {said}" for label, said in lines(outcome))
    said = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {said}::{_message(text)}\n"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
