"""A check as JUnit XML, which CI servers show as tests.

An expectation is a test case, a failure a failure, an inconclusive one is skipped with its reason.
The shape is that of the Apache Ant task, as Jenkins and GitLab read it. XML 1.0 (§2.2) forbids most
control characters, escaped or not: they are written as \\xNN.
"""

from __future__ import annotations

from typing import TextIO
from xml.etree import ElementTree

from lbtrace.model.expectation import CheckResult, Fulfilment, Outcome
from lbtrace.render import View
from lbtrace.render.check._words import diff_of, lines, where, word
from lbtrace.render.wording.escape import shown

SUMMARY = "test results for CI servers (JUnit XML)"


def write(result: CheckResult, out: TextIO, view: View) -> None:
    """One test suite."""
    skipped = [o for o in result.outcomes if _is_skipped(o)]
    counts = {
        "tests": str(len(result.outcomes)),
        "failures": str(len(result.failed)),
        "errors": "0",
        "skipped": str(len(skipped)),
    }
    suites = ElementTree.Element("testsuites", {"name": "lbtrace", **counts})
    suite = ElementTree.SubElement(
        suites, "testsuite", {"name": "lbtrace check", "time": "0", **counts}
    )
    for outcome in result.outcomes:
        _case(suite, outcome)
    out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    out.write(ElementTree.tostring(suites, encoding="unicode"))
    out.write("\n")


def _is_skipped(outcome: Outcome) -> bool:
    return outcome.answer is Fulfilment.INCONCLUSIVE or (
        outcome.answer is Fulfilment.FAILED and not outcome.fails
    )


def _case(suite: ElementTree.Element, outcome: Outcome) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname="lbtrace.check",
        name=shown(f"{outcome.key}: {outcome.expected}"),
        time="0",
    )
    if outcome.place.line:
        case.set("file", shown(outcome.place.file))
        case.set("line", str(outcome.place.line))
    text = "\n".join(f"{label}: {said}" for label, said in lines(outcome))
    if outcome.fails:
        failure = ElementTree.SubElement(
            case, "failure", message=shown(outcome.seen), type="expectation"
        )
        parts = [where(outcome), text, *diff_of(outcome)]
        failure.text = "\n".join(part for part in parts if part)
    elif _is_skipped(outcome):
        ElementTree.SubElement(
            case, "skipped", message=shown(f"{word(outcome)}: {outcome.reason or outcome.seen}")
        )
