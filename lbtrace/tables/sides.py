"""The exchanges of a side → columns: one row per exchange, numbered through the capture points of
the side.

Pairing and judging ask the same few things of every exchange again and again: when, how large,
whose, with which lines. A walk over hundreds of thousands of tuples for each question costs more
than the question, so all of it is read once, and both sides number what they share alike (`Words`):
the same line, target or body has the same number in front of the balancer and behind it.

A message that was not captured has the values of `_NO_REQUEST` or `_NO_RESPONSE`, and `there` is
False.
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

from lbtrace.http_fields.lines import lowered
from lbtrace.model.http import NO_BODY, Body, Exchange, Framing, HeaderLine, Mark, Request, Response
from lbtrace.model.pairing import Ref
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.tables import exchanges as exchange_table
from lbtrace.tables.columns import Column, RowsByKey, running, spans
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tables.exchanges import (
    LENGTH,
    OTHER,
    Exchanges,
    ExchangeTable,
    request_parts,
    status_parts,
)

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
    texts: defaultdict[str | None, int] = field(
        default_factory=numbering
    )  # targets, methods, versions, digests; 0 is None
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
        """Per line, the number of what it says: the field, whatever its letter case, and the
        value.
        """
        return joint(
            self.field_of,
            numbers(numbering(), [line[1] for line in self.line_list], len(self.line_list)),
        )

    @cached_property
    def value_of_said(self) -> list[str]:
        """Per number of `said_of`, the value."""
        first = np.unique(self.said_of, return_index=True)[1].tolist()
        return [self.line_list[n].value for n in first]

    def fields_named(self, wanted: Callable[[str], bool]) -> Column:
        """Per line, whether the name of its field, in lower case, is wanted."""
        of = self.field_of
        return np.fromiter(map(wanted, self.fields), bool, len(self.fields))[of]

    @property
    def fields(self) -> defaultdict[str, int]:
        """Field names in lower case → numbers."""
        return self._fields[0]

    @property
    def field_of(self) -> Column:
        """Per line, the number of its field name in lower case."""
        return self._fields[1]

    @cached_property
    def _fields(self) -> tuple[defaultdict[str, int], Column]:
        names = numbering()
        return names, numbers(
            names, [lowered(line[0]) for line in self.line_list], len(self.line_list)
        )


@dataclass(slots=True, eq=False)
class Heads:
    """The lines of one kind of message: exchange i has the lines `line[first[i]:first[i + 1]]`, in
    order.
    """

    first: Column  # i64, exchanges + 1
    line: Column  # i32, numbers of `Words.lines`

    @property
    def owner(self) -> Column:
        """The exchange of each entry of `line`."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))

    def lines(self, words: Words, exchange: int) -> list[HeaderLine]:
        """The lines of one exchange's message."""
        return [
            words.line_list[n]
            for n in self.line[self.first[exchange] : self.first[exchange + 1]].tolist()
        ]

    def which(self, wanted: Column) -> tuple[Column, Column]:
        """`wanted`: bool per line number → (exchange, line) of each such line, in order."""
        at = np.flatnonzero(wanted[self.line])
        return np.searchsorted(self.first, at, "right") - 1, self.line[at]

    def of(self, exchanges: Column) -> tuple[Column, Column]:
        """Exchanges, in any order → (how many lines each has, the lines of all of them)."""
        begin = self.first[exchanges]
        size = self.first[1:][exchanges] - begin
        return size, self.line[spans(begin, size)]

    def equal(self, mine: Column, other: Heads, theirs: Column) -> Column:
        """Pair by pair, whether two heads are the same lines."""
        (size, line), (size_there, line_there) = self.of(mine), other.of(theirs)
        same = size == size_there
        here, there = (
            lines[np.repeat(same, sizes)]
            for lines, sizes in ((line, size), (line_there, size_there))
        )
        out: Column = same.copy()
        out[np.repeat(np.flatnonzero(same), size[same])[here != there]] = False
        return out

    def taken(self, exchanges: Column) -> Heads:
        """The heads of these, in this order."""
        size, line = self.of(exchanges)
        return Heads(running(size), line)

    def having(self, wanted: Column) -> Column:
        """`wanted`: bool per line number → per exchange, whether it has such a line."""
        out = np.zeros(len(self.first) - 1, bool)
        out[self.which(wanted)[0]] = True
        return out

    def rows(self, names: Column | None = None) -> list[bytes]:
        """Per exchange its whole head (with `names`, a number per line: those of its lines) as
        bytes: equal heads, equal bytes.
        """
        flat = (self.line if names is None else names[self.line]).astype("<i4").tobytes()
        cuts = (self.first * 4).tolist()
        return [flat[begin:end] for begin, end in pairwise(cuts)]


