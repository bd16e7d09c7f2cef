"""The requests, or the responses, of a side as columns, with their field lines as numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from lbtrace.model.http import Framing, HeaderLine, Mark
from lbtrace.tables.columns import Column, parts_of, running
from lbtrace.tables.table import Table, bounds, column, item, part, table
from lbtrace.tables.words import Words, marked

NO_VALUE: Final = -1
SEVERAL_VALUES: Final = -2
_SEARCH: Final = 8  # of so many entries one is found as fast as all are told
_SHORT: Final = 1 << 15
FRAMINGS: Final = {framing: i for i, framing in enumerate(Framing)}


class _ByField(NamedTuple):
    """The field lines of messages by the number of their field: those of field n stand at
    `first[n]` to `first[n + 1]`, in order.
    """

    first: Column
    owner: Column  # the exchange of each
    line: Column


@table
class Heads(Table):
    """The field lines of messages: a row per message, whose items are its lines in order."""

    first: Column = bounds("the first line of each message")
    line: Column = item("i4", "the line", "number in `Words.lines`")

    def __post_init__(self) -> None:
        self._by_field: _ByField | None = None

    @property
    def owner(self) -> Column:
        """The exchange of each entry of `line`."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    def numbers(self, exchange: int) -> list[int]:
        """The numbers of the lines of one exchange's message."""
        held: list[int] = self.line[self.first[exchange] : self.first[exchange + 1]].tolist()
        return held

    def lines(self, words: Words, exchange: int) -> list[HeaderLine]:
        """The lines of one exchange's message."""
        return [words.line_list[n] for n in self.numbers(exchange)]

    def which(self, wanted: Column) -> tuple[Column, Column]:
        """`wanted`: bool per line number → (exchange, line) of each such line, in order."""
        if not wanted.any():  # nearly every field that is asked for is not there
            return np.zeros(0, np.int64), self.line[:0]
        at = np.flatnonzero(wanted[self.line])
        return self._owners(at), self.line[at]

    def _owners(self, at: Column) -> Column:
        """The exchanges of some entries of `line`: looked for if they are few, else of all."""
        if len(at) * _SEARCH < len(self.line):
            return np.searchsorted(self.first, at, "right") - 1
        owners: Column = self.owner[at]
        return owners

    def by_field(self, words: Words) -> _ByField:
        """The entries of `line` by the number of their field, sorted once for all questions."""
        if self._by_field is None:
            count = len(words.fields)
            of = words.field_of.astype(np.int16 if count < _SHORT else np.int64)  # sorts by digits
            field = of[self.line]
            order = np.argsort(field, kind="stable")
            owner = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.first))[order]
            first = running(np.bincount(field, minlength=count)[:count])
            self._by_field = _ByField(first, owner, self.line[order])
        return self._by_field

    def of_field(self, words: Words, name: str) -> tuple[Column, Column]:
        """(exchange, line) of each line of a field, its name in lower case; in order."""
        number = words.fields.get(name)
        if number is None:
            return np.zeros(0, np.int64), np.zeros(0, self.line.dtype)
        held = self.by_field(words)
        here = slice(int(held.first[number]), int(held.first[number + 1]))
        return held.owner[here].astype(np.int64), held.line[here]

    def counted(self, words: Words, exchanges: Column) -> Column:
        """Per field, how many of these exchanges' messages have it."""
        held = self.by_field(words)
        field = np.repeat(np.arange(len(held.first) - 1), np.diff(held.first))
        fresh = np.ones(len(field), bool)
        fresh[1:] = (held.owner[1:] != held.owner[:-1]) | (field[1:] != field[:-1])
        times = np.bincount(exchanges, minlength=len(self))[held.owner[fresh]]
        found = np.bincount(field[fresh], times, len(held.first) - 1)
        return found.astype(np.int64)

    def of(self, exchanges: Column) -> tuple[Column, Column]:
        """Exchanges, in any order → (how many lines each has, the lines of all of them)."""
        begin = self.first[exchanges]
        size = self.first[1:][exchanges] - begin
        return size, parts_of(self.line, begin, size)

    def equal(self, rows: Column, other: Heads, other_rows: Column) -> Column:
        """Row by row, whether two heads are the same lines."""
        (size, line), (other_size, other_line) = self.of(rows), other.of(other_rows)
        equal: Column = size == other_size
        lines = line[np.repeat(equal, size)]
        differ = lines != other_line[np.repeat(equal, other_size)]
        owner = np.repeat(np.flatnonzero(equal), size[equal])
        equal[owner[differ]] = False
        return equal

    def having(self, wanted: Column) -> Column:
        """`wanted`: bool per line number → per exchange, whether it has such a line."""
        out = np.zeros(len(self), bool)
        out[self.which(wanted)[0]] = True
        return out

    def rows(self, names: Column | None = None) -> list[bytes]:
        """Per exchange its whole head (with `names`, a number per line: those of its lines) as
        bytes: equal heads, equal bytes.
        """
        flat = (self.line if names is None else names[self.line]).astype("<i4").tobytes()
        cuts = (self.first * 4).tolist()
        return [flat[begin:end] for begin, end in pairwise(cuts)]


