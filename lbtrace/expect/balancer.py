"""`[balancer]`: what kind of balancer it is, and which known one it looks like.

kind = "l7-proxy"
looks_like = "nginx"
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.expect._judged import Judged, known, missing, verdict
from lbtrace.expect._wanted import one_of
from lbtrace.model.behaviour import Behaviour
from lbtrace.model.report import Kind
from lbtrace.profiles import profiles

KEYS = ("balancer.kind", "balancer.looks_like")
KINDS = [
    kind.value for kind in Kind if kind not in (Kind.UNRELATED, Kind.INCONCLUSIVE, Kind.AMBIGUOUS)
]
FACTS = {"balancer.kind": "balancer.kind", "balancer.looks_like": "balancer.looks-like"}


def parse(key: str, value: object) -> str:
    """A kind, or the id of a profile."""
    return one_of(value, KINDS if key == "balancer.kind" else [p.id for p in profiles()])


def said(key: str, wanted: str) -> str:
    """The expectation as a sentence."""
    return f"the balancer is of kind {wanted}" if key == "balancer.kind" else f"looks like {wanted}"


def judge(key: str, wanted: str, behaviour: Behaviour) -> Judged:
    """Whether it is."""
    fact = known(behaviour, FACTS[key])
    if fact is None:
        return missing(behaviour.fact(FACTS[key]))
    return verdict(fact.value == wanted, fact.seen, fact.evidence)


def observed(behaviour: Behaviour) -> Iterator[tuple[str, object, str]]:
    """(key, value, what was seen), for --init."""
    for key, name in FACTS.items():
        fact = known(behaviour, name)
        if fact is not None:
            yield key, fact.value, fact.seen