@dataclass(slots=True, eq=False)
class Messages:
    """The requests, or the responses, of a side. `start` is the target (the status), `method` the
    method (the reason).
    """

    there: Column  # bool
    start: Column  # number of the target in `Words.texts`; the status
    method: Column  # number of the method (the reason) in `Words.texts`
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

    @classmethod
    def joined(cls, parts: Sequence[Messages], order: Column) -> Messages:
        """The messages of all parts, one after the other, in another order."""
        *columns, _ = cls.__dataclass_fields__
        first = running(np.concatenate([np.diff(part.heads.first) for part in parts]))
        heads = Heads(first, np.concatenate([part.heads.line for part in parts]))
        return cls(
            **{
                name: np.concatenate([getattr(part, name) for part in parts])[order]
                for name in columns
            },
            heads=heads.taken(order),
        )

    @property
    def whole_heads(self) -> Column:
        """Which are there and have a head that ends in the capture."""
        whole: Column = self.there & ((self.marks & MARKS[Mark.HEAD_TRUNCATED]) == 0)
        return whole

    def said(self, words: Words, field_name: str) -> Column:
        """What each says with a field (its name in lower case), as `Words.said_of`; NOT_SAID
        without, SAID_AGAIN in more than one line.
        """
        owner, line = self.heads.which(words.fields_named(field_name.__eq__))
        out = np.full(len(self.there), NOT_SAID, np.int64)
        out[owner] = words.said_of[line]
        out[owner[1:][owner[1:] == owner[:-1]]] = SAID_AGAIN
        return out

    def line_of(self, words: Words, field_name: str) -> Column:
        """The first line of a field (its name in lower case) that each has, by number; NOT_SAID
        without.
        """
        owner, line = self.heads.which(words.fields_named(field_name.__eq__))
        out = np.full(len(self.there), NOT_SAID, np.int64)
        out[owner[::-1]] = line[::-1]
        return out

    def having(self, words: Words, field_name: str) -> Column:
        """Which have a field, its name in lower case."""
        return self.heads.having(words.fields_named(field_name.__eq__))


@dataclass(eq=False)
class SideTable:
    """The exchanges of one side. `connection` counts through the points: `first_connection[point]`
    + its id.
    """

    traces: Sequence[Trace]
    words: Words
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
        return len(self.point)

    @cached_property
    def id(self) -> Column:
        """The id of each exchange in the trace of its point."""
        return np.arange(len(self)) - self.numbers(self.point, np.zeros(len(self), np.int64))

    def numbers(self, points: Column, ids: Column) -> Column:
        """Points and ids in their traces → the numbers of the exchanges."""
        numbered: Column = np.array([*self.first_of, 0], np.int64)[points] + ids
        return numbered

    def ref(self, number: int) -> Ref:
        """Where an exchange is."""
        point = int(self.point[number])
        return Ref(point, number - self.first_of[point])

    def exchange(self, number: int) -> Exchange:
        """An exchange, as an object."""
        point, number = self.ref(number)
        return self.traces[point].exchanges[number]

    def trace_of(self, number: int) -> Trace:
        """The trace that an exchange is in."""
        return self.traces[int(self.point[number])]

    def connection_of(self, number: int) -> Connection:
        """The connection of an exchange."""
        point, number = self.connection_ref(int(self.connection[number]))
        return self.traces[point].connections[number]

    def of_connections(self, name: str) -> Column:
        """A column of the connections of all points."""
        return np.concatenate(
            [getattr(held, name) for held in self.connections] or [np.zeros(0, np.int64)]
        )

    def of_ends(self, name: str, server: bool) -> Column:
        """A column of one end of the connections of all points."""
        return np.concatenate(
            [getattr(held.ends, name)[int(server) :: 2] for held in self.connections]
            or [np.zeros(0, np.int64)]
        )

    @cached_property
    def servers(self) -> Column:
        """Per connection a number for the endpoint of its server: its address, shifted by 16 bits,
        and its port.
        """
        return self.server_address << 16 | self.of_connections("server_port")

    @cached_property
    def sources(self) -> Column:
        """The same of its client."""
        return self.client_address << 16 | self.of_connections("client_port")

    @property
    def hosts(self) -> set[str]:
        """The addresses of the clients of all connections."""
        return {self.words.text_list[i] for i in set(self.client_address.tolist())}

    @cached_property
    def proxied(self) -> Column:
        """Per connection the bytes of the PROXY headers it begins with."""
        every = (application.proxy for trace in self.traces for application in trace.applications)
        return np.fromiter(
            (sum(header.length for header in proxy) if proxy else 0 for proxy in every),
            np.int64,
            len(self.client_address),
        )

    def numbers_of_connections(self, refs: Sequence[Ref]) -> Column:
        """Where connections are → their numbers."""
        return np.fromiter(
            (self.first_connection[point] + i for point, i in refs), np.int64, len(refs)
        )

    def connection_ref(self, connection: int) -> Ref:
        """Where a connection is."""
        point = bisect_right(self.first_connection, connection) - 1
        return Ref(point, connection - self.first_connection[point])

    @cached_property
    def by_connection(self) -> RowsByKey:
        """The exchanges by the connection they are on."""
        return RowsByKey.of(self.connection, len(self.client_address))

    @property
    def next_on_connection(self) -> tuple[Column, Column]:
        """(the exchanges ordered by connection, in order on each; bool: the one before it in this
        order is on the same connection).
        """
        order = self.by_connection.order
        held = self.connection[order]
        return order, np.concatenate([np.zeros(min(len(held), 1), bool), held[1:] == held[:-1]])


