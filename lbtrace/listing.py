"""Report → the rows of its list of exchanges, in the order in which people need them.

A row is a client exchange, alone or with the backend exchanges that it caused, or a backend
exchange without a client. Those that went wrong come first, each kind in the order of the capture.
A row is named by its number, which nothing changes: 1, 2, … count the pairs of the report, u1, u2,
… its exchanges without a partner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import NamedTuple, overload

import numpy as np

from lbtrace.model.grpc import FAILURES
from lbtrace.model.http import MIN_SERVER_ERROR, Exchange
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import AttemptOutcome, UnpairedReason
from lbtrace.model.report import Report
from lbtrace.model.selection import EVERYTHING, NO_STATUS, At, Selection
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, among, distinct
from lbtrace.tables.grpc_calls import GrpcCalls
from lbtrace.tables.pairs import OUTCOMES, PairTable
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.sides import both_sides, side_table
from lbtrace.tables.words import Words

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
    """`rows` to list, `troubled` of them went wrong and come first; `of` there are without a
    selection.
    """

    rows: Sequence[Row]
    troubled: int
    of: int


def listing(report: Report, selection: Selection = EVERYTHING) -> Listing:
    """The rows of a report that are wanted."""
    return ListedExchanges(report).listing(selection)


def sampled(listed: Listing, most: int) -> list[Row]:
    """At most so many of the rows, in their order: those that went wrong first, then as many of the
    others as there is room for, evenly spread.
    """
    if len(listed.rows) <= most:
        return list(listed.rows)
    odd = list(listed.rows[: min(listed.troubled, most)])
    room, rest = most - len(odd), len(listed.rows) - listed.troubled
    return odd + [listed.rows[listed.troubled + i * rest // room] for i in range(room)]


class ListingAlone(NamedTuple):
    """The same of one capture: `rows` are the ids of its exchanges. `statuses` are (status, how
    often) of all its requests, most frequent first; NO_STATUS stands for no response.
    """

    rows: Sequence[int]
    troubled: int
    of: int
    statuses: Sequence[tuple[int, int]]


def listing_alone(
    trace: Trace, wrong: Iterable[int], selection: Selection = EVERYTHING
) -> ListingAlone:
    """The exchanges of one capture that are wanted: those that went wrong, then the others, each as
    captured. `wrong` are the frames that problems name.
    """
    table = side_table([trace], Words(), texts=bool(selection.methods or selection.paths))
    troubled = _errors(table) | _at_frames(table, wrong)
    wanted = _wanted(table, selection, (trace.first_ns, trace.last_ns))
    wanted &= _at(table, table.sources[table.connection], selection.clients)
    wanted &= _at(table, table.servers[table.connection], selection.backends)
    if selection.problems:
        wanted &= troubled
    rows = np.flatnonzero(wanted)
    order = rows[np.argsort(~troubled[rows], kind="stable")]
    return ListingAlone(order.tolist(), int(troubled[order].sum()), len(table), _statuses(table))


def _statuses(table: SideTable) -> list[tuple[int, int]]:
    status = np.where(table.responses.there, table.responses.start, NO_STATUS)
    # a request that was answered before it was asked counts with the status of that answer
    early = table.answered_before
    first = among(table.connection, table.connection[early]) & ~table.requests.there
    every, times = np.unique(status[table.requests.there & ~early | first], return_counts=True)
    order = np.argsort(-times, kind="stable")
    return list(zip(every[order].tolist(), times[order].tolist(), strict=True))


def exchanges_at(trace: Trace, frames: Iterable[int]) -> list[int]:
    """The exchanges of one capture that have a message at one of these frames."""
    found: list[int] = np.flatnonzero(
        _at_frames(side_table([trace], Words(), texts=False), frames)
    ).tolist()
    return found


def _errors(table: SideTable) -> Column:
    """Errors of a server: those that HTTP tells, and those of gRPC, for which HTTP says 200."""
    failed: Column = table.responses.there & (table.responses.start >= MIN_SERVER_ERROR)
    for trace, first in zip(table.traces, table.first_of, strict=True):
        calls = GrpcCalls.of(trace.calls)
        failed[calls.exchange[np.isin(calls.status, FAILURES)] + first] = True
    return failed


def _at_frames(table: SideTable, frames: Iterable[int]) -> Column:
    """Which exchanges have a message that begins, ends, or has the end of its head there."""
    found, left = np.zeros(len(table), bool), distinct(np.array(list(frames), np.int64))
    halves = (table.requests, table.responses)
    for messages in halves:
        for ends in (messages.first_frame, messages.last_frame):
            found |= messages.there & np.isin(ends, left)
    known = [ends for m in halves for ends in (m.first_frame[found], m.last_frame[found])]
    for frame in np.setdiff1d(left, np.concatenate(known)).tolist():
        for messages in halves:
            around = (messages.first_frame < frame) & (frame < messages.last_frame)
            for number in np.flatnonzero(messages.there & around).tolist():
                found[number] |= frame in _frames(table.exchange(number))
    return found


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

    def listing(self, selection: Selection = EVERYTHING) -> Listing:
        """What went wrong, then the other exchanges of clients, then those of backends alone; each
        as captured. Health checks are no exchange of a client, and as many as they like: they are
        listed only if a selection asks for them.
        """
        order = np.lexsort((self.exchange, ~self.side, ~self.troubled))
        checks = self._unpaired(UnpairedReason.HEALTH_CHECK)
        if not selection:
            order = order[~checks[order]]
        of = len(order)
        order = order[self._selected(selection)[order]]
        return Listing(_Rows(order, self.pairs), int(self.troubled[order].sum()), of)

    def _selected(self, selection: Selection) -> Column:
        """Which rows are wanted."""
        wanted = np.ones(len(self.side), bool)
        if not selection:
            return wanted
        for side, rows in ((Side.CLIENT, self.side), (Side.BACKEND, ~self.side)):
            of_side = _wanted(self.sides[side], selection, self.report.window_ns)
            wanted[rows] = of_side[self.exchange[rows]]
        if selection.problems:
            wanted &= self.troubled
        if selection.clients:
            table = self.sides[Side.CLIENT]
            sources = table.sources[table.connection[self.exchange[self.side]]]
            wanted[self.side] &= _at(table, sources, selection.clients)
            wanted[~self.side] = False
        if selection.backends:
            asked = _at(self.sides[Side.BACKEND], self._server_of_tries, selection.backends)
            wanted &= np.isin(np.arange(len(wanted)), self._tries[0][asked])
        return wanted

    @cached_property
    def _tries(self) -> tuple[Column, Column]:
        """(the row, the number of the exchange) of each backend exchange of a row."""
        table, rows = self.table, np.arange(len(self.side))
        behind = self.sides[Side.BACKEND].numbers(table.backend_point, table.backend)
        return (
            np.concatenate((np.repeat(rows[: self.pairs], table.attempts), rows[~self.side])),
            np.concatenate((behind, self.exchange[~self.side])),
        )

    @property
    def _server_of_tries(self) -> Column:
        table = self.sides[Side.BACKEND]
        servers: Column = table.servers[table.connection[self._tries[1]]]
        return servers

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
        client = self.side
        failed = np.zeros(len(client), bool)
        failed[client] = _errors(self.sides[Side.CLIENT])[self.exchange[client]]
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
        rows, behind = self._tries
        of = {side: np.full(len(held), _NONE) for side, held in self.sides.items()}
        of[Side.CLIENT][self.exchange[self.side]] = np.flatnonzero(self.side)
        of[Side.BACKEND][behind] = rows
        return of


def _frames(exchange: Exchange) -> set[int]:
    messages = [m for m in (exchange.request, exchange.response) if m is not None]
    return {frame for m in messages for frame in (m.first_frame, m.head_frame, m.last_frame)}


def _wanted(table: SideTable, selection: Selection, window_ns: tuple[int, int]) -> Column:
    """Which exchanges of a side have the method, path, status and time that are wanted."""
    requests, responses = table.requests, table.responses
    wanted = np.ones(len(table), bool)
    if selection.methods:
        wanted &= requests.there & _of_texts(
            table, requests.method, lambda text: text.upper() in selection.methods
        )
    if selection.paths:
        wanted &= requests.there & _of_texts(
            table, requests.start, lambda text: _matches(text, selection.paths)
        )
    if selection.statuses:
        status = np.where(responses.there, responses.start, NO_STATUS)
        wanted &= _any((status >= each.low) & (status <= each.high) for each in selection.statuses)
    begin = np.where(requests.there, requests.first_ns, responses.first_ns)
    if selection.since is not None:
        wanted &= begin >= selection.since.within(*window_ns, selection.zone)
    if selection.until is not None:
        wanted &= begin <= selection.until.within(*window_ns, selection.zone)
    return wanted


def _of_texts(table: SideTable, numbers: Column, wanted: Callable[[str], bool]) -> Column:
    """Which numbers are those of texts that are wanted; each text is looked at once."""
    distinct, which = np.unique(numbers, return_inverse=True)
    found = [wanted(table.words.text_list[number]) for number in distinct.tolist()]
    chosen: Column = np.array(found, bool)[which]
    return chosen


def _matches(target: str, globs: Iterable[str]) -> bool:
    path = target.partition("?")[0]
    return any(fnmatchcase(target, glob) or fnmatchcase(path, glob) for glob in globs)


def _at(table: SideTable, endpoints: Column, places: Sequence[At]) -> Column:
    """Which endpoints (their numbers) are at one of these places; all, if none is named."""
    if not places:
        return np.ones(len(endpoints), bool)
    distinct, which = np.unique(endpoints, return_inverse=True)
    found = [
        any(held.address == at.address and at.port in (None, held.port) for at in places)
        for held in map(table.endpoint, distinct.tolist())
    ]
    chosen: Column = np.array(found, bool)[which]
    return chosen


def _any(columns: Iterable[Column]) -> Column:
    found: Column = np.logical_or.reduce(list(columns))
    return found
