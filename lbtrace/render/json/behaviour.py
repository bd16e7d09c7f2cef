"""Behaviour → its JSON object, one fact per line; `lbtrace.behaviour.stored` reads it back."""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.model.behaviour import Behaviour, Fact, ShownHead
from lbtrace.model.report import Evidence
from lbtrace.render.json.parts import evidence, frame
from lbtrace.render.json.text import Json, encode, quoted


def behaviour(given: Behaviour) -> Iterator[str]:
    """The lines of the object."""
    yield (
        f'{{"exchanges":{given.exchanges},"undecided":{quoted(given.undecided)},'
        f'"one_sided":{"true" if given.one_sided else "false"},"facts":['
    )
    before = ""
    for fact in given.facts:
        yield before + encode(fact_object(fact))
        before = ","
    yield '],"heads":['
    before = ""
    for head in given.heads:
        yield before + encode(head_object(head))
        before = ","
    yield "]}"


def head_object(head: ShownHead) -> Json:
    """One head."""
    return {
        **frame(head.frame),
        "exchange": head.exchange,
        "is_request": head.is_request,
        "lines": list(head.lines),
    }


def fact_object(fact: Fact) -> Json:
    """One fact."""
    return {
        "name": fact.name,
        "value": fact.value,
        "unit": fact.unit,
        "seen": fact.seen,
        "unknown": fact.unknown,
        "low": fact.low,
        "high": fact.high,
        "shares": [
            {
                "name": share.name,
                "count": share.count,
                "of": share.of,
                "example": share.example,
                "evidence": _evidence(share.evidence),
            }
            for share in fact.shares
        ],
        "values": list(fact.values),
        "evidence": _evidence(fact.evidence),
    }


def _evidence(given: tuple[Evidence, ...]) -> list[Json]:
    return [evidence(each) for each in given]