def both_sides(clients: Sequence[Trace], backends: Sequence[Trace]) -> tuple[SideTable, SideTable]:
    """The traces of both sides → their tables, in one numbering."""
    words = Words()
    return side_table(clients, words), side_table(backends, words)


def side_table(traces: Sequence[Trace], words: Words) -> SideTable:
    """The traces of a side → its table."""
    sizes = [len(trace.exchanges) for trace in traces]
    lines = [len(trace.connections) for trace in traces]
    first_of, first_connection = ([sum(n[:i]) for i in range(len(n))] for n in (sizes, lines))
    held = [ConnectionTable.of(trace.connections) for trace in traces]
    addresses = [numbers(words.texts, table.addresses) for table in held]
    client, server = (
        np.concatenate(
            [of[getattr(table, end)] for of, table in zip(addresses, held, strict=True)]
            or [np.zeros(0, np.int64)]
        )
        for end in ("client", "server")
    )
    parts: list[_Part] = []
    order = [np.zeros(0, np.int64)]
    for trace, first in zip(traces, first_of, strict=True):
        exchanges = trace.exchanges
        if isinstance(exchanges, Exchanges):
            parts += (_of_rows(exchanges.table, words), _of_objects(exchanges.objects, words))
            order.append(exchanges.order + first)
        else:
            parts.append(_of_objects(exchanges, words))
            order.append(np.arange(len(exchanges)) + first)
    connection, marks, interim, requests, responses = list(
        zip(*(parts or [_of_objects((), words)]), strict=True)
    )
    at = np.concatenate(order)
    return SideTable(
        traces,
        words,
        first_of,
        first_connection,
        held,
        client,
        server,
        np.repeat(np.arange(len(traces), dtype=np.int64), sizes),
        np.concatenate(connection)[at] + np.repeat(np.array(first_connection, np.int64), sizes),
        np.concatenate(marks)[at],
        np.concatenate(interim)[at],
        Messages.joined(requests, at),
        Messages.joined(responses, at),
    )


_Part = tuple[
    Column, Column, Column, Messages, Messages
]  # connection, marks, whether an interim response came, requests, responses


def _of_rows(table: ExchangeTable, words: Words) -> _Part:
    """The rows of a trace: what recurs is numbered once, and no exchange is made."""
    n, heads = len(table), table.heads
    line = numbers(words.lines, heads.header_lines(np.arange(len(heads.lines)))).astype(np.int32)[
        heads.line
    ]
    shared: dict[str, str] = {}
    starts_asked, request = np.unique(
        table.request.start, return_inverse=True
    )  # of those not in use nothing is known
    starts_answered, response = np.unique(table.response.start, return_inverse=True)
    asked = [request_parts(heads.requests[i], shared) for i in starts_asked.tolist()]
    answered = [status_parts(heads.statuses[i]) for i in starts_answered.tolist()]
    method, target, version = (
        numbers(words.texts, [parts[i] for parts in asked], len(asked))[request] for i in range(3)
    )
    said = numbers(words.texts, [parts[0] for parts in answered], len(answered))
    reason = numbers(words.texts, [parts[2] for parts in answered], len(answered))
    status = np.array([parts[1] for parts in answered], np.int64)
    others = _bodies(table.others, words)
    common = {"there": np.ones(n, bool), "marks": np.zeros(n, np.int64)}
    messages = [
        Messages(
            **common,
            **starts,
            **{
                name: getattr(rows, name).astype(np.int64)
                for name in ("first_frame", "first_ns", "last_ns", "offset")
            },
            **_bodies_of_rows(rows, others, words),
            heads=Heads(heads.first, line).taken(rows.block),
        )
        for rows, starts in (
            (table.request, {"start": target, "method": method, "version": version}),
            (
                table.response,
                {
                    "start": status[response],
                    "method": reason[response],
                    "version": said[response],
                },
            ),
        )
    ]
    return (
        table.connection.astype(np.int64),
        common["marks"],
        np.zeros(n, bool),
        messages[0],
        messages[1],
    )


