"""A check for programs: format "lbtrace-check", version 1, described by
render/schema/lbtrace-check-1.schema.json.
"""

from __future__ import annotations

from typing import TextIO

from lbtrace.model.expectation import CheckResult, Outcome
from lbtrace.render import View
from lbtrace.render.check._words import word
from lbtrace.render.json.behaviour import head_object
from lbtrace.render.json.parts import evidence
from lbtrace.render.json.text import Json, write_document

SUMMARY = "everything, for programs"
FORMAT_VERSION = 1


def write(result: CheckResult, out: TextIO, view: View) -> None:
    """One outcome per line."""
    head: Json = {
        "exit_code": result.exit_code,
        "exchanges": result.exchanges,
        "undecided": result.undecided,
        "warnings": list(result.warnings),
    }
    write_document(
        out, "lbtrace-check", FORMAT_VERSION, head, "outcomes", map(_outcome, result.outcomes)
    )


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
        "exchange": outcome.exchange,
        "heads": [head_object(head) for head in outcome.heads],
    }
