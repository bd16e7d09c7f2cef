"""`[protocol]`: the version of HTTP on each side.

client  = "HTTP/2"
backend = "HTTP/1.1"
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.expect._judged import Judged, known, missing, verdict
from lbtrace.expect._wanted import text_of
from lbtrace.model.behaviour import Behaviour

KEYS = ("protocol.client", "protocol.backend")


def parse(key: str, value: object) -> str:
    """The version as the report writes it; lower case will do for what is not HTTP ("tls")."""
    return text_of(value)


def said(key: str, wanted: str) -> str:
    """The expectation as a sentence."""
    return f"the {key.rpartition('.')[2]} side speaks {wanted}"


def judge(key: str, wanted: str, behaviour: Behaviour) -> Judged:
    """Whether every request of that side is of that version."""
    fact = known(behaviour, key)
    if fact is None:
        return missing(behaviour.fact(key))
    spoken = {share.name for share in fact.shares}
    return verdict(spoken == {wanted}, fact.seen, fact.evidence)


def observed(behaviour: Behaviour) -> Iterator[tuple[str, object, str]]:
    """(key, value, what was seen), for --init."""
    for key in KEYS:
        fact = known(behaviour, key)
        if fact is not None and len(fact.shares) == 1:
            yield key, fact.value, fact.seen
