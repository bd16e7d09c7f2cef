"""What is known of a message → what delimits its body: the table of RFC 9112 §6.3.

Both readers use this table and nothing else: the plain reader looks up one message (`FRAMING`), the
bulk reader a whole column (`codes`). What is known of a message is a set of facts, one bit each;
the first rule whose facts are all known decides. RFC 9112 lists the rules in another order and
with exceptions; the order here makes the exceptions unnecessary.

A request whose last transfer coding is not chunked has no length that is certain (§6.3, rule 4); a
server answers 400. lbtrace reads on by its Content-Length, or as if there were no body, and
`lbtrace.http.h1.framing` states the other readings.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from lbtrace.model.http import Framing
from lbtrace.tables.columns import Column

RESPONSE = 1  # it is a response
TUNNEL = 2  # it turns the connection into a tunnel: 2xx to CONNECT, or 101
BODILESS = 4  # it answers HEAD, or its status is 1xx, 204 or 304
ENCODED = 8  # it has a Transfer-Encoding
CHUNKED = 16  # and chunked is the last transfer coding
SIZED = 32  # it has a Content-Length that can be true
_FACTS: Final = 64  # sets of facts


class LengthRule(NamedTuple):
    """A row of the table: when all of `facts` are known, the body is delimited like this."""

    facts: int
    framing: Framing
    source: str


RULES: Final = (
    LengthRule(RESPONSE | TUNNEL, Framing.TUNNEL, "RFC 9112 §6.3 rule 2, RFC 9110 §15.2.2"),
    LengthRule(RESPONSE | BODILESS, Framing.NONE, "RFC 9112 §6.3 rule 1"),
    LengthRule(ENCODED | CHUNKED, Framing.CHUNKED, "RFC 9112 §6.3 rules 3 and 4"),
    LengthRule(RESPONSE | ENCODED, Framing.UNTIL_CLOSE, "RFC 9112 §6.3 rule 4"),
    LengthRule(SIZED, Framing.CONTENT_LENGTH, "RFC 9112 §6.3 rule 6"),
    LengthRule(RESPONSE, Framing.UNTIL_CLOSE, "RFC 9112 §6.3 rule 8"),
    LengthRule(0, Framing.NONE, "RFC 9112 §6.3 rule 7"),
)


def _decide(facts: int) -> Framing:
    return next(rule.framing for rule in RULES if rule.facts & ~facts == 0)


FRAMING: Final = tuple(map(_decide, range(_FACTS)))  # by the facts that are known of a message
FRAMINGS: Final = tuple(dict.fromkeys(rule.framing for rule in RULES))  # by code
_CODE: Final = np.array([FRAMINGS.index(framing) for framing in FRAMING], np.uint8)


def codes(facts: Column) -> Column:
    """FRAMING of a column of facts, as indices in FRAMINGS (u8)."""
    found: Column = _CODE[facts]
    return found


def response_facts(status: int, method: str | None) -> int:
    """The facts that follow from a status and the method it answers (None: not known)."""
    if status == 101 or (method == "CONNECT" and 200 <= status < 300):
        return RESPONSE | TUNNEL
    if method == "HEAD" or 100 <= status < 200 or status in (204, 304):
        return RESPONSE | BODILESS
    return RESPONSE
