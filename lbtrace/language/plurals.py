"""Numbers and the words that agree with them: 1 request was sent, 2 requests were.

A sentence of a finding is written for many: "{count} requests were answered". For a count of 1 its
noun and its verb are put in the singular. A list is enough: nouns that take an s, and the verbs
that follow them. A verb that stands elsewhere names its number and both its forms: "{count} of {of}
connections to {server} {count:begins|begin} in TLS".
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from itertools import product

_NOUNS = (
    "SYN|connection|request|response|exchange|pair|check|packet|time|target|node|attempt|segment"
    "|byte|frame|client|backend|case|answer|error|retransmission|line|field|hop"
    "|redirect|handshake|message|time-out"
)
_ADJECTIVES = "later|idle|open|slow|other|different|health|backend|client|TCP|TLS|HTTP"
_VERBS = {"were": "was", "are": "is", "carry": "carries", "begin": "begins", "state": "states"}
# "{count} other requests", "{count} pairs of connections carry"
_COUNTED = re.compile(
    rf"\{{(\w+)\}}((?: (?:{_ADJECTIVES}))? (?:{_NOUNS}))s\b"
    rf"( of connections)?(?: ({'|'.join(_VERBS)})\b)?"
)

_CHOICE = re.compile(r"\{(\w+):([^|{}]*)\|([^|{}]*)\}")


def chosen(statement: str, numbers: Mapping[str, object]) -> str:
    """A sentence with {name:one|many} places → the same with the word that agrees with the number
    of that name. KeyError when there is none.
    """
    return _CHOICE.sub(lambda place: place[2] if numbers[place[1]] == 1 else place[3], statement)


def choices(statement: str) -> list[str]:
    """Every sentence that `chosen` can make of a statement."""
    names = sorted({place[0] for place in _CHOICE.findall(statement)})
    counts = product((1, 2), repeat=len(names))
    return [chosen(statement, dict(zip(names, each, strict=True))) for each in counts]


def noun(number: int, one: str, many: str = "") -> str:
    """The noun for a number: "connection" for 1, else "connections", or `many`."""
    return one if number == 1 else many or f"{one}s"


def in_singular(statement: str, single: Container[str]) -> str:
    """A sentence with {name} places → the same where the noun and the verb after each place whose
    name is in `single` are singular.
    """

    def agreeing(counted: re.Match[str]) -> str:
        name, one, whose, verb = counted.groups(default="")
        if name not in single:
            return counted[0]
        return f"{{{name}}}{one}{whose}" + (f" {_VERBS[verb]}" if verb else "")

    return _COUNTED.sub(agreeing, statement)


def forms(sentence: str) -> tuple[str, str, str]:
    """(its form for one, its form for many, the place that is counted); the last two are "" where
    nothing in it agrees with a number.
    """
    counted = _COUNTED.search(sentence)
    if counted is None:
        return sentence, "", ""
    return in_singular(sentence, {counted[1]}), sentence, counted[1]
