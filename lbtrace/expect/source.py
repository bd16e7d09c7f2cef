"""`[source]`: what the backend sees as the source of its connections.

address   = "rewritten"            or "kept"
stated_in = "X-Forwarded-For"      where else the client's address is stated
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.expect._judged import Judged, known, missing, verdict
from lbtrace.expect._wanted import one_of, text_of
from lbtrace.http_fields.lines import lowered
from lbtrace.model.behaviour import Behaviour

KEYS = ("source.address", "source.stated_in")
FACTS = {"source.address": "source.address", "source.stated_in": "source.stated-in"}


def parse(key: str, value: object) -> str:
    """A fate, or the name of a field."""
    return one_of(value, ("kept", "rewritten")) if key == "source.address" else text_of(value)


def said(key: str, wanted: str) -> str:
    """The expectation as a sentence."""
    if key == "source.address":
        return f"the client's address is {wanted}"
    return f"the client's address is stated in {wanted}"


def judge(key: str, wanted: str, behaviour: Behaviour) -> Judged:
    """Whether it is."""
    fact = known(behaviour, FACTS[key])
    if fact is None:
        return missing(behaviour.fact(FACTS[key]))
    fields = [lowered(part.strip()) for part in str(fact.value).split(",")]
    return verdict(lowered(wanted) in fields, fact.seen, fact.evidence)


def observed(behaviour: Behaviour) -> Iterator[tuple[str, object, str]]:
    """(key, value, what was seen), for --init."""
    address = known(behaviour, "source.address")
    if address is not None and address.value in ("kept", "rewritten"):
        yield "source.address", address.value, address.seen
