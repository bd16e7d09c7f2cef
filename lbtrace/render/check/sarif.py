"""A check as SARIF 2.1.0 (OASIS), which code hosts show as alerts on the file of expectations.

A rule is an expectation's key, a result what did not hold, at the line of its key. Its fingerprint
is made of key and expectation, not of the captures: the same broken expectation is the same alert
in every run.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TextIO
from urllib.parse import quote

from lbtrace._version import __version__
from lbtrace.model.expectation import CheckResult, Fulfilment, Outcome
from lbtrace.render import View
from lbtrace.render.check._words import lines, word
from lbtrace.render.json.text import Json
from lbtrace.render.wording.escape import shown

SUMMARY = "alerts for code hosts (SARIF 2.1.0)"
SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
LEVELS = {"failed": "error", "warning": "warning", "inconclusive": "warning", "allowed": "note"}


def write(result: CheckResult, out: TextIO, view: View) -> None:
    """One run."""
    told = [
        o for o in result.outcomes if o.answer is not Fulfilment.HOLDS and not o.without_occasion
    ]
    rules: dict[str, int] = {}
    for outcome in told:
        rules.setdefault(shown(outcome.key), len(rules))
    document: Json = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "lbtrace",
                        "version": __version__,
                        "rules": [_rule(key) for key in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(outcome, rules[shown(outcome.key)]) for outcome in told],
            }
        ],
    }
    json.dump(document, out, indent=1, ensure_ascii=True)
    out.write("\n")


def _rule(key: str) -> Json:
    return {
        "id": key,
        "shortDescription": {"text": f"The expectation {key} of lbtrace check"},
    }


def _result(outcome: Outcome, rule: int) -> Json:
    text = "\n".join(f"{label}: {said}" for label, said in lines(outcome))
    print_of = sha256(f"{shown(outcome.key)}\n{shown(outcome.expected)}".encode()).hexdigest()
    result: Json = {
        "ruleId": shown(outcome.key),
        "ruleIndex": rule,
        "level": LEVELS[word(outcome)],
        "kind": "open" if outcome.answer is Fulfilment.INCONCLUSIVE else "fail",
        "message": {"text": text},
        "partialFingerprints": {"lbtraceExpectation/v1": print_of},
    }
    if result["kind"] == "open":
        result["level"] = "none"  # SARIF §3.27.10: a result that is no failure has no level
    if outcome.place.line:
        result["locations"] = [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(shown(outcome.place.file))},
                    "region": {"startLine": outcome.place.line},
                }
            }
        ]
    if outcome.allowed is not None:
        result["suppressions"] = [
            {"kind": "external", "justification": shown(outcome.allowed.reason)}
        ]
    return result
