"""`[latency]`: the time that balancer and network add to an exchange.

added_p95    = "<= 5ms"      needs 20 exchanges
added_median = "<= 1ms"
added_max    = "<= 50ms"
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.expect._judged import Judged, interval, known, missing, open_, verdict
from lbtrace.expect._wanted import Bound, duration
from lbtrace.model.behaviour import Behaviour

KEYS = ("latency.added_median", "latency.added_p95", "latency.added_max")


def parse(key: str, value: object) -> Bound:
    """A bound of the time."""
    return duration(value)


def said(key: str, wanted: Bound) -> str:
    """The expectation as a sentence."""
    return f"{key.partition('_')[2]} of what the balancer adds: {wanted.text}"


def judge(key: str, wanted: Bound, behaviour: Behaviour) -> Judged:
    """Whether the time satisfies the bound wherever it lies within its error."""
    name = key.replace("_", "-")
    fact = known(behaviour, name)
    if fact is None or not isinstance(fact.value, int):
        return missing(behaviour.fact(name))
    low, high = interval(fact, fact.value)
    possible = wanted.within(low, high)
    seen = f"{fact.value / 1e6:.3g} ms {fact.seen}"
    if possible is None:
        return open_(f"it lies between {low / 1e6:.3g} and {high / 1e6:.3g} ms", seen)
    return verdict(possible, seen, fact.evidence)


def observed(behaviour: Behaviour) -> Iterator[tuple[str, object, str]]:
    """Nothing: times of one run are no expectation of another machine."""
    return iter(())