@table
class Messages(Table):
    """The requests, or the responses, of a side. `start` is the target (the status), `method` the
    method (the reason).
    """

    there: Column = column("?", "it is in the capture")
    start: Column = column("i8", "target; status", "number in `Words.texts`; the status itself")
    method: Column = column("i8", "method; reason", "number in `Words.texts`")
    version: Column = column("i8", "version", "number in `Words.texts`")
    first_frame: Column = column("i8", "frame it begins in")
    first_ns: Column = column("i8", "time of it", "ns since the epoch")
    last_frame: Column = column("i8", "frame it ends in")
    last_ns: Column = column("i8", "time of the frame it ends in", "ns since the epoch")
    marks: Column = column("i8", "what is unusual about it", "sum of `bits_of`")
    offset: Column = column("i8", "offset of its first byte in the stream", "bytes")
    framing: Column = column("i8", "how the end of the body is known", "number in FRAMINGS")
    length: Column = column("i8", "body captured", "bytes")
    complete: Column = column("?", "the body is whole")
    digest: Column = column("i8", "digest of the body; 0 without", "number in `Words.digests`")
    content_digest: Column = column("i8", "the same, decoded", "number in `Words.digests`")
    content_length: Column = column("i8", "length of it, decoded", "bytes", none=-1)
    heads: Heads = part("the field lines")

    @property
    def whole_heads(self) -> Column:
        """Which messages have a head that was captured whole."""
        whole: Column = self.there & ~marked(self.marks, Mark.HEAD_TRUNCATED)
        return whole

    @property
    def from_client(self) -> Column:
        """Which requests the client sent: their `offset` is in the client's stream (bool each)."""
        sent: Column = self.there & ~marked(self.marks, Mark.FROM_SERVER)
        return sent

    def value_of(self, words: Words, field_name: str) -> Column:
        """The value of a field (its name in lower case) in each message, as `Words.field_value_of`:
        NO_VALUE without the field, SEVERAL_VALUES with more than one line of it.
        """
        owner, line = self.heads.of_field(words, field_name)
        out = np.full(len(self), NO_VALUE, np.int64)
        out[owner] = words.field_value_of[line]
        out[owner[1:][owner[1:] == owner[:-1]]] = SEVERAL_VALUES
        return out

    def line_of(self, words: Words, field_name: str) -> Column:
        """The number of the first line of a field (its name in lower case) in each message;
        NO_VALUE without.
        """
        owner, line = self.heads.of_field(words, field_name)
        out = np.full(len(self), NO_VALUE, np.int64)
        out[owner[::-1]] = line[::-1]
        return out

    def having(self, words: Words, field_name: str) -> Column:
        """Which have a field, its name in lower case."""
        out = np.zeros(len(self), bool)
        out[self.heads.of_field(words, field_name)[0]] = True
        return out
