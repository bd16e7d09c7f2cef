"""Report → the rows of its list of exchanges, in the order in which people need them.

A row is a client exchange, alone or with the backend exchanges that it caused, or a backend
exchange without a client. Those that went wrong come first, each kind in the order of the capture.
A row is named by its number, which nothing changes: 1, 2, … count the pairs of the report, u1, u2,
… its exchanges without a partner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, overload

import numpy as np

from lbtrace.model.http import Exchange
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import AttemptOutcome, UnpairedReason
from lbtrace.model.report import Report
from lbtrace.tables.columns import Column
from lbtrace.tables.pairs import OUTCOMES, PairTable
from lbtrace.tables.sides import both_sides

SERVER_ERROR = 500  # RFC 9110 §15.6
_FAILED = (
    AttemptOutcome.RESET,
    AttemptOutcome.CLOSED,
    AttemptOutcome.TIMEOUT,
    AttemptOutcome.SUPERSEDED,  # a backend answered, and the balancer asked another one
)
_NONE = -1


class Row(NamedTuple):
    """`place` of a pair in `Correlation.pairs`, or of an exchange without a partner in
    `Correlation.unpaired`.
    """

    paired: bool
    place: int

    @property
    def number(self) -> str:
        """What the row is called on the page and on the command line."""
        return f"{self.place + 1}" if self.paired else f"u{self.place + 1}"


class Listing(NamedTuple):
    """`rows` to list, `troubled` of them went wrong and come first; `of` there are."""

    rows: Sequence[Row]
    troubled: int
    of: int


def listing(report: Report) -> Listing:
    """All rows of a report."""
    return ListedExchanges(report).listing


class _Rows(Sequence[Row]):
    """Rows in an order, each made when it is asked for."""

    def __init__(self, order: Column, pairs: int) -> None:
        self._order, self._pairs = order, pairs

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return _Rows(self._order[index], self._pairs)
        row = int(self._order[index])
        return Row(True, row) if row < self._pairs else Row(False, row - self._pairs)


class ListedExchanges:
    """The exchanges of a report as columns. Row i is pair i, or, past the pairs, exchange i −
    `pairs` of those without a partner.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        self.sides = dict(zip(Side, both_sides(report.clients, report.backends), strict=True))
        self.table = PairTable.of(report.correlation.pairs)
        self.pairs = len(self.table)

    @cached_property
    def side(self) -> Column:
        """Whether the first exchange of each row is one of the client side."""
        alone = [u.side == Side.CLIENT for u in self.report.correlation.unpaired]
        return np.concatenate((np.ones(self.pairs, bool), np.array(alone, bool)))

    @cached_property
    def exchange(self) -> Column:
        """The number of the first exchange of each row, in the table of its side."""
        client = self.sides[Side.CLIENT].numbers(self.table.client_point, self.table.client)
        return np.concatenate((client, self._alone))

    @property
    def _alone(self) -> Column:
        unpaired = self.report.correlation.unpaired
        first = {side: table.first_of for side, table in self.sides.items()}
        numbers = (first[Side(u.side)][u.ref.point] + u.ref.id for u in unpaired)
        return np.fromiter(numbers, np.int64, len(unpaired))

    @property
    def listing(self) -> Listing:
        """What went wrong, then the other exchanges of clients, then those of backends alone; each
        as captured. Health checks are no exchange of a client, and as many as they like.
        """
        order = np.lexsort((self.exchange, ~self.side, ~self.troubled))
        order = order[~self._checks[order]]
        return Listing(_Rows(order, self.pairs), int(self.troubled[order].sum()), len(order))

    @property
    def _checks(self) -> Column:
        return self._unpaired(UnpairedReason.HEALTH_CHECK)

    def _unpaired(self, reason: UnpairedReason) -> Column:
        """Which rows have no partner for this reason."""
        alone = [u.reason is reason for u in self.report.correlation.unpaired]
        return np.concatenate((np.zeros(self.pairs, bool), np.array(alone, bool)))

    @cached_property
    def troubled(self) -> Column:
        """Which rows went wrong: an error of a server, no answer, an attempt that failed, or an
        exchange that a problem names.
        """
        troubled = self._failed | self._unpaired(UnpairedReason.NEVER_ANSWERED)
        for problem in self.report.problems:
            troubled[self.rows_of(problem.frames)] = True
        return troubled

    @property
    def _failed(self) -> Column:
        """Errors of a server, as clients got them, and attempts that failed."""
        responses, client = self.sides[Side.CLIENT].responses, self.side
        failed = np.zeros(len(client), bool)
        failed[client] = responses.start[self.exchange[client]] >= SERVER_ERROR
        ended = np.isin(self.table.outcome, [OUTCOMES.index(outcome) for outcome in _FAILED])
        owner = np.repeat(np.arange(self.pairs), self.table.attempts)
        failed[owner[ended]] = True
        return failed

    def row(self, number: int) -> Row:
        """Row i."""
        return Row(True, number) if number < self.pairs else Row(False, number - self.pairs)

    def rows_of(self, frames: Iterable[FrameRef]) -> list[int]:
        """The rows whose messages begin, end, or have the end of their head in one of these
        frames.
        """
        found = {
            int(self._row[frame.side][exchange])
            for frame in frames
            for exchange in self._exchanges_at(frame)
        }
        return sorted(found - {_NONE})

    def _exchanges_at(self, frame: FrameRef) -> Iterator[int]:
        """The exchanges of which a message begins, ends, or has the end of its head there."""
        table = self.sides[frame.side]
        file = table.traces[frame.point].files[frame.file]
        number = file.first_frame + frame.number - 1
        begin = np.where(table.requests.there, table.requests.first_ns, table.responses.first_ns)
        end = np.where(table.responses.there, table.responses.last_ns, table.requests.last_ns)
        near = (table.point == frame.point) & (begin <= frame.time_ns) & (frame.time_ns <= end)
        for exchange in np.flatnonzero(near).tolist():
            if number in _frames(table.exchange(exchange)):
                yield exchange

    @cached_property
    def _row(self) -> dict[Side, Column]:
        """Per side, the row that each exchange is in."""
        table, rows = self.table, np.arange(len(self.side))
        of = {side: np.full(len(held), _NONE) for side, held in self.sides.items()}
        of[Side.CLIENT][self.exchange[self.side]] = rows[self.side]
        of[Side.BACKEND][self.exchange[~self.side]] = rows[~self.side]
        behind = self.sides[Side.BACKEND].numbers(table.backend_point, table.backend)
        of[Side.BACKEND][behind] = np.repeat(rows[: self.pairs], table.attempts)
        return of


def _frames(exchange: Exchange) -> set[int]:
    messages = [m for m in (exchange.request, exchange.response) if m is not None]
    return {frame for m in messages for frame in (m.first_frame, m.head_frame, m.last_frame)}
