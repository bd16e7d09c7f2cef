"""A check as Markdown: a comment on a pull request, a job summary.

What stands in a header could be a link, a mention or an image: texts of a capture stand in code
spans, whose fence is longer than any run of back-ticks in them (CommonMark §6.1); `|` is escaped
for tables (GFM §4.10).
"""

from __future__ import annotations

import re
from typing import TextIO

from lbtrace.model.expectation import CheckResult, Fulfilment, Outcome
from lbtrace.render import View
from lbtrace.render.check._words import diff_of, lines, summary, where, word
from lbtrace.render.wording.escape import shown

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
        out.write(f"\n{fenced(diff_of(outcome))}")


def fenced(rows: list[str]) -> str:
    """A block of code that holds exactly these lines (CommonMark §4.5), coloured as a diff."""
    longest = max((len(run) for row in rows for run in re.findall("`+", row)), default=0)
    fence = "`" * max(longest + 1, 3)
    return "\n".join([f"{fence}diff", *rows, fence]) + "\n"


def code(text: str) -> str:
    """A code span that holds exactly this text."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def cell(text: str) -> str:
    """A code span in a table."""
    return code(text).replace("|", "\\|")
