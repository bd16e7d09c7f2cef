"""The exchanges of a capture point: columns for those of ordinary shape, objects for the others, one Sequence for whoever reads them.

    ExchangeTable   one row per exchange of two messages read in bulk, in id order (http → render)
    Exchanges       all of them: rows and objects, in id order                    (Trace.exchanges)

A row says what an `Exchange` of two whole, undamaged HTTP/1 messages says: start lines and header blocks are numbers of texts that are kept
once, frames, times and lengths are integers. A million of them cost as much as their distinct header lines, and a renderer that
writes them in bulk never makes the objects. Asked for one, `Exchanges` makes all and lets go of the table: what recurs (lines, blocks,
start lines) is one object however often it occurs.

Invariant: a row and the object made of it tell the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Final, overload

import numpy as np

from lbtrace.columns import Column, rows_of, running, spans
from lbtrace.model.http import NO_BODY, Body, Exchange, Framing, HeaderLine, Request, Response

NOTHING, LENGTH, SILENT, OTHER = range(4)  # what a body is: see `Messages.body`


@dataclass(slots=True)
class Heads:
    """The texts of heads, each kept once. Block b has the lines `line[first[b]:first[b + 1]]`, in order."""

    lines: list[bytes]  # field lines as sent, without line end
    loose: frozenset[int]  # lines that are not exactly `name: value`
    first: Column  # i64, blocks + 1 entries
    line: Column  # i32, index in `lines`
    requests: list[bytes]  # request lines; those in use are method, target and version with one space between
    statuses: list[bytes]  # status lines, as `http.head` finds nothing odd about those in use

    def only(self, asked: Messages, answered: Messages) -> Heads:
        """What these messages use, which are numbered anew."""
        blocks, number = np.unique(np.concatenate((asked.block, answered.block)), return_inverse=True)
        asked.block, answered.block = number[: len(asked.block)].astype(np.int32), number[len(asked.block) :].astype(np.int32)
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

    def header_lines(self) -> list[HeaderLine]:
        """One value per line."""
        texts = b"\r\n".join(self.lines).decode("latin-1").split("\r\n") if self.lines else []
        names: dict[str, str] = {}
        parts = [text.partition(": ") for text in texts]
        named = [part[0] for part in parts]
        found = rows_of(HeaderLine, (map(names.setdefault, named, named), map(itemgetter(2), parts), texts))
        for number in self.loose:
            name, _, value = texts[number].partition(":")
            found[number] = HeaderLine(name, value.strip(" \t"), texts[number])
        return found

    def blocks(self) -> list[tuple[HeaderLine, ...]]:
        """The lines of each block."""
        values = self.header_lines()
        every = list(map(values.__getitem__, self.line.tolist()))
        bounds = self.first.tolist()
        return [tuple(every[a:b]) for a, b in pairwise(bounds)]


def status_parts(line: bytes) -> tuple[str, int, str]:
    """A status line of ordinary shape → version, status, reason."""
    version, _, rest = line.decode("latin-1").partition(" ")
    status, _, reason = rest.partition(" ")
    return version, int(status), reason


def request_parts(line: bytes, shared: dict[str, str]) -> tuple[str, str, str]:
    """A request line of ordinary shape → method, target, version; methods and versions are `shared`."""
    method, target, version = line.decode("latin-1").split(" ")
    return shared.setdefault(method, method), target, shared.setdefault(version, version)


@dataclass(slots=True)
class Messages:
    """One half of the exchanges: a row per message.

    `body` is NOTHING (no body, none declared), LENGTH (`length` bytes as declared, `digest` theirs), SILENT (no body, `length` declared: an
    answer to HEAD, a 304), or OTHER (`others[length]`). `digest` means nothing but for LENGTH.
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
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in MESSAGE_COLUMNS))

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
                found[row] = new(Body, (by_length, size, size, True, hexes[32 * k : 32 * k + 32], None, None))
            elif kind == SILENT:
                found[row] = Body(Framing.NONE, 0, size, True, None)
            else:
                found[row] = others[size]
        return found

    def places(self) -> list[list[int]]:
        """Frames and times, as Request and Response have them."""
        return [getattr(self, name).tolist() for name in ("first_frame", "head_frame", "last_frame", "first_ns", "head_ns", "last_ns")]


MESSAGE_COLUMNS: Final = tuple(Messages.__dataclass_fields__)


@dataclass(slots=True)
class ExchangeTable:
    """One row per exchange: request and response, both whole, answering each other, nothing unusual about either."""

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

    def exchanges(self) -> list[Exchange]:
        """The same as objects."""
        if not len(self):
            return []
        blocks = self.heads.blocks()
        nothing: list[tuple[()]] = [()] * len(self)
        asked, answered = self.request, self.response
        shared: dict[str, str] = {}
        asking = {i: request_parts(self.heads.requests[i], shared) for i in np.unique(asked.start).tolist()}
        answering = {i: status_parts(self.heads.statuses[i]) for i in np.unique(answered.start).tolist()}
        start = list(map(asking.__getitem__, asked.start.tolist()))
        status = list(map(answering.__getitem__, answered.start.tolist()))
        requests = rows_of(
            Request,
            (
                map(itemgetter(0), start),
                map(itemgetter(1), start),
                map(itemgetter(2), start),
                map(blocks.__getitem__, asked.block.tolist()),
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
                map(blocks.__getitem__, answered.block.tolist()),
                answered.bodies(self.others),
                *answered.places(),
                nothing,
                nothing,
                answered.offset.tolist(),
            ),
        )
        return rows_of(
            Exchange,
            (self.id.tolist(), self.connection.tolist(), self.ordinal.tolist(), requests, responses, nothing, nothing, [None] * len(self)),
        )


class Exchanges(Sequence[Exchange]):
    """The rows of a table and the objects of all other exchanges, merged: `exchanges[i].id == i`. Once one is asked for, all are objects,
    and the table is empty: there are never both."""

    def __init__(self, table: ExchangeTable, objects: list[Exchange]) -> None:
        """`objects` have their ids; together with `table.id` these are 0, 1, 2, …"""
        self.table = table
        self.objects = objects

    def __len__(self) -> int:
        return len(self.table) + len(self.objects)

    @overload
    def __getitem__(self, index: int) -> Exchange: ...
    @overload
    def __getitem__(self, index: slice) -> list[Exchange]: ...
    def __getitem__(self, index: int | slice) -> Exchange | list[Exchange]:
        if len(self.table):
            self._make()
        return self.objects[index]

    def __iter__(self) -> Iterator[Exchange]:
        if len(self.table):
            self._make()
        return iter(self.objects)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def _make(self) -> None:
        made = self.table.exchanges()
        if self.objects:
            made += self.objects
            made.sort(key=itemgetter(0))
        self.objects, self.table = made, ExchangeTable.empty()
