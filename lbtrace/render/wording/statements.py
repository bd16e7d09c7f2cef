"""A sentence with {name} places and typed values → the sentence filled in.

The judgement of what to say is made in findings/ and verdict/; here it is only written. Values that
are text come from captures and are escaped; a place without a value stays as it is, so that a slip
shows instead of hiding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lbtrace.language import N, known, tr
from lbtrace.language.plurals import forms, in_singular
from lbtrace.language.split import split
from lbtrace.model.report import Value
from lbtrace.render.wording import units
from lbtrace.render.wording.escape import shown

_PLACE = re.compile(r"\{(\w+)\}")


# places that hold words of lbtrace, not of a capture, and what can stand there: translated, too
_WORDS = ("sender", "server", "side", "other", "first", "second", "reader", "closer", "meaning")
SAID = (
    *(N("client"), N("balancer"), N("backend"), N("client end"), N("server end"), N("server")),
    *(N("the client's address"), N("the port the client connected to")),
    N("the protocol the client used"),
)
_PHRASES = ("how", "event", "what")  # "the first attempt was reset (1); …"
_COUNT = re.compile(r"^(.*?)((?: \(\d+\))?)$")


def filled(statement: str, values: Sequence[Value]) -> str:
    """The statement, in the language that is spoken, with every {name} replaced by the value of
    that name.
    """
    texts = {v.name: shown(_value(v)) for v in values}
    numbers = {v.name: v.value for v in values if v.unit == "count" and isinstance(v.value, int)}
    told = _translated(statement, numbers)
    if told is None:
        told = in_singular(statement, {name for name, number in numbers.items() if number == 1})
    return _PLACE.sub(lambda place: texts.get(place[1], place[0]), told)


def told_in(remedy: str) -> str:
    """What to do, in the language that is spoken."""
    told = _translated(remedy, {})
    return remedy if told is None else told


def _value(item: Value) -> str:
    text = units.value(item)
    if item.name in _PHRASES:
        return "; ".join(
            _COUNT.sub(lambda part: tr(part[1]) + part[2], p) for p in text.split("; ")
        )
    return tr(text) if item.name in _WORDS else text


def _translated(statement: str, numbers: Mapping[str, int]) -> str | None:
    """All sentences of a statement, or None: half a statement in another language helps nobody."""
    told = []
    for sentence in split(statement):
        one, many, name = forms(sentence)
        found = known(one, many, numbers.get(name, 2))
        if found is None:
            return None
        told.append(found)
    return " ".join(told)
