"""The exchanges of a side → columns: one row per exchange, numbered through the capture points of the side.

Pairing and judging ask the same few things of every exchange again and again: when, how large, whose, with which lines. A walk over
hundreds of thousands of tuples for each question costs more than the question, so all of it is read once, and both sides number what they
share alike (`Words`): the same line, target or body has the same number in front of the balancer and behind it.

A message that was not captured has the values of `_NO_REQUEST` or `_NO_RESPONSE`, and `there` is False.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, pairwise
from typing import Any, TypeVar

import numpy as np

from lbtrace.columns import Column, running, spans
from lbtrace.connection_table import ConnectionTable
from lbtrace.fields import lowered
from lbtrace.model.http import NO_BODY, Exchange, Framing, HeaderLine, Mark, Request, Response
from lbtrace.model.pairing import Ref
from lbtrace.model.trace import Trace

_T = TypeVar("_T")

_NO_REQUEST = Request("", "", "", (), NO_BODY, 0, 0, 0, 0, 0, 0)
_NO_RESPONSE = Response(0, "", "", (), NO_BODY, 0, 0, 0, 0, 0, 0)
NOT_SAID, SAID_AGAIN = -1, -2
MARKS = {mark: 1 << i for i, mark in enumerate(Mark)}  # a set of marks is a number
FRAMINGS = {framing: i for i, framing in enumerate(Framing)}


def bits_of(marks: Iterable[Mark]) -> int:
    """Marks → the number that stands for them in a column."""
    return sum({MARKS[mark] for mark in marks})


class _Bits(dict[tuple[Mark, ...], int]):
    def __missing__(self, marks: tuple[Mark, ...]) -> int:
        found = self[marks] = bits_of(marks)
        return found


def numbering() -> defaultdict[Any, int]:
    """Things → numbers from 0, in the order they are first asked for."""
    made: defaultdict[Any, int] = defaultdict()
    made.default_factory = made.__len__
    return made


def numbers(words: defaultdict[_T, int], things: Iterable[_T], count: int = -1) -> Column:
    """The number of each thing."""
    return np.fromiter(map(words.__getitem__, things), np.int64, count)


def joint(*columns: Column) -> Column:
    """One number per row of the columns: equal rows, equal numbers."""
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        distinct, place = np.unique(column, return_inverse=True)
        code = np.unique(code * len(distinct) + place, return_inverse=True)[1]
    return code


@dataclass(eq=False)
class Words:
    """What is numbered alike on both sides."""

    lines: defaultdict[HeaderLine, int] = field(default_factory=numbering)
    texts: defaultdict[str | None, int] = field(default_factory=numbering)  # targets, methods, versions, digests; 0 is None
    marks: _Bits = field(default_factory=_Bits)

    def __post_init__(self) -> None:
        self.texts[None]

    @cached_property
    def line_list(self) -> list[HeaderLine]:
        """Number → line. To be asked when both sides are read."""
        return list(self.lines)

    @cached_property
    def text_list(self) -> list[str]:
        """Number → text; "" for None."""
        return ["", *list(self.texts)[1:]]  # type: ignore[list-item]

    @cached_property
    def said_of(self) -> Column:
        """Per line, the number of what it says: the field, whatever its letter case, and the value."""
        said = numbering()
        return numbers(said, zip(self.field_of.tolist(), [line[1] for line in self.line_list], strict=True), len(self.line_list))

    def fields_named(self, wanted: Callable[[str], bool]) -> Column:
        """Per line, whether the name of its field, in lower case, is wanted."""
        of = self.field_of
        return np.fromiter(map(wanted, self.fields), bool, len(self.fields))[of]

    @cached_property
    def fields(self) -> defaultdict[str, int]:
        """Field names in lower case → numbers."""
        return numbering()

    @cached_property
    def field_of(self) -> Column:
        """Per line, the number of its field name in lower case."""
        return numbers(self.fields, [lowered(line[0]) for line in self.line_list], len(self.line_list))


@dataclass(slots=True, eq=False)
class Heads:
    """The lines of one kind of message: exchange i has the lines `line[first[i]:first[i + 1]]`, in order."""

    first: Column  # i64, exchanges + 1
    line: Column  # i32, numbers of `Words.lines`

    @property
    def owner(self) -> Column:
        """The exchange of each entry of `line`."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))

    def which(self, wanted: Column) -> tuple[Column, Column]:
        """`wanted`: bool per line number → (exchange, line) of each such line, in order."""
        at = np.flatnonzero(wanted[self.line])
        return np.searchsorted(self.first, at, "right") - 1, self.line[at]

    def of(self, exchanges: Column) -> tuple[Column, Column]:
        """Exchanges, in any order → (how many lines each has, the lines of all of them)."""
        begin, size = self.first[exchanges], self.first[exchanges + 1] - self.first[exchanges]
        return size, self.line[spans(begin, size)]

    def having(self, wanted: Column) -> Column:
        """`wanted`: bool per line number → per exchange, whether it has such a line."""
        out = np.zeros(len(self.first) - 1, bool)
        out[self.which(wanted)[0]] = True
        return out

    def rows(self, names: Column | None = None) -> list[bytes]:
        """Per exchange its whole head (with `names`, a number per line: those of its lines) as bytes: equal heads, equal bytes."""
        flat = (self.line if names is None else names[self.line]).astype("<i4").tobytes()
        cuts = (self.first * 4).tolist()
        return [flat[begin:end] for begin, end in pairwise(cuts)]


