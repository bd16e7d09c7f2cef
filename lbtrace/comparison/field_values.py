"""The values of a header field, per exchange, numbered alike on both sides: equal values have equal
numbers.

Requests ask for the same few hosts again and again. So what a value means is decided once per
distinct value, and the values of the exchanges are a column of numbers. The values of several lines
are joined, as in RFC 9110 §5.3. Letter case in field names does not count. The Host of a request
of HTTP/2 is its `:authority`.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import cached_property
from typing import NamedTuple

import numpy as np

from lbtrace.comparison.pairs import Pairs
from lbtrace.comparison.sides import Sides
from lbtrace.http_fields import AS_HOST, HOST, names
from lbtrace.tables.columns import Column, among, first_met
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
    numbered = _Numbered(sides.sides[0].words)
    client, backend = (
        _column(t.responses if response else t.requests, field.lower(), numbered)
        for t in sides.sides
    )
    return FieldValues(client, backend, numbered.texts)


def present(sides: Sides, wanted: Set[str]) -> list[str]:
    """Those of the wanted fields that any head has, in the order of the registry."""
    there = sides.sides[0].words.fields
    return [name for name in names() if name in wanted and name in there]


class _Numbered:
    """The values of one field, numbered as they are met; those of single lines without a look at
    their texts.
    """

    def __init__(self, words: Words) -> None:
        self.words = words
        self.texts: list[str | None] = [None]
        self._known: dict[str | None, int] | None = None  # once values of several lines are there

    @cached_property
    def _of_value(self) -> Column:
        return np.full(len(self.words.values), ABSENT, np.int64)

    def of_lines(self, lines: Column) -> Column:
        """The number of the value of each line."""
        values = self.words.value_of[lines]
        fresh = values[self._of_value[values] == ABSENT]
        fresh = fresh[first_met(fresh)[0]]
        texts = map(self.words.values.__getitem__, fresh.tolist())
        if self._known is None:
            self._of_value[fresh] = np.arange(len(self.texts), len(self.texts) + len(fresh))
            self.texts += texts
        else:
            self._of_value[fresh] = list(map(self.of_text, texts))
        return self._of_value[values]

    def of_text(self, text: str) -> int:
        """The number of the values of several lines, joined, or of any other text."""
        if self._known is None:
            self._known = {known: number for number, known in enumerate(self.texts)}
        if text not in self._known:
            self._known[text] = len(self.texts)
            self.texts.append(text)
        return self._known[text]


def _column(messages: Messages, field: str, numbered: _Numbered) -> Column:
    words = numbered.words
    out = np.full(len(messages.there), ABSENT, np.int64)
    owner, line = _lines(messages, words, AS_HOST if field == HOST else (field,))
    if not len(line):
        return out
    there = np.zeros(len(words.line_list), bool)
    there[line] = True
    number = np.empty(len(there), np.int64)
    lines = np.flatnonzero(there)
    number[lines] = numbered.of_lines(lines)
    out[owner] = number[line]
    again = np.flatnonzero(owner[1:] == owner[:-1]) + 1
    joined: dict[int, list[str]] = {}
    for at in again.tolist():
        before, value = (words.values[words.value_of[line[i]]] for i in (at - 1, at))
        joined.setdefault(int(owner[at]), [before]).append(value)
    for exchange, parts in joined.items():
        out[exchange] = numbered.of_text(", ".join(parts))
    return out


def _lines(messages: Messages, words: Words, fields: Sequence[str]) -> tuple[Column, Column]:
    """(exchange, line) of each line of the first of these fields that its message has, in order."""
    owner, line = messages.heads.of_field(words, fields[0])
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
