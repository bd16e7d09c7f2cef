"""`[reuse]`: how many requests a connection carries, as a mean over the connections of a side.

requests_per_backend_connection = ">= 3"       health checks are excluded
requests_per_client_connection  = 1
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from lbtrace.expect._judged import Judged, known, missing, verdict
from lbtrace.expect._wanted import Bound, bound
from lbtrace.model.behaviour import Behaviour

KEYS = ("reuse.requests_per_backend_connection", "reuse.requests_per_client_connection")


def parse(key: str, value: object) -> Bound:
    """A bound of the mean."""
    return bound(value)


def said(key: str, wanted: Bound) -> str:
    """The expectation as a sentence."""
    return f"requests per {_side(key)} connection, as a mean: {wanted.text}"


def judge(key: str, wanted: Bound, behaviour: Behaviour) -> Judged:
    """Whether the mean satisfies the bound."""
    name = f"connections.{_side(key)}.requests"
    fact = known(behaviour, name)
    share = None if fact is None else fact.share("per-connection")
    if fact is None or share is None:
        return missing(behaviour.fact(name))
    mean = Fraction(share.count, share.of)
    return verdict(wanted.holds(mean), f"{float(mean):.3g} ({fact.seen})", fact.evidence)


def observed(behaviour: Behaviour) -> Iterator[tuple[str, object, str]]:
    """(key, value, what was seen), for --init: that connections are reused, not how much."""
    fact = known(behaviour, "connections.backend.requests")
    share = None if fact is None else fact.share("per-connection")
    if fact is not None and share is not None:
        value = 1 if share.count == share.of else "> 1" if share.count > share.of else "< 1"
        yield KEYS[0], value, fact.seen


def _side(key: str) -> str:
    return "backend" if key == KEYS[0] else "client"
