"""A check for programs: format "lbtrace-check", version 1, described by
render/schema/lbtrace-check-1.schema.json.
"""

from __future__ import annotations

from typing import TextIO

from lbtrace._version import __version__
from lbtrace.model.expectation import CheckResult, Outcome
from lbtrace.render import View
from lbtrace.render.check._words import word
from lbtrace.render.json.parts import evidence
from lbtrace.render.json.text import Json, encode

SUMMARY = "everything, for programs"
FORMAT_VERSION = 1


def write(result: CheckResult, out: TextIO, view: View) -> None:
    """One outcome per line."""
    head = {
        "format": "lbtrace-check",
        "format_version": FORMAT_VERSION,
        "lbtrace_version": __version__,
        "exit_code": result.exit_code,
        "exchanges": result.exchanges,
        "undecided": result.undecided,
        "warnings": list(result.warnings),
    }
    out.write(encode(head)[:-1] + ',"outcomes":[\n')
    before = ""
    for outcome in result.outcomes:
        out.write(before + encode(_outcome(outcome)) + "\n")
        before = ","
    out.write("]}\n")


def _outcome(outcome: Outcome) -> Json:
    allowed = outcome.allowed
    return {
        "key": outcome.key,
        "answer": outcome.answer.value,
        "word": word(outcome),
        "fails": outcome.fails,
        "warns": outcome.warns,
        "without_occasion": outcome.without_occasion,
        "expected": outcome.expected,
        "seen": outcome.seen,
        "line_seen": outcome.example,
        "reason": outcome.reason,
        "file": outcome.place.file,
        "line": outcome.place.line,
        "allowed": None
        if allowed is None
        else {
            "finding": allowed.finding,
            "where": allowed.where,
            "until": allowed.until.isoformat(),
            "reason": allowed.reason,
        },
        "evidence": [evidence(each) for each in outcome.evidence],
    }