def _bodies_of_rows(
    rows: exchange_table.Messages, others: dict[str, Column], words: Words
) -> dict[str, Column]:
    """The columns of `Messages` that tell of the body, of the messages of an ExchangeTable."""
    n, by_length, other = len(rows.body), rows.body == LENGTH, rows.body == OTHER
    hexes = rows.digest[by_length].tobytes().hex()
    out = {
        "framing": np.where(by_length, FRAMINGS[Framing.CONTENT_LENGTH], FRAMINGS[Framing.NONE]),
        "length": np.where(by_length, rows.length, 0),
        "complete": np.ones(n, bool),
        "digest": np.zeros(n, np.int64),
        "content_digest": np.zeros(n, np.int64),
        "content_length": np.full(n, -1, np.int64),
    }
    out["digest"][by_length] = numbers(
        words.texts, [hexes[k : k + 32] for k in range(0, len(hexes), 32)]
    )
    for name, column in out.items():
        column[other] = others[name][rows.length[other]]
    return out


def _of_objects(exchanges: Sequence[Exchange], words: Words) -> _Part:
    """Exchanges that are objects."""
    n = len(exchanges)
    columns: list[Sequence[Any]] = list(zip(*exchanges, strict=True)) or [()] * len(
        Exchange._fields
    )
    _, connection, _, requests, responses, interim, marks, _ = columns
    return (
        np.fromiter(connection, np.int64, n),
        np.fromiter(map(words.marks.__getitem__, marks), np.int64, n),
        np.fromiter(map(bool, interim), bool, n),
        _messages(requests, _NO_REQUEST, words),
        _messages(responses, _NO_RESPONSE, words),
    )


def _messages(
    held: Sequence[Request | Response | None], nothing: Request | Response, words: Words
) -> Messages:
    n = len(held)
    there = np.fromiter((m is not None for m in held), bool, n)
    if not there.all():
        held = [nothing if m is None else m for m in held]
    columns: list[Sequence[Any]] = list(zip(*held, strict=True)) or [()] * len(nothing)
    one, two, version, heads, bodies, first_frame, _, _, first_ns, _, last_ns, marks, _, offset = (
        columns
    )
    request = isinstance(nothing, Request)
    return Messages(
        there=there,
        start=numbers(words.texts, two, n) if request else np.fromiter(one, np.int64, n),
        method=numbers(words.texts, one if request else two, n),
        version=numbers(words.texts, version, n),
        first_frame=np.fromiter(first_frame, np.int64, n),
        first_ns=np.fromiter(first_ns, np.int64, n),
        last_ns=np.fromiter(last_ns, np.int64, n),
        marks=np.fromiter(map(words.marks.__getitem__, marks), np.int64, n),
        offset=np.fromiter(offset, np.int64, n),
        **_bodies(bodies, words),
        heads=_heads(heads, words),
    )


def _bodies(bodies: Sequence[Body], words: Words) -> dict[str, Column]:
    """The columns of `Messages` that tell of the body."""
    n = len(bodies)
    framing, length, _, complete, digest, content_digest, content_length = list(
        zip(*bodies, strict=True)
    ) or [()] * len(NO_BODY)
    return {
        "framing": np.fromiter(map(FRAMINGS.__getitem__, framing), np.int64, n),
        "length": np.fromiter(length, np.int64, n),
        "complete": np.fromiter(complete, bool, n),
        "digest": numbers(words.texts, digest, n),
        "content_digest": numbers(words.texts, content_digest, n),
        "content_length": np.fromiter(
            (-1 if v is None else v for v in content_length), np.int64, n
        ),
    }


def _heads(heads: Sequence[tuple[HeaderLine, ...]], words: Words) -> Heads:
    first = running(np.fromiter(map(len, heads), np.int64, len(heads)))
    line = np.fromiter(
        map(words.lines.__getitem__, chain.from_iterable(heads)), np.int32, int(first[-1])
    )
    return Heads(first, line)
