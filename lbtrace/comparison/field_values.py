"""The values of a header field, per exchange, numbered alike on both sides: equal values have equal
numbers.

Requests ask for the same few hosts again and again. So what a value means is decided once per
distinct value, and the values of the exchanges are a column of numbers. The values of several lines
are joined, as in RFC 9110 §5.3. Letter case in field names does not count. The Host of a request
of HTTP/2 is its `:authority`.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import NamedTuple

import numpy as np

from lbtrace.comparison.pairs import Pairs
from lbtrace.comparison.sides import Sides
from lbtrace.http_fields import AS_HOST, HOST, names
from lbtrace.tables.columns import Column, among
from lbtrace.tables.messages import Heads, Messages
from lbtrace.tables.words import Words

ABSENT = 0  # the number of a field that is not there


class FieldValues(NamedTuple):
    """Numbers of `texts`, per exchange of the client side and of the backend side; ABSENT, whose
    text is None, where the message does not have the field.
    """

    client: Column
    backend: Column
    texts: list[str | None]

    def of(self, pairs: Pairs) -> FieldValues:
        """The same per pair."""
        return self._replace(client=self.client[pairs.client], backend=self.backend[pairs.backend])


def field_values(sides: Sides, field: str, response: bool = False) -> FieldValues:
    """The values of a field of the requests (of the responses)."""
    numbers: dict[str | None, int] = {None: ABSENT}
    client, backend = (
        _column(t.responses if response else t.requests, t.words, field.lower(), numbers)
        for t in sides.sides
    )
    return FieldValues(client, backend, list(numbers))


def present(sides: Sides, wanted: Set[str]) -> list[str]:
    """Those of the wanted fields that any head has, in the order of the registry."""
    there = sides.sides[0].words.fields
    return [name for name in names() if name in wanted and name in there]


def _column(messages: Messages, words: Words, field: str, numbers: dict[str | None, int]) -> Column:
    out = np.full(len(messages.there), ABSENT, np.int64)
    owner, line = _lines(messages, words, AS_HOST if field == HOST else (field,))
    if not len(line):
        return out
    lines, place = np.unique(line, return_inverse=True)
    values = [words.line_list[i][1] for i in lines.tolist()]
    number = np.array([numbers.setdefault(value, len(numbers)) for value in values], np.int64)
    out[owner] = number[place]
    again = np.flatnonzero(owner[1:] == owner[:-1]) + 1
    joined: dict[int, list[str]] = {}
    for at in again.tolist():
        joined.setdefault(int(owner[at]), [values[place[at - 1]]]).append(values[place[at]])
    for exchange, parts in joined.items():
        text = ", ".join(parts)
        out[exchange] = numbers.setdefault(text, len(numbers))
    return out


def _lines(messages: Messages, words: Words, fields: Sequence[str]) -> tuple[Column, Column]:
    """(exchange, line) of each line of the first of these fields that its message has, in order."""
    owner, line = messages.heads.which(words.fields_named(fields[0].__eq__))
    if len(fields) == 1:
        return owner, line
    others, more = _lines(messages, words, fields[1:])
    alone = ~among(others, owner)
    owner, line = np.append(owner, others[alone]), np.append(line, more[alone])
    order = np.argsort(owner, kind="stable")
    return owner[order], line[order]


class Spelling:
    """Heads as the names of their fields, spelled and ordered as they were sent. A few programs
    write a few different ones, however many requests there are.
    """

    def __init__(self, words: Words) -> None:
        self._names, self._name = words.spelled

    def heads(self, heads: Heads, exchanges: Column) -> set[tuple[str, ...]]:
        """The distinct heads of these exchanges' messages."""
        rows = set(heads.taken(exchanges).rows(self._name))
        return {tuple([self._names[i] for i in np.frombuffer(row, "<i4").tolist()]) for row in rows}
