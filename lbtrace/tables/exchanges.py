"""The exchanges of a capture point: columns for those of ordinary shape, objects for the others, in
one Sequence.

    ExchangeTable   one row per exchange of ordinary shape, by id                 (http → render)
    Exchanges       all exchanges, rows and objects, by id                        (Trace.exchanges)

A row holds an Exchange of two messages of HTTP/1 whose heads are whole, or of HTTP/2 written as
HTTP/1 would write them; what may be unusual about a message of it are ROW_MARKS. Start lines and
header blocks are numbers of texts that are kept once; frames, times and lengths are integers. So a
million rows cost as much as their distinct header lines, and a renderer that reads the columns
makes no object.

Invariant: a row is written as the Exchange that is made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final

import numpy as np

from lbtrace import compiled
from lbtrace.model.http import NO_BODY, Body, Exchange, Framing, HeaderLine, Mark, Request, Response
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, RowsByKey, among
from lbtrace.tables.rows import Rows, rows_of
from lbtrace.tables.table import RowTable, Table, bounds, column, item, part, shared, table
from lbtrace.tables.words import column_of, numbering, numbers

NO_STREAM: Final = -1
# what a body is: see `MessageTable.body`
NOTHING, LENGTH, SILENT, OTHER, FRAMES, FRAMES_LENGTH = range(6)
EPOCH: Final = "ns since the epoch"


@table
class HeadTexts(Table):
    """The texts of heads, each kept once. A row is a block of field lines, its items are the lines
    in order.
    """

    lines: list[bytes] = shared("field lines as sent, without line end")
    loose: frozenset[int] = shared("lines that are not exactly `name: value`", frozenset)
    first: Column = bounds("the first line of each block")
    line: Column = item("i4", "the line", "index in `lines`")
    requests: list[bytes] = shared(
        "request lines; those in use are method, target and version with one space between"
    )
    statuses: list[bytes] = shared(
        "status lines; those in use are as `http.head` finds nothing odd about"
    )

    @cached_property
    def names(self) -> tuple[list[bytes], Column]:
        """What stands before the first colon of lines, and per line which of these it is."""
        if compiled.core is not None:
            names, numbered = compiled.core.names(self.lines)
            return names, column_of(numbered)
        known = numbering()
        of = numbers(known, (line.partition(b":")[0] for line in self.lines), len(self.lines))
        return list(known), of

    def only(
        self, asked: MessageTable, answered: MessageTable
    ) -> tuple[HeadTexts, MessageTable, MessageTable]:
        """What these messages use, and the messages, which are numbered anew."""
        used, block = np.unique(np.concatenate((asked.block, answered.block)), return_inverse=True)
        blocks = self.taken(used)
        lines, line = np.unique(blocks.line, return_inverse=True)
        starts, start = np.unique(asked.start, return_inverse=True)
        finals, final = np.unique(answered.start, return_inverse=True)
        block, count = block.astype(np.int32), len(asked)
        loose = np.fromiter(self.loose, np.int64, len(self.loose))
        heads = HeadTexts(
            [self.lines[i] for i in lines.tolist()],
            frozenset(np.flatnonzero(among(lines, loose)).tolist()),
            blocks.first,
            line.astype(np.int32),
            [self.requests[i] for i in starts.tolist()],
            [self.statuses[i] for i in finals.tolist()],
        )
        return (
            heads,
            asked.with_columns(start=start.astype(np.int32), block=block[:count]),
            answered.with_columns(start=final.astype(np.int32), block=block[count:]),
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
        which = np.arange(len(self)) if which is None else which
        distinct, block = np.unique(which, return_inverse=True)
        held = self.taken(distinct)
        lines, line = np.unique(held.line, return_inverse=True)
        every = list(map(self.header_lines(lines).__getitem__, line.tolist()))
        made = [tuple(every[a:b]) for a, b in pairwise(held.first.tolist())]
        return list(map(made.__getitem__, block.tolist()))


def status_parts(line: bytes) -> tuple[str, int, str]:
    """A status line of ordinary shape → version, status, reason."""
    version, _, rest = line.decode("latin-1").partition(" ")
    status, _, reason = rest.partition(" ")
    return version, int(status), reason


def request_parts(line: bytes, shared: dict[str, str]) -> tuple[str, str, str]:
    """A request line of ordinary shape → method, target, version; methods and versions are
    `shared`. A masked target may hold blanks.
    """
    method, _, rest = line.decode("latin-1").partition(" ")
    target, _, version = rest.rpartition(" ")
    return shared.setdefault(method, method), target, shared.setdefault(version, version)


def request_lines(lines: list[bytes]) -> list[tuple[list[str], Column]]:
    """Request lines of ordinary shape → methods, targets and versions: texts, and per line which
    of them is its own.
    """
    each = np.arange(len(lines))
    if compiled.core is not None:
        methods, targets, versions = compiled.core.request_parts(lines)
        return [
            (methods[0], column_of(methods[1])),
            (targets, each),
            (versions[0], column_of(versions[1])),
        ]
    words = b" ".join(lines).decode("latin-1").split(" ") if lines else []
    if len(words) == 3 * len(lines):
        return [(words[place::3], each) for place in range(3)]
    shared: dict[str, str] = {}
    parts = [request_parts(line, shared) for line in lines]
    return [([part[place] for part in parts], each) for place in range(3)]


@table
class MessageTable(Table):
    """One half of the exchanges: a row per message.

    `body` is NOTHING (no body, none declared), LENGTH (`length` bytes as declared, `digest`
    theirs), SILENT (no body, `length` declared: an answer to HEAD, a 304), FRAMES (`length` bytes
    in DATA frames, none declared), FRAMES_LENGTH (the same, as declared), or OTHER
    (`others[length]`). `digest` means something for LENGTH and for both kinds of frames. `marks` is
    an index in MARK_SETS.
    """

    start: Column = column("i4", "start line", "index in `requests` or `statuses` of HeadTexts")
    block: Column = column("i4", "field lines", "row of HeadTexts")
    body: Column = column("u1", "what the body is, as `MessageTable` says")
    length: Column = column("i8", "length of the body; of OTHER, which one", "bytes")
    digest: Column = column("V16", "digest of the body")
    first_frame: Column = column("u4", "frame it begins in")
    head_frame: Column = column("u4", "frame that completes its head")
    last_frame: Column = column("u4", "frame it ends in")
    first_ns: Column = column("i8", "time of the first", EPOCH)
    head_ns: Column = column("i8", "time of the one that completes the head", EPOCH)
    last_ns: Column = column("i8", "time of the last", EPOCH)
    offset: Column = column("i8", "offset of its first byte in the stream", "bytes")
    marks: Column = column("u1", "what is unusual about it", "index in MARK_SETS")

    def bodies(self, others: Sequence[Body]) -> list[Body]:
        """The body of each."""
        found = [NO_BODY] * len(self.body)
        some = np.flatnonzero(self.body != NOTHING)
        hexes = self.digest[some].tobytes().hex()
        new, by_length, by_frames = tuple.__new__, Framing.CONTENT_LENGTH, Framing.DATA_FRAMES
        kinds, sizes = self.body[some].tolist(), self.length[some].tolist()
        for k, (row, kind, size) in enumerate(zip(some.tolist(), kinds, sizes, strict=True)):
            if kind == LENGTH:
                found[row] = new(
                    Body, (by_length, size, size, True, hexes[32 * k : 32 * k + 32], None, None)
                )
            elif kind == SILENT:
                found[row] = Body(Framing.NONE, 0, size, True, None)
            elif kind == OTHER:
                found[row] = others[size]
            else:
                declared = size if kind == FRAMES_LENGTH else None
                digest = hexes[32 * k : 32 * k + 32]
                found[row] = new(Body, (by_frames, size, declared, True, digest, None, None))
        return found

    def after_start(
        self, blocks: list[tuple[HeaderLine, ...]], others: Sequence[Body]
    ) -> tuple[list[Any], ...]:
        """What Request and Response have after their start line, as one list each. `blocks` are the
        field lines of each row.
        """
        nothing: list[tuple[()]] = [()] * len(self)
        places = self.values(PLACES, slice(None))
        marks = list(map(MARK_SETS.__getitem__, self.marks.tolist()))
        return blocks, self.bodies(others), *places, marks, nothing, self.offset.tolist()


# The marks that a message of a row may have, in the order in which messages have them. Each is a
# bit of an index in MARK_SETS.
ROW_MARKS: Final = (Mark.BODY_TRUNCATED, Mark.RETRANSMITTED, Mark.RESYNCED, Mark.PIPELINED)
BODY_TRUNCATED, RETRANSMITTED, RESYNCED, PIPELINED = (1 << place for place in range(len(ROW_MARKS)))
MARK_SETS: Final = tuple(
    tuple(mark for place, mark in enumerate(ROW_MARKS) if which >> place & 1)
    for which in range(1 << len(ROW_MARKS))
)
PLACES: Final = ("first_frame", "head_frame", "last_frame", "first_ns", "head_ns", "last_ns")


def requests_of(
    rows: MessageTable,
    heads: HeadTexts,
    blocks: list[tuple[HeaderLine, ...]],
    others: Sequence[Body],
) -> list[Request]:
    """Rows of requests as objects. `blocks` are the field lines of each row."""
    shared: dict[str, str] = {}
    starts = rows.start.tolist()
    lines = {i: request_parts(heads.requests[i], shared) for i in set(starts)}
    parts = ([lines[i][k] for i in starts] for k in range(3))
    return rows_of(Request, (*parts, *rows.after_start(blocks, others)))


def responses_of(
    rows: MessageTable,
    heads: HeadTexts,
    blocks: list[tuple[HeaderLine, ...]],
    others: Sequence[Body],
) -> list[Response]:
    """Rows of responses as objects, likewise."""
    starts = rows.start.tolist()
    lines = {i: status_parts(heads.statuses[i]) for i in set(starts)}
    version, status, reason = ([lines[i][k] for i in starts] for k in range(3))
    return rows_of(Response, (status, reason, version, *rows.after_start(blocks, others)))


@table
class ExchangeTable(RowTable[Exchange]):
    """One row per exchange: request and response, both with a whole head, answering each other,
    nothing unusual about either but what its `marks` say.
    """

    id: Column = column("i8", "id in the trace, ascending")
    connection: Column = column("i4", "id of the connection")
    ordinal: Column = column("i4", "which on the connection, from 1")
    stream: Column = column("i8", "HTTP/2 stream", none=NO_STREAM)
    request: MessageTable = part("the requests")
    response: MessageTable = part("the responses")
    heads: HeadTexts = shared("start lines and field lines", HeadTexts.empty)
    others: list[Body] = shared("bodies that need an object")

    def make(self, rows: Column) -> list[Exchange]:
        """The exchanges of these rows."""
        if not len(rows):
            return []
        asked, answered = self.request.taken(rows), self.response.taken(rows)
        blocks = self.heads.blocks(np.concatenate((asked.block, answered.block)))
        requests = requests_of(asked, self.heads, blocks[: len(rows)], self.others)
        responses = responses_of(answered, self.heads, blocks[len(rows) :], self.others)
        nothing: list[tuple[()]] = [()] * len(rows)
        *places, streams = self.values(("id", "connection", "ordinal", "stream"), rows)
        return rows_of(Exchange, (*places, requests, responses, nothing, nothing, streams))


class Exchanges(Rows[Exchange]):
    """The rows of a table and the objects of all other exchanges, merged: `exchanges[i].id == i`.

    `exchanges[i]` makes one object of a row. A loop over them makes them all: `side_table` has the
    columns.
    """

    def __init__(self, table: ExchangeTable, objects: list[Exchange]) -> None:
        """`objects` have their ids, in order; together with `table.id` these are 0, 1, 2, …"""
        self.table = table
        self.objects = objects

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

    def make(self, rows: Column) -> list[Exchange]:
        """The exchanges with these ids."""
        at = self.order[rows]
        made = iter(self.table.make(at[at < len(self.table)]))
        return [
            next(made) if place < 0 else self.objects[place]
            for place in (at - len(self.table)).tolist()
        ]

    @property
    def first_frames(self) -> Column:
        """The frame each exchange is first seen in; 0 when nothing of it is."""
        rows = self.table.request.first_frame.astype(np.int64)
        return np.append(rows, _first_frames(self.objects))[self.order]


def _first_frames(exchanges: Sequence[Exchange]) -> Column:
    return np.fromiter((e.first_frame for e in exchanges), np.int64, len(exchanges))


def first_frames(trace: Trace) -> Column:
    """The frame each exchange of a trace is first seen in; 0 when nothing of it is."""
    exchanges = trace.exchanges
    return exchanges.first_frames if isinstance(exchanges, Exchanges) else _first_frames(exchanges)


def _connections(exchanges: Sequence[Exchange]) -> Column:
    return np.fromiter(map(itemgetter(1), exchanges), np.int64, len(exchanges))


def requests_there(trace: Trace) -> int:
    """How many exchanges of a trace have a request."""
    exchanges = trace.exchanges
    if isinstance(exchanges, Exchanges):
        return len(exchanges.table) + sum(e.request is not None for e in exchanges.objects)
    return sum(e.request is not None for e in exchanges)


def by_connection(trace: Trace) -> RowsByKey:
    """The exchanges of a trace (their ids) by the connection they are on."""
    exchanges = trace.exchanges
    of = exchanges.connections if isinstance(exchanges, Exchanges) else _connections(exchanges)
    return RowsByKey.of(of, len(trace.connections))
