"""`[findings]`: how bad a finding may be.

    fail_on = "high"       a finding of this severity or above fails the check

Each finding that fails is an outcome of its own: an allowance can let it pass.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.expect._judged import Judged, verdict
from lbtrace.expect._wanted import one_of
from lbtrace.model.behaviour import Behaviour
from lbtrace.model.report import Severity

KEYS = ("findings.fail_on",)
LEVELS = [severity.value for severity in Severity if severity is not Severity.INFO]


def parse(key: str, value: object) -> Severity:
    """A severity."""
    return Severity(one_of(value, LEVELS))


def said(key: str, wanted: Severity) -> str:
    """The expectation as a sentence."""
    return f"no finding of severity {wanted.value} or above"


def judge(key: str, wanted: Severity, behaviour: Behaviour) -> Judged:
    """The outcome when no finding fails; those that do are in `each`."""
    return verdict(next(each(wanted, behaviour), None) is None, "none")


def each(wanted: Severity, behaviour: Behaviour) -> Iterator[tuple[str, tuple[str, ...], Judged]]:
    """(slug, the requests it is about, the judgement) of every finding that fails."""
    for fact in behaviour.under("findings"):
        if Severity(str(fact.value)) >= wanted:
            seen = f"{fact.value}: {fact.seen}"
            yield fact.name.partition(".")[2], fact.values, verdict(False, seen, fact.evidence)


def observed(behaviour: Behaviour) -> Iterator[tuple[str, object, str]]:
    """(key, value, what was seen), for --init: the mildest severity that a good run passes."""
    worst = max(
        (Severity(str(fact.value)) for fact in behaviour.under("findings")),
        default=Severity.INFO,
        key=lambda severity: severity.rank,
    )
    passing = next((level for level in LEVELS if Severity(level) > worst), None)
    if passing is not None:
        yield KEYS[0], passing, f"the worst finding was {worst.value}"