@dataclass(slots=True, eq=False)
class Messages:
    """The requests, or the responses, of a side. `start` is the target (the status), `method` only a request has."""

    there: Column  # bool
    start: Column  # number of the target in `Words.texts`; the status
    method: Column  # number of the method in `Words.texts`; all 0 for responses
    version: Column  # number in `Words.texts`
    first_frame: Column
    first_ns: Column
    last_ns: Column
    marks: Column  # as `bits_of`
    offset: Column  # in the stream
    framing: Column  # as FRAMINGS
    length: Column  # body bytes captured
    complete: Column  # bool, of the body
    digest: Column  # number in `Words.texts`, 0 without
    content_digest: Column
    content_length: Column  # −1 when not known
    heads: Heads

    @property
    def whole_heads(self) -> Column:
        """Which are there and have a head that ends in the capture."""
        whole: Column = self.there & ((self.marks & MARKS[Mark.HEAD_TRUNCATED]) == 0)
        return whole

    def said(self, words: Words, field_name: str) -> Column:
        """What each says with a field (its name in lower case), as `Words.said_of`; NOT_SAID without, SAID_AGAIN in more than one line."""
        owner, line = self.heads.which(words.fields_named(field_name.__eq__))
        out = np.full(len(self.there), NOT_SAID, np.int64)
        out[owner] = words.said_of[line]
        out[owner[1:][owner[1:] == owner[:-1]]] = SAID_AGAIN
        return out

    def having(self, words: Words, field_name: str) -> Column:
        """Which have a field, its name in lower case."""
        return self.heads.having(words.fields_named(field_name.__eq__))


@dataclass(slots=True, eq=False)
class SideTable:
    """The exchanges of one side. `connection` counts through the points: `first_connection[point]` + its id."""

    traces: Sequence[Trace]
    words: Words
    items: list[Exchange]
    first_of: list[int]  # per point: number of its first exchange
    first_connection: list[int]  # per point: number of its first connection
    connections: list[ConnectionTable]  # per point
    client_address: Column  # per connection, number in `Words.texts`
    server_address: Column
    point: Column
    connection: Column
    marks: Column  # of the exchange, as `bits_of`
    interim: Column  # bool: it had an interim response
    requests: Messages
    responses: Messages

    def __len__(self) -> int:
        return len(self.items)

    def of_connections(self, name: str) -> Column:
        """A column of the connections of all points."""
        return np.concatenate([getattr(held, name) for held in self.connections] or [np.zeros(0, np.int64)])

    def of_ends(self, name: str, server: bool) -> Column:
        """A column of one end of the connections of all points."""
        return np.concatenate([getattr(held.ends, name)[int(server) :: 2] for held in self.connections] or [np.zeros(0, np.int64)])

    @property
    def hosts(self) -> set[str]:
        """The addresses of the clients of all connections."""
        return {self.words.text_list[i] for i in set(self.client_address.tolist())}

    def connection_ref(self, connection: int) -> Ref:
        """Where a connection is."""
        point = bisect_right(self.first_connection, connection) - 1
        return Ref(point, connection - self.first_connection[point])

    @property
    def next_on_connection(self) -> tuple[Column, Column]:
        """(the exchanges ordered by connection, in order on each; bool: the one before it in this order is on the same connection)."""
        order = np.argsort(self.connection, kind="stable")
        held = self.connection[order]
        return order, np.concatenate([np.zeros(min(len(held), 1), bool), held[1:] == held[:-1]])


