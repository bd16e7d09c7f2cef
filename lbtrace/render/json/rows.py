"""Rows of an ExchangeTable → one line of JSON each, the same text that `exchanges` writes of the
objects.

What a thousand rows have in common is made in one go: numbers become text column by column, header
lines that were not met lately are escaped by one call of the JSON string encoder over all of them.
A header block is made once and looked up by its number; memories are emptied when they are full,
and what recurs is soon there again. So a row costs a few joins, and no object is made of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from lbtrace import compiled
from lbtrace.model.http import Body, Framing, HeaderLine
from lbtrace.model.trace import Trace
from lbtrace.render.json.exchanges import NO_BODY_TEXT, ExchangeWriter
from lbtrace.render.json.frames import FrameWriter
from lbtrace.render.json.lines import IN_CACHE
from lbtrace.render.json.text import Piece, encode, in_text, numbers, quoted
from lbtrace.tables.columns import distinct, running, spans
from lbtrace.tables.exchanges import (
    FRAMES,
    FRAMES_LENGTH,
    LENGTH,
    MARK_SETS,
    NO_STREAM,
    NOTHING,
    OTHER,
    SILENT,
    Exchanges,
    MessageTable,
    status_parts,
)
from lbtrace.tables.packets import Column

if TYPE_CHECKING:
    from lbtrace.compiled import _core

# how messages end, by what is unusual about them
_BEHIND = [f'"marks":{encode([mark.value for mark in marks])}}}' for marks in MARK_SETS]
_ROWS, _COMPILED_ROWS = 512, 8192  # made at a time, fewer where their text is longer than _LONG
_LONG = 1 << 23  # characters
_AS_MUCH = 8  # rows written by the compiled core cost less than one object
_REMEMBERED = 4000  # blocks and lines each: as many as stay in a cache of the processor
# CRLF as the encoder writes it; no escaped line holds it, because no line holds a CR or LF
_EOL = "\\r\\n"


def texts(trace: Trace) -> Iterator[str]:
    """The exchanges of a trace: texts of one or more lines, each line but that of exchange 0
    beginning with a comma.
    """
    return map(in_text, pieces(trace))


def pieces(trace: Trace, which: range | None = None) -> Iterator[Piece]:
    """The same lines, or those of the exchanges with the ids `which`, as they are made."""
    writer = ExchangeWriter(trace)
    exchanges = trace.exchanges
    which = range(len(exchanges)) if which is None else which
    if not (isinstance(exchanges, Exchanges) and len(exchanges.table)):
        held = exchanges.objects if isinstance(exchanges, Exchanges) else exchanges
        before = "," if which.start else ""
        yield from _after_commas(writer.lines(held[which.start : which.stop]), before)
        return
    rows = RowWriter(exchanges, trace, writer)
    most = _ROWS if compiled.core is None else _COMPILED_ROWS
    low, step = which.start, most
    while low < which.stop:
        size = 0
        for piece in rows.pieces(low, min(low + step, which.stop)):
            yield piece
            size += len(piece)
        low += step
        step = min(most, 2 * step) if size < _LONG else max(1, step * _LONG // size)


def are_cheap(trace: Trace) -> bool:
    """Whether to make the lines takes less time than to put them into a file: the compiled core
    makes nearly all of them. Then another process is not worth it, either.
    """
    exchanges = trace.exchanges
    return (
        compiled.core is not None
        and isinstance(exchanges, Exchanges)
        and len(exchanges.objects) * _AS_MUCH < len(exchanges.table)
    )


def _after_commas(lines: Iterable[str], before: str) -> Iterator[str]:
    for line in lines:
        yield before + line
        before = ","


class RowWriter:
    """Writes the exchanges of one trace by their ids. `_core` is the compiled core, if it is
    there.
    """

    def __init__(self, exchanges: Exchanges, trace: Trace, writer: ExchangeWriter) -> None:
        self._table, self._objects, self._writer = exchanges.table, exchanges.objects, writer
        self._object_ids = np.fromiter(
            (e.id for e in exchanges.objects), np.int64, len(exchanges.objects)
        )
        self._frames = FrameWriter(trace)
        self._blocks: dict[int, str] = {}
        self._lines: dict[int, str] = {}
        self._statuses: dict[int, str] = {}
        self._has_block = np.zeros(len(self._table.heads.first), bool)  # whether `_blocks` knows it
        self._has_line = np.zeros(len(self._table.heads.lines), bool)
        self._core = compiled.core
        self._loose = np.zeros(len(self._table.heads.lines), np.uint8)
        self._loose[list(self._table.heads.loose)] = 1

    def pieces(self, low: int, high: int) -> Iterator[Piece]:
        """The exchanges with the ids from `low` up to `high`, one on each line; each but exchange 0
        has a comma in front.
        """
        first, last = np.searchsorted(self._table.id, (low, high)).tolist()
        if self._core is None or first == last:
            yield "\n".join(self.lines(low, high))
            return
        lines, behind = self._compiled_rows(self._core, first, last), ""
        before: list[str] | None = None  # what stands in front of each row
        between = slice(*np.searchsorted(self._object_ids, (low, high)).tolist())
        if between.start < between.stop:
            places = np.searchsorted(self._table.id[first:last], self._object_ids[between])
            before = [""] * (last - first + 1)
            objects = self._writer.lines(self._objects[between])
            for place, line in zip(places.tolist(), objects, strict=True):
                before[place] += f",{line}\n"
            behind = before.pop()
        for row in range(0, last - first, IN_CACHE):
            held = lines.ended("\n", before, row, row + IN_CACHE)
            yield held[1:] if low == row == 0 else held
        if behind:
            yield behind[:-1]

    def lines(self, low: int, high: int) -> list[str]:
        """The exchanges with the ids from `low` up to `high`; each line but that of exchange 0
        begins with a comma.
        """
        ids = self._table.id
        first, last = np.searchsorted(ids, (low, high)).tolist()
        lines = self._rows(first, last) if first < last else []
        if last - first < high - low:
            between = slice(*np.searchsorted(self._object_ids, (low, high)).tolist())
            both = [*lines, *("," + line for line in self._writer.lines(self._objects[between]))]
            order = np.argsort(np.concatenate((ids[first:last], self._object_ids[between])))
            lines = [both[k] for k in order.tolist()]
        if low == 0 and lines:
            lines[0] = lines[0][1:]
        return lines

    def _rows(self, low: int, high: int) -> list[str]:
        t = self._table
        rows = slice(low, high)
        self._meet(np.concatenate((t.request.block[rows], t.response.block[rows])))
        asked, answered = (
            self._requests(t.request.start[rows].tolist()),
            self._answers(t.response.start[rows].tolist()),
        )
        heads = t.id[rows].tolist(), t.connection[rows].tolist(), t.ordinal[rows].tolist()
        streams = numbers(t.stream[rows], NO_STREAM)
        return [
            f',{{"id":{id_},"connection":{connection},"ordinal":{ordinal},'
            f'"stream_id":{stream},"marks":[],"request":{{{request},"interim":[],"response":{{{response}}}'
            for id_, connection, ordinal, stream, request, response in zip(
                *heads,
                streams,
                self._messages(asked, t.request, rows),
                self._messages(answered, t.response, rows),
                strict=True,
            )
        ]

    def _compiled_rows(self, core: compiled.Core, low: int, high: int) -> _core.Lines:
        """The same lines as `_rows`, to be written by the compiled core."""
        t, rows, lines = self._table, slice(low, high), core.Lines(high - low)
        asked, answered = t.request, t.response
        for before, column in (
            (',{"id":', t.id),
            (',"connection":', t.connection),
            (',"ordinal":', t.ordinal),
        ):
            lines.common(before)
            lines.numbers(column[rows])
        lines.common(',"stream_id":')
        lines.numbers(t.stream[rows], NO_STREAM)
        lines.common(',"marks":[],"request":{')
        lines.requests(t.heads.requests, asked.start[rows])
        self._compiled_message(lines, asked, rows)
        lines.common(',"interim":[],"response":{')
        used = distinct(answered.start[rows])
        statuses = self._answers(used.tolist())
        lines.named(statuses, np.searchsorted(used, answered.start[rows]))
        self._compiled_message(lines, answered, rows)
        lines.common("}")
        return lines

    def _compiled_message(self, lines: _core.Lines, m: MessageTable, rows: slice) -> None:
        """What stands behind the start line of a message, as in `_messages`."""
        heads = self._table.heads
        lines.common(',"headers":')
        lines.blocks(
            heads.lines,
            self._loose,
            np.ascontiguousarray(heads.first, np.int64),
            np.ascontiguousarray(heads.line, np.int32),
            m.block[rows],
        )
        lines.common(',"body":')
        kinds, sizes = m.body[rows], m.length[rows]
        other = np.flatnonzero(kinds == OTHER)
        which = np.zeros(len(kinds), np.int64)
        which[other] = np.arange(len(other))
        texts = [self._writer.body(self._table.others[k]) for k in sizes[other].tolist()]
        lines.bodies(kinds, sizes, m.digest[rows], texts, which)
        lines.common(',"trailers":[]')
        for name in ("first", "head", "last"):
            column = getattr(m, f"{name}_frame")[rows]
            files = self._frames.files(column)
            lines.common(f',"{name}_frame":')
            lines.numbers(self._frames.numbers(column, files))
            lines.common(f',"{name}_file":')
            if self._frames.single:
                lines.common("0")
            else:
                lines.numbers(files)
        for name in ("first_ns", "head_ns", "last_ns", "offset"):
            lines.common(f',"{name}":')
            lines.numbers(getattr(m, name)[rows])
        lines.common(",")
        marks = m.marks[rows]
        if marks.any():
            lines.named(_BEHIND, marks)
        else:
            lines.common(_BEHIND[0])

    def _messages(self, starts: list[str], m: MessageTable, rows: slice) -> list[str]:
        """The messages of some rows, without the brace in front."""
        blocks = map(self._blocks.__getitem__, m.block[rows].tolist())
        places = self._places(m, rows) if self._frames.single else self._places_in_files(m, rows)
        offsets = m.offset[rows].tolist()
        return [
            f'{start},"headers":{block},"body":{body},"trailers":[],{place},"offset":{offset},'
            f"{_BEHIND[marks]}"
            for start, block, body, place, offset, marks in zip(
                starts,
                blocks,
                self._bodies(m, rows),
                places,
                offsets,
                m.marks[rows].tolist(),
                strict=True,
            )
        ]

    def _requests(self, starts: list[int]) -> list[str]:
        """Target, method and version of request lines."""
        lines = self._table.heads.requests
        parts = [line.partition(" ") for line in _escaped([lines[i] for i in starts])]
        found = ((method, *rest.rpartition(" ")) for method, _, rest in parts)
        return [
            f'"target":"{target}","method":"{method}","version":"{version}"'
            for method, target, _, version in found
        ]

    def _answers(self, starts: list[int]) -> list[str]:
        """Status, reason and version of status lines."""
        known = self._statuses
        if len(known) > _REMEMBERED:
            known.clear()
        for number in set(starts) - known.keys():
            version, status, reason = status_parts(self._table.heads.statuses[number])
            known[number] = (
                f'"status":{status},"reason":{quoted(reason)},"version":{quoted(version)}'
            )
        return [known[i] for i in starts]

    def _bodies(self, m: MessageTable, rows: slice) -> list[str]:
        kinds = m.body[rows]
        if not kinds.any():
            return [NO_BODY_TEXT] * len(kinds)
        hexes = m.digest[rows].tobytes().hex()
        digests = [hexes[k : k + 32] for k in range(0, len(hexes), 32)]
        sizes = m.length[rows].tolist()
        found = [
            f'{{"framing":"content-length","length":{size},"declared":{size},"complete":true,'
            f'"digest":"{digest}","content_digest":null,"content_length":null}}'
            for size, digest in zip(sizes, digests, strict=True)
        ]
        for k in np.flatnonzero(kinds != LENGTH).tolist():
            kind, size = kinds[k], sizes[k]
            if kind == NOTHING:
                found[k] = NO_BODY_TEXT
            elif kind in (FRAMES, FRAMES_LENGTH):
                declared = size if kind == FRAMES_LENGTH else "null"
                found[k] = (
                    f'{{"framing":"data-frames","length":{size},"declared":{declared},'
                    f'"complete":true,"digest":"{digests[k]}","content_digest":null,'
                    '"content_length":null}'
                )
            else:
                body = (
                    Body(Framing.NONE, 0, size, True, None)
                    if kind == SILENT
                    else self._table.others[size]
                )
                found[k] = self._writer.body(body)
        return found

    def _places(self, m: MessageTable, rows: slice) -> list[str]:
        """Frames and times, all in one file."""
        frames = _alike(m.first_frame[rows], m.head_frame[rows], m.last_frame[rows])
        times = _alike(m.first_ns[rows], m.head_ns[rows], m.last_ns[rows])
        return [
            f'"first_frame":{first},"first_file":0,"head_frame":{head},"head_file":0,'
            f'"last_frame":{last},"last_file":0,"first_ns":{first_ns},"head_ns":{head_ns},'
            f'"last_ns":{last_ns}'
            for first, head, last, first_ns, head_ns, last_ns in zip(*frames, *times, strict=True)
        ]

    def _places_in_files(self, m: MessageTable, rows: slice) -> list[str]:
        """Frames and times, each frame in one of several files."""
        columns = m.first_frame[rows], m.head_frame[rows], m.last_frame[rows]
        files = list(map(self._frames.files, columns))
        frames = _alike(*map(self._frames.numbers, columns, files))
        times = _alike(m.first_ns[rows], m.head_ns[rows], m.last_ns[rows])
        keys = (
            [
                f'"{name}_frame":{number},"{name}_file":{file}'
                for number, file in zip(*of, strict=True)
            ]
            for name, *of in zip(("first", "head", "last"), frames, _alike(*files), strict=True)
        )
        return [
            f'{first},{head},{last},"first_ns":{first_ns},"head_ns":{head_ns},"last_ns":{last_ns}'
            for first, head, last, first_ns, head_ns, last_ns in zip(*keys, *times, strict=True)
        ]

    def _meet(self, blocks: Column) -> None:
        """Make the texts of these blocks known."""
        known, heads = self._blocks, self._table.heads
        if len(known) > _REMEMBERED:
            known.clear()
            self._has_block[:] = False
        new = distinct(blocks[~self._has_block[blocks]])
        if not len(new):
            return
        self._has_block[new] = True
        first = heads.first[new]
        sizes = heads.first[1:][new] - first
        line = heads.line[spans(first, sizes)]
        self._meet_lines(line)
        found = list(map(self._lines.__getitem__, line.tolist()))
        bounds = pairwise(running(sizes).tolist())
        known.update(
            zip(new.tolist(), [f"[{','.join(found[a:b])}]" for a, b in bounds], strict=True)
        )

    def _meet_lines(self, lines: Column) -> None:
        """Make the texts of these header lines known: `["name","value"]`, or with the line as sent
        when it is not `name: value`.
        """
        known, heads = self._lines, self._table.heads
        if len(known) > _REMEMBERED:
            known.clear()
            self._has_line[:] = False
        fresh = distinct(lines[~self._has_line[lines]])
        if not len(fresh):
            return
        self._has_line[fresh] = True
        new = fresh.tolist()
        texts = _escaped([heads.lines[i] for i in new])
        known.update(
            zip(new, ['["' + text.replace(": ", '","', 1) + '"]' for text in texts], strict=True)
        )
        if heads.loose:
            for i in heads.loose.intersection(new):
                text = heads.lines[i].decode("latin-1")
                name, _, value = text.partition(":")
                known[i] = self._writer.line(HeaderLine(name, value.strip(" \t"), text))


def _escaped(lines: list[bytes]) -> list[str]:
    """Lines without CR and LF → as in a JSON string, without the quotes; one call for all of
    them.
    """
    if not lines:
        return []
    return quoted(b"\r\n".join(lines).decode("latin-1"))[1:-1].split(_EOL)


def _alike(first: Column, *others: Column) -> list[list[str]]:
    """Columns as text; those that equal the first one are not written again."""
    text = numbers(first)
    return [text, *(text if np.array_equal(first, other) else numbers(other) for other in others)]
