"""The exchanges of a capture point: columns for those of ordinary shape, objects for the others,
one Sequence for whoever reads them.

    ExchangeTable   one row per exchange of two messages read in bulk, in id order (http → render)
    Exchanges       all of them: rows and objects, in id order                    (Trace.exchanges)

A row says what an `Exchange` of two whole, undamaged HTTP/1 messages says: start lines and header
blocks are numbers of texts that are kept once, frames, times and lengths are integers. A million of
them cost as much as their distinct header lines, and a renderer that reads them in bulk never makes
the objects. Asked for one, `Exchanges` makes that one.

Invariant: a row and the object made of it tell the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from operator import itemgetter
from typing import Final, overload

import numpy as np

from lbtrace.model.http import NO_BODY, Body, Exchange, Framing, HeaderLine, Request, Response
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, OnDemand, RowsByKey, rows_of, running, spans

NOTHING, LENGTH, SILENT, OTHER = range(4)  # what a body is: see `Messages.body`


@dataclass(slots=True)
class Heads:
    """The texts of heads, each kept once. Block b has the lines `line[first[b]:first[b + 1]]`, in
    order.
    """

    lines: list[bytes]  # field lines as sent, without line end
    loose: frozenset[int]  # lines that are not exactly `name: value`
    first: Column  # i64, blocks + 1 entries
    line: Column  # i32, index in `lines`
    requests: list[
        bytes
    ]  # request lines; those in use are method, target and version with one space between
    statuses: list[bytes]  # status lines, as `http.head` finds nothing odd about those in use

    def only(self, asked: Messages, answered: Messages) -> Heads:
        """What these messages use, which are numbered anew."""
        blocks, number = np.unique(
            np.concatenate((asked.block, answered.block)), return_inverse=True
        )
        asked.block, answered.block = (
            number[: len(asked.block)].astype(np.int32),
            number[len(asked.block) :].astype(np.int32),
        )
        sizes = self.first[1:][blocks] - self.first[blocks]
        first = running(sizes)
        every = self.line[spans(self.first[blocks], sizes)]
        lines, line = np.unique(every, return_inverse=True)
        loose = frozenset(np.flatnonzero(np.isin(lines, list(self.loose))).tolist())
        starts, asked.start = np.unique(asked.start, return_inverse=True)
        finals, answered.start = np.unique(answered.start, return_inverse=True)
        return Heads(
            [self.lines[i] for i in lines.tolist()],
            loose,
            first,
            line.astype(np.int32),
            [self.requests[i] for i in starts.tolist()],
            [self.statuses[i] for i in finals.tolist()],
        )

    def header_lines(self, which: Column) -> list[HeaderLine]:
        """One value per line, of these lines."""
        held = [self.lines[i] for i in which.tolist()]
        texts = b"\r\n".join(held).decode("latin-1").split("\r\n") if held else []
        names: dict[str, str] = {}
        parts = [text.partition(": ") for text in texts]
        named = [part[0] for part in parts]
        found = rows_of(
            HeaderLine, (map(names.setdefault, named, named), map(itemgetter(2), parts), texts)
        )
        for at in np.flatnonzero(np.isin(which, list(self.loose))).tolist() if self.loose else ():
            name, _, value = texts[at].partition(":")
            found[at] = HeaderLine(name, value.strip(" \t"), texts[at])
        return found

    def blocks(self, which: Column | None = None) -> list[tuple[HeaderLine, ...]]:
        """The lines of these blocks (without: of all)."""
        which = np.arange(len(self.first) - 1) if which is None else which
        distinct, block = np.unique(which, return_inverse=True)
        sizes = self.first[1:][distinct] - self.first[distinct]
        lines, line = np.unique(self.line[spans(self.first[distinct], sizes)], return_inverse=True)
        every = list(map(self.header_lines(lines).__getitem__, line.tolist()))
        made = [tuple(every[a:b]) for a, b in pairwise(running(sizes).tolist())]
        return list(map(made.__getitem__, block.tolist()))


def status_parts(line: bytes) -> tuple[str, int, str]:
    """A status line of ordinary shape → version, status, reason."""
    version, _, rest = line.decode("latin-1").partition(" ")
    status, _, reason = rest.partition(" ")
    return version, int(status), reason


def request_parts(line: bytes, shared: dict[str, str]) -> tuple[str, str, str]:
    """A request line of ordinary shape → method, target, version; methods and versions are
    `shared`.
    """
    method, target, version = line.decode("latin-1").split(" ")
    return shared.setdefault(method, method), target, shared.setdefault(version, version)


@dataclass(slots=True)
class Messages:
    """One half of the exchanges: a row per message.

    `body` is NOTHING (no body, none declared), LENGTH (`length` bytes as declared, `digest`
    theirs), SILENT (no body, `length` declared: an answer to HEAD, a 304), or OTHER
    (`others[length]`). `digest` means nothing but for LENGTH.
    """

    start: Column  # i32, index in `Heads.requests` or `Heads.statuses`
    block: Column  # i32
    body: Column  # u8
    length: Column  # i64
    digest: Column  # 16 bytes each (V16)
    first_frame: Column  # u32
    head_frame: Column  # u32
    last_frame: Column  # u32
    first_ns: Column  # i64
    head_ns: Column  # i64
    last_ns: Column  # i64
    offset: Column  # i64

    @classmethod
    def joined(cls, parts: Sequence[Messages]) -> Messages:
        """The rows of all parts."""
        if not parts:
            nothing = np.zeros(0, np.int64)
            return cls(nothing, nothing, nothing, nothing, np.zeros(0, "V16"), *[nothing] * 7)
        return cls(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in MESSAGE_COLUMNS)
        )

    def taken(self, rows: Column) -> Messages:
        """These rows, in this order."""
        return Messages(*(getattr(self, name)[rows] for name in MESSAGE_COLUMNS))

    def bodies(self, others: Sequence[Body]) -> list[Body]:
        """The body of each."""
        found = [NO_BODY] * len(self.body)
        some = np.flatnonzero(self.body != NOTHING)
        hexes = self.digest[some].tobytes().hex()
        new, by_length = tuple.__new__, Framing.CONTENT_LENGTH
        kinds, sizes = self.body[some].tolist(), self.length[some].tolist()
        for k, (row, kind, size) in enumerate(zip(some.tolist(), kinds, sizes, strict=True)):
            if kind == LENGTH:
                found[row] = new(
                    Body, (by_length, size, size, True, hexes[32 * k : 32 * k + 32], None, None)
                )
            elif kind == SILENT:
                found[row] = Body(Framing.NONE, 0, size, True, None)
            else:
                found[row] = others[size]
        return found

    def places(self) -> list[list[int]]:
        """Frames and times, as Request and Response have them."""
        return [
            getattr(self, name).tolist()
            for name in (
                "first_frame",
                "head_frame",
                "last_frame",
                "first_ns",
                "head_ns",
                "last_ns",
            )
        ]


MESSAGE_COLUMNS: Final = tuple(Messages.__dataclass_fields__)


@dataclass(slots=True)
class ExchangeTable:
    """One row per exchange: request and response, both whole, answering each other, nothing unusual
    about either.
    """

    id: Column  # i64, ascending
    connection: Column  # i32
    ordinal: Column  # i32
    request: Messages
    response: Messages
    heads: Heads
    others: list[Body]

    @classmethod
    def empty(cls) -> ExchangeTable:
        """No exchange."""
        nothing = np.zeros(0, np.int64)
        heads = Heads([], frozenset(), np.zeros(1, np.int64), nothing, [], [])
        return cls(nothing, nothing, nothing, Messages.joined(()), Messages.joined(()), heads, [])

    def __len__(self) -> int:
        return len(self.id)

    def exchanges(self, rows: Column) -> list[Exchange]:
        """These rows as objects."""
        if not len(rows):
            return []
        nothing: list[tuple[()]] = [()] * len(rows)
        asked, answered = self.request.taken(rows), self.response.taken(rows)
        shared: dict[str, str] = {}
        asking = {
            i: request_parts(self.heads.requests[i], shared) for i in set(asked.start.tolist())
        }
        answering = {i: status_parts(self.heads.statuses[i]) for i in set(answered.start.tolist())}
        blocks = self.heads.blocks(np.concatenate((asked.block, answered.block)))
        start = list(map(asking.__getitem__, asked.start.tolist()))
        status = list(map(answering.__getitem__, answered.start.tolist()))
        requests = rows_of(
            Request,
            (
                map(itemgetter(0), start),
                map(itemgetter(1), start),
                map(itemgetter(2), start),
                blocks[: len(rows)],
                asked.bodies(self.others),
                *asked.places(),
                nothing,
                nothing,
                asked.offset.tolist(),
            ),
        )
        responses = rows_of(
            Response,
            (
                map(itemgetter(1), status),
                map(itemgetter(2), status),
                map(itemgetter(0), status),
                blocks[len(rows) :],
                answered.bodies(self.others),
                *answered.places(),
                nothing,
                nothing,
                answered.offset.tolist(),
            ),
        )
        places = (column[rows].tolist() for column in (self.id, self.connection, self.ordinal))
        return rows_of(
            Exchange, (*places, requests, responses, nothing, nothing, [None] * len(rows))
        )


class Exchanges(Sequence[Exchange]):
    """The rows of a table and the objects of all other exchanges, merged: `exchanges[i].id == i`.

    An object is made of a row when it is asked for; who walks over all makes them all, and better
    asks the columns (`side_table`).
    """

    def __init__(self, table: ExchangeTable, objects: list[Exchange]) -> None:
        """`objects` have their ids, in order; together with `table.id` these are 0, 1, 2, …"""
        self.table = table
        self.objects = objects
        self._made = OnDemand(len(self), self._make)

    @cached_property
    def order(self) -> Column:
        """Per exchange its place when the rows come first and then the objects."""
        objects = np.fromiter(map(itemgetter(0), self.objects), np.int64, len(self.objects))
        return np.argsort(np.append(self.table.id, objects), kind="stable")

    @property
    def connections(self) -> Column:
        """The connection of each exchange."""
        every: Column = np.append(self.table.connection, _connections(self.objects))
        return every[self.order]

    def __len__(self) -> int:
        return len(self.table) + len(self.objects)

    @overload
    def __getitem__(self, index: int) -> Exchange: ...
    @overload
    def __getitem__(self, index: slice) -> list[Exchange]: ...
    def __getitem__(self, index: int | slice) -> Exchange | list[Exchange]:
        return self._made.all()[index] if isinstance(index, slice) else self._made[index]

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self._made.all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def _make(self, ids: Column) -> list[Exchange]:
        at = self.order[ids]
        made = self.table.exchanges(at[at < len(self.table)])
        if not self.objects:
            return made
        rows = iter(made)
        return [
            next(rows) if place < 0 else self.objects[place]
            for place in (at - len(self.table)).tolist()
        ]


def _connections(exchanges: Sequence[Exchange]) -> Column:
    return np.fromiter(map(itemgetter(1), exchanges), np.int64, len(exchanges))


def by_connection(trace: Trace) -> RowsByKey:
    """The exchanges of a trace (their ids) by the connection they are on."""
    exchanges = trace.exchanges
    of = exchanges.connections if isinstance(exchanges, Exchanges) else _connections(exchanges)
    return RowsByKey.of(of, len(trace.connections))
