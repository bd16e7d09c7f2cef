"""`[errors]`: how many requests may go wrong.

    made_by_balancer          = 0      error responses of the balancer's own
    made_by_backend           = 0      error responses of a backend, passed on
    duplicate_unsafe_requests = 0      requests that are not idempotent, sent more than once

That nothing was seen holds only if it is known what became of every request.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.expect._judged import Judged, extent, known, missing, open_, verdict
from lbtrace.expect._wanted import Bound, bound
from lbtrace.model.behaviour import Behaviour

KEYS = ("errors.made_by_balancer", "errors.made_by_backend", "errors.duplicate_unsafe_requests")
FACTS = dict(zip(KEYS, ("errors.balancer", "errors.backend", "retries.unsafe"), strict=True))
SAID = dict(
    zip(
        KEYS,
        (
            "errors of the balancer's own making",
            "errors made by a backend",
            "requests sent twice though not idempotent",
        ),
        strict=True,
    )
)


def parse(key: str, value: object) -> Bound:
    """A bound of the count."""
    return bound(value)


def said(key: str, wanted: Bound) -> str:
    """The expectation as a sentence."""
    return f"{SAID[key]}: {wanted.text}"


def judge(key: str, wanted: Bound, behaviour: Behaviour) -> Judged:
    """Whether the count satisfies the bound, whatever became of the requests that are open."""
    fact = known(behaviour, FACTS[key])
    if fact is None or not isinstance(fact.value, int):
        return missing(behaviour.fact(FACTS[key]))
    possible = wanted.within(fact.value, fact.value + _open(key, behaviour))
    if possible is None:
        explained = behaviour.fact("exchanges.explained")
        told = explained.share("requests") if explained is not None else None
        return open_(
            "it is not known what became of every request"
            + (f" (known: {extent(told)})" if told is not None else ""),
            fact.seen,
        )
    return verdict(possible, fact.seen, fact.evidence)


def _open(key: str, behaviour: Behaviour) -> int:
    """How many more there may be: requests that are not explained, errors whose maker is open."""
    explained = known(behaviour, "exchanges.explained")
    share = None if explained is None else explained.share("requests")
    unexplained = 0 if share is None else share.of - share.count
    errors = known(behaviour, "errors.open")
    open_errors = errors.value if errors is not None and isinstance(errors.value, int) else 0
    return max(unexplained, 0 if key == KEYS[2] else open_errors)


def observed(behaviour: Behaviour) -> Iterator[tuple[str, object, str]]:
    """(key, value, what was seen), for --init: what did not happen in a good run."""
    for key in (KEYS[0], KEYS[2]):
        fact = known(behaviour, FACTS[key])
        if fact is not None and fact.value == 0 and not _open(key, behaviour):
            yield key, 0, fact.seen
