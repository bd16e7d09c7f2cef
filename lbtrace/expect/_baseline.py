"""Two Behaviours, of a good run and of this one → what is new or has changed.

Only what is known on both sides is compared. A finding that is new, or more severe, fails; so does
a fact with another value, or that holds in all cases here and in some there. Times are compared
only outside their error.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.behaviour import differing
from lbtrace.model.behaviour import Behaviour, Fact
from lbtrace.model.expectation import Fulfilment, Outcome
from lbtrace.model.report import Severity


def judge_baseline(before: Behaviour, now: Behaviour) -> tuple[Outcome, ...]:
    """One outcome for each change, new findings first; one that says that nothing changed."""
    if before.undecided or now.undecided:
        reason = (
            f"the baseline decides nothing: {before.undecided}"
            if before.undecided
            else now.undecided
        )
        expected = "behaves as the baseline"
        return (
            Outcome(
                "baseline", Fulfilment.INCONCLUSIVE, expected, "nothing was compared", reason=reason
            ),
        )
    changed = [*_new_findings(before, now), *_changed_facts(before, now)]
    if changed:
        return tuple(changed)
    return (Outcome("baseline", Fulfilment.HOLDS, "behaves as the baseline", "no change"),)


def _new_findings(before: Behaviour, now: Behaviour) -> Iterator[Outcome]:
    for fact in now.under("findings"):
        old = before.fact(fact.name)
        was = Severity.INFO if old is None else Severity(str(old.value))
        if Severity(str(fact.value)) > was:
            yield Outcome(
                f"baseline.{fact.name}",
                Fulfilment.FAILED,
                "no finding that the baseline does not have"
                if old is None
                else f"no worse than {was.value}",
                f"{fact.value}: {fact.seen}",
                fact.evidence,
            )


def _changed_facts(before: Behaviour, now: Behaviour) -> Iterator[Outcome]:
    for found in differing(before, now):
        if not found.name.startswith("findings."):
            yield Outcome(
                f"baseline.{found.name}",
                Fulfilment.FAILED,
                _said(found.before),
                _said(found.after),
                found.after.evidence or found.before.evidence,
            )


def _said(fact: Fact) -> str:
    return (
        fact.seen
        if fact.value is None or str(fact.value) in fact.seen
        else f"{fact.value} ({fact.seen})"
    )
