"""`[distribution]`: how requests are shared out among the captured backends.

backends      = 2              how many got requests
largest_share = "<= 60%"       of the backend that got most
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from lbtrace.expect._judged import Judged, known, missing, verdict
from lbtrace.expect._wanted import Bound, bound, percent
from lbtrace.model.behaviour import Behaviour

KEYS = ("distribution.backends", "distribution.largest_share")


def parse(key: str, value: object) -> Bound:
    """A bound of the count or of the share."""
    return bound(value) if key == KEYS[0] else percent(value)


def said(key: str, wanted: Bound) -> str:
    """The expectation as a sentence."""
    what = "backends that get requests" if key == KEYS[0] else "share of the busiest backend"
    return f"{what}: {wanted.text}"


def judge(key: str, wanted: Bound, behaviour: Behaviour) -> Judged:
    """Whether it satisfies the bound."""
    fact = known(behaviour, "distribution.backends")
    if fact is None or not isinstance(fact.value, int):
        return missing(behaviour.fact("distribution.backends"))
    if key == KEYS[0]:
        return verdict(wanted.holds(fact.value), fact.seen, fact.evidence)
    most = max(fact.shares, key=lambda share: share.count)
    seen = f"{most.name} got {most.count} of {most.of}"
    return verdict(wanted.holds(Fraction(most.count, most.of)), seen, fact.evidence)


def observed(behaviour: Behaviour) -> Iterator[tuple[str, object, str]]:
    """(key, value, what was seen), for --init."""
    fact = known(behaviour, "distribution.backends")
    if fact is not None and isinstance(fact.value, int) and fact.value > 1:
        yield KEYS[0], fact.value, fact.seen
