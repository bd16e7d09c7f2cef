"""A sentence with {name} places and typed values → the sentence filled in.

The judgement of what to say is made in findings/ and verdict/; here it is only written. Values that
are text come from captures and are escaped; a place without a value stays as it is, so that a slip
shows instead of hiding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lbtrace.model.report import Value
from lbtrace.render.wording import units
from lbtrace.render.wording.escape import shown

_PLACE = re.compile(
    r"\{(\w+)\}((?: (?:other|backend|client|TCP|HTTP))? \w+\b)?( of connections)?( "
    r"(?:were|are|carry|begin|state)\b)?"
)
_VERBS = {
    " were": " was",
    " are": " is",
    " carry": " carries",
    " begin": " begins",
    " state": " states",
}
_NOUNS = {
    "SYNs", "connections", "requests", "responses", "exchanges", "pairs", "checks", "packets", "times", "targets", "nodes", "attempts",  # noqa: E501
    "segments", "bytes", "frames", "clients", "backends", "cases", "answers", "errors", "retransmissions", "lines", "fields",  # noqa: E501
}  # fmt: skip
_SINGULAR = {
    f" {before}{noun}": f" {before}{noun[:-1]}"
    for noun in _NOUNS
    for before in ("", "other ", "backend ", "client ", "TCP ", "HTTP ")
}


def filled(statement: str, values: Sequence[Value]) -> str:
    """The statement with every {name} replaced by the value of that name."""
    known = {v.name: shown(units.value(v)) for v in values}
    single = {v.name for v in values if v.unit == "count" and v.value == 1}

    def write(place: re.Match[str]) -> str:
        name, noun, whose, verb = place[1], place[2] or "", place[3] or "", place[4] or ""
        if name in single:
            noun, verb = _SINGULAR.get(noun, noun), _VERBS.get(verb, verb)
        return known.get(name, f"{{{name}}}") + noun + whose + verb

    return _PLACE.sub(write, statement)
