"""`[health_checks]`: what the balancer asks its backends.

request = "GET /health"
period  = "<= 15s"
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.expect._judged import Judged, interval, known, missing, open_, verdict
from lbtrace.expect._wanted import Bound, duration, text_of
from lbtrace.model.behaviour import Behaviour

KEYS = ("health_checks.request", "health_checks.period")


def parse(key: str, value: object) -> str | Bound:
    """A request line without its version, or a bound of the period."""
    return text_of(value) if key == KEYS[0] else duration(value)


def said(key: str, wanted: str | Bound) -> str:
    """The expectation as a sentence."""
    if isinstance(wanted, Bound):
        return f"period of health checks: {wanted.text}"
    return f"health checks ask {wanted}"


def judge(key: str, wanted: str | Bound, behaviour: Behaviour) -> Judged:
    """Whether they do."""
    name = key.replace("_", "-")
    fact = known(behaviour, name)
    if fact is None:
        return missing(behaviour.fact(name))
    if isinstance(wanted, str):
        return verdict(str(fact.value) == wanted, fact.seen, fact.evidence)
    if not isinstance(fact.value, int):
        return missing(fact)
    low, high = interval(fact, fact.value)
    possible = wanted.within(low, high)
    seen = f"every {low / 1e9:.3g} s" + (f" to {high / 1e9:.3g} s" if high > low else "")
    return (
        open_("not the same for all backends", seen)
        if possible is None
        else verdict(possible, seen, fact.evidence)
    )


def observed(behaviour: Behaviour) -> Iterator[tuple[str, object, str]]:
    """(key, value, what was seen), for --init."""
    fact = known(behaviour, "health-checks.request")
    if fact is not None and ", " not in str(fact.value):
        yield KEYS[0], fact.value, fact.seen
