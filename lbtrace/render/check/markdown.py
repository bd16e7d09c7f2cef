"""A check as Markdown: a comment on a pull request, a job summary."""

from __future__ import annotations

from typing import TextIO

from lbtrace.model.expectation import CheckResult, Fulfilment, Outcome
from lbtrace.render import View
from lbtrace.render.check._words import diff_of, lines, summary, where, word
from lbtrace.render.wording.escape import shown
from lbtrace.render.wording.markdown import cell, code, fenced

SUMMARY = "for pull requests and job summaries"
SIGNS = {"failed": "❌", "inconclusive": "❔", "warning": "⚠️", "allowed": "➖", "holds": "✅"}


def write(result: CheckResult, out: TextIO, view: View) -> None:
    """The summary, a section for each expectation that does not hold, a table of all."""
    out.write(f"### lbtrace check\n\n{summary(result)}.\n")
    if result.undecided:
        out.write(f"\nNothing can be judged: {code(shown(result.undecided))}.\n")
    for warning in result.warnings:
        out.write(f"\n⚠️ {code(shown(warning))}\n")
    for outcome in result.outcomes:
        if outcome.answer is not Fulfilment.HOLDS and not outcome.without_occasion:
            _section(outcome, result, out)
    out.write("\n<details><summary>All expectations</summary>\n\n")
    out.write("| | expectation | seen |\n|---|---|---|\n")
    for outcome in result.outcomes:
        sign = SIGNS.get(word(outcome), "➖")
        cells = cell(shown(outcome.expected)), cell(shown(outcome.seen))
        out.write(f"| {sign} | {cells[0]} | {cells[1]} |\n")
    out.write("\n</details>\n")


def _section(outcome: Outcome, result: CheckResult, out: TextIO) -> None:
    sign = SIGNS.get(word(outcome), "➖")
    place = f" ({code(where(outcome))})" if where(outcome) else ""
    out.write(f"\n#### {sign} {word(outcome)}: {code(shown(outcome.key))}{place}\n\n")
    for label, text in lines(outcome, result):
        out.write(f"- {label}: {code(text)}\n")
    if outcome.heads:
        out.write(f"\n{fenced(diff_of(outcome), 'diff')}")
