"""`[idle_limits]`: after how much silence connections are closed, or forgotten on the way.

clients              = ">= 30s"      clients close the idle connections they opened
balancer_to_clients  = ">= 60s"      the balancer closes idle connections of clients
balancer_to_backends = "<= 61s"      the balancer closes idle connections to backends
backends             = ">= 75s"      backends close idle connections of the balancer
forgotten_in_front   = ">= 350s"     a NAT or an L4 balancer forgets the flow, client side
forgotten_behind     = ">= 350s"     the same, backend side

Times are measured within a hundredth part. Silence that did no harm bounds a limit from below: it
is enough for ">=".
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.expect._judged import Judged, interval, missing, open_, verdict
from lbtrace.expect._wanted import Bound, duration
from lbtrace.model.behaviour import Behaviour
from lbtrace.render.wording import units

FACTS = {
    "idle_limits.clients": "idle-limits.client.client",
    "idle_limits.balancer_to_clients": "idle-limits.client.balancer",
    "idle_limits.balancer_to_backends": "idle-limits.backend.balancer",
    "idle_limits.backends": "idle-limits.backend.backend",
    "idle_limits.forgotten_in_front": "idle-limits.client.forgotten",
    "idle_limits.forgotten_behind": "idle-limits.backend.forgotten",
}
KEYS = tuple(FACTS)
SAID = {
    "idle_limits.clients": "clients close idle connections after",
    "idle_limits.balancer_to_clients": "the balancer closes idle connections of clients after",
    "idle_limits.balancer_to_backends": "the balancer closes idle connections to backends after",
    "idle_limits.backends": "backends close idle connections after",
    "idle_limits.forgotten_in_front": "idle connections in front of the balancer are forgotten"
    " after",
    "idle_limits.forgotten_behind": "idle connections behind the balancer are forgotten after",
}


def parse(key: str, value: object) -> Bound:
    """A bound of the silence."""
    return duration(value)


def said(key: str, wanted: Bound) -> str:
    """The expectation as a sentence."""
    return f"{SAID[key]} {wanted.text}"


def judge(key: str, wanted: Bound, behaviour: Behaviour) -> Judged:
    """Whether the limit satisfies the bound wherever it lies within its interval."""
    fact = behaviour.fact(FACTS[key])
    if fact is None:
        return missing(fact)
    if fact.value is None:
        longer = wanted.sign in (">=", ">") and fact.low is not None and wanted.holds(fact.low)
        return verdict(True, fact.unknown) if longer else missing(fact)
    value = int(fact.value)
    low, high = interval(fact, value)
    seen = f"after {units.duration(value)} ({fact.seen})"
    if wanted.sign == "==" and low <= wanted.number <= high:
        return verdict(True, seen, fact.evidence)
    possible = wanted.within(low, high)
    if possible is None:
        between = f"it lies between {units.duration(low)} and {units.duration(high)}"
        return open_(between, seen)
    return verdict(possible, seen, fact.evidence)


def observed(behaviour: Behaviour) -> Iterator[tuple[str, object, str]]:
    """Nothing: silences of one run are no expectation of another traffic."""
    return iter(())