def side_table(traces: Sequence[Trace], words: Words) -> SideTable:
    """The traces of a side → its table."""
    items: list[Exchange] = list(chain.from_iterable(trace.exchanges for trace in traces))
    sizes = [len(trace.exchanges) for trace in traces]
    lines = [len(trace.connections) for trace in traces]
    first_of, first_connection = ([sum(n[:i]) for i in range(len(n))] for n in (sizes, lines))
    n = len(items)
    held = [ConnectionTable.of(trace.connections) for trace in traces]
    addresses = [numbers(words.texts, table.addresses) for table in held]
    client, server = (
        np.concatenate([of[getattr(table, end)] for of, table in zip(addresses, held, strict=True)] or [np.zeros(0, np.int64)])
        for end in ("client", "server")
    )
    columns: list[Sequence[Any]] = list(zip(*items, strict=True)) or [()] * len(Exchange._fields)
    _, connection, _, requests, responses, interim, marks, _ = columns
    return SideTable(
        traces,
        words,
        items,
        first_of,
        first_connection,
        held,
        client,
        server,
        np.repeat(np.arange(len(traces), dtype=np.int64), sizes),
        np.fromiter(connection, np.int64, n) + np.repeat(np.array(first_connection, np.int64), sizes),
        np.fromiter(map(words.marks.__getitem__, marks), np.int64, n),
        np.fromiter(map(bool, interim), bool, n),
        _messages(requests, _NO_REQUEST, words),
        _messages(responses, _NO_RESPONSE, words),
    )


def _messages(held: Sequence[Request | Response | None], nothing: Request | Response, words: Words) -> Messages:
    n = len(held)
    there = np.fromiter((m is not None for m in held), bool, n)
    if not there.all():
        held = [nothing if m is None else m for m in held]
    columns: list[Sequence[Any]] = list(zip(*held, strict=True)) or [()] * len(nothing)
    one, two, version, heads, bodies, first_frame, _, _, first_ns, _, last_ns, marks, _, offset = columns
    framing, length, _, complete, digest, content_digest, content_length = list(zip(*bodies, strict=True)) or [()] * len(NO_BODY)
    request = isinstance(nothing, Request)
    return Messages(
        there=there,
        start=numbers(words.texts, two, n) if request else np.fromiter(one, np.int64, n),
        method=numbers(words.texts, one, n) if request else np.zeros(n, np.int64),
        version=numbers(words.texts, version, n),
        first_frame=np.fromiter(first_frame, np.int64, n),
        first_ns=np.fromiter(first_ns, np.int64, n),
        last_ns=np.fromiter(last_ns, np.int64, n),
        marks=np.fromiter(map(words.marks.__getitem__, marks), np.int64, n),
        offset=np.fromiter(offset, np.int64, n),
        framing=np.fromiter(map(FRAMINGS.__getitem__, framing), np.int64, n),
        length=np.fromiter(length, np.int64, n),
        complete=np.fromiter(complete, bool, n),
        digest=numbers(words.texts, digest, n),
        content_digest=numbers(words.texts, content_digest, n),
        content_length=np.fromiter((-1 if v is None else v for v in content_length), np.int64, n),
        heads=_heads(heads, words),
    )


def _heads(heads: Sequence[tuple[HeaderLine, ...]], words: Words) -> Heads:
    first = running(np.fromiter(map(len, heads), np.int64, len(heads)))
    line = np.fromiter(map(words.lines.__getitem__, chain.from_iterable(heads)), np.int32, int(first[-1]))
    return Heads(first, line)
