"""`[trust]`: what becomes of forwarding fields that a client sends itself.

client_sent_forwarded = "replace"      "append", "replace", "remove" or "keep", or several
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.expect._judged import Judged, extent, open_, verdict
from lbtrace.expect._wanted import Unfit, one_of
from lbtrace.model.behaviour import Behaviour

KEYS = ("trust.client_sent_forwarded",)
FATES = ("append", "keep", "remove", "replace")


def parse(key: str, value: object) -> tuple[str, ...]:
    """The fates that are right."""
    if isinstance(value, list):
        if not value:
            raise Unfit(f"at least one of {', '.join(FATES)} is expected")
        return tuple(one_of(each, FATES) for each in value)
    return (one_of(value, FATES),)


def said(key: str, wanted: tuple[str, ...]) -> str:
    """The expectation as a sentence."""
    return f"forwarding fields that a client sends: {' or '.join(wanted)}"


def judge(key: str, wanted: tuple[str, ...], behaviour: Behaviour) -> Judged:
    """Whether every field that a client sent met one of them."""
    facts = list(behaviour.under("trust"))
    if not facts:
        return open_("no client sent a forwarding field: send one, to see what becomes of it")
    for fact in facts:
        for share in fact.shares:
            if share.name not in wanted:
                return verdict(False, fact.seen, share.evidence, share.example)
    total = ", ".join(extent(share) for fact in facts for share in fact.shares)
    return verdict(True, f"as expected in {total}", facts[0].evidence)


def observed(behaviour: Behaviour) -> Iterator[tuple[str, object, str]]:
    """(key, value, what was seen), for --init."""
    facts = list(behaviour.under("trust"))
    fates = sorted({share.name for fact in facts for share in fact.shares})
    if fates:
        value = fates[0] if len(fates) == 1 else fates
        yield KEYS[0], value, "; ".join(fact.seen for fact in facts)
