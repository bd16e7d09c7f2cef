"""What the files of this room return: a judgement with what was seen."""

from __future__ import annotations

from typing import NamedTuple

from lbtrace.model.behaviour import Behaviour, Fact, Share
from lbtrace.model.expectation import Fulfilment
from lbtrace.model.report import Evidence

ONE_SIDE = "only one side was captured"


class Judged(NamedTuple):
    """A judgement, what was seen, the packets, a line of them, and why it is open."""

    answer: Fulfilment
    seen: str
    evidence: tuple[Evidence, ...] = ()
    example: str = ""
    reason: str = ""


def verdict(
    holds: bool, seen: str, evidence: tuple[Evidence, ...] = (), example: str = ""
) -> Judged:
    """Holds or failed."""
    return Judged(
        Fulfilment.HOLDS if holds else Fulfilment.FAILED,
        seen,
        evidence,
        example if not holds else "",
    )


def open_(reason: str, seen: str = "") -> Judged:
    """The captures cannot tell."""
    return Judged(Fulfilment.INCONCLUSIVE, seen or reason, reason=reason)


def missing(fact: Fact | None) -> Judged:
    """A fact that is not known."""
    return open_("nothing in the captures shows it" if fact is None else fact.unknown)


def known(behaviour: Behaviour, name: str) -> Fact | None:
    """The fact of that name, if its value is known."""
    fact = behaviour.fact(name)
    return None if fact is None or fact.value is None else fact


def interval(fact: Fact, value: int) -> tuple[int, int]:
    """Where the number of a fact lies: it is `value` itself where no error is known."""
    return value if fact.low is None else fact.low, value if fact.high is None else fact.high


def extent(share: Share) -> str:
    """How many of how many."""
    return f"{share.count} of {share.of}"
