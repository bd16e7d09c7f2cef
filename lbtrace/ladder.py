"""A row of the list → its steps: what went between client, balancer and backend, when, and in which
frame.

Times count from the client's request, by the clock of the client capture. A time behind the
balancer is carried over with the estimate of the clock, and is as uncertain as that:
`half_width_ns`. Without an estimate it has none. The order is that of the times, as far as it can
have been: a request reaches the balancer before a backend, and a response leaves a backend before
it reaches the client.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from lbtrace.language import N
from lbtrace.listing import Row
from lbtrace.model.http import Exchange
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import AttemptOutcome, Clock, Ref
from lbtrace.model.report import Report
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace

_FAILED = (
    AttemptOutcome.RESET,
    AttemptOutcome.CLOSED,
    AttemptOutcome.TIMEOUT,
    AttemptOutcome.UNKNOWN,
)


class Lane(IntEnum):
    """Who sends or receives."""

    CLIENT = 0
    BALANCER = 1
    BACKEND = 2


class Step(NamedTuple):
    """One arrow. `text` is text of the capture. `after_ns` is None where no clock tells it."""

    sender: Lane
    receiver: Lane
    text: str
    frame: FrameRef
    after_ns: int | None
    half_width_ns: int


class _When(IntEnum):
    """Where a step stands, whatever the clocks say."""

    FIRST = 0
    BETWEEN = 1
    LAST = 2
    ANY = 3  # where its time puts it


class _Event(NamedTuple):
    """What one end of a connection did."""

    by_client: bool
    text: str
    frame: int
    at_ns: int
    when: _When


class _Hop(NamedTuple):
    """An exchange on one side. `shift_ns` carries its times to the client capture, None if nothing
    does.
    """

    side: Side
    ref: Ref
    trace: Trace
    ended: bool  # without an answer in time, so that the end of its connection tells why
    answered: bool  # by the response that the client got
    shift_ns: int | None
    half_width_ns: int

    @property
    def exchange(self) -> Exchange:
        """What was asked and answered."""
        return self.trace.exchanges[self.ref.id]

    @property
    def connection(self) -> Connection:
        """What carried it."""
        return self.trace.connections[self.exchange.connection]


def ladder(report: Report, row: Row) -> tuple[Step, ...]:
    """The steps of a row, in order."""
    return _steps(list(_hops(report, row)))


def ladder_alone(trace: Trace, exchange: int) -> tuple[Step, ...]:
    """The steps of an exchange of one capture: between its client and its server."""
    unanswered = trace.exchanges[exchange].response is None
    return _steps([_Hop(Side.CLIENT, Ref(trace.point, exchange), trace, unanswered, True, 0, 0)])


def _steps(hops: Sequence[_Hop]) -> tuple[Step, ...]:
    start, answered = _span(hops[0])
    placed = []
    for hop in hops:
        for event in _events(hop):
            after = None if hop.shift_ns is None else event.at_ns + hop.shift_ns - start
            when = _when(hop, event, after, answered)
            placed.append((when, event.at_ns if after is None else after, _step(hop, event, after)))
    placed.sort(key=lambda place: place[:2])
    return tuple(step for _, _, step in placed)


def _span(first: _Hop) -> tuple[int, int | None]:
    """(when the first exchange begins, how long after that its response does)."""
    request, response = first.exchange.request, first.exchange.response
    begin = request or response
    start = begin.first_ns if begin is not None else first.connection.first_ns
    return start, None if response is None else response.first_ns - start


def refs_of(
    report: Report, row: Row
) -> tuple[Ref | None, tuple[tuple[Ref, AttemptOutcome | None], ...]]:
    """The client exchange of a row, and the backend exchanges that it caused with their outcomes;
    None where there is none.
    """
    if row.paired:
        pair = report.correlation.pairs[row.place]
        return pair.client, tuple(pair.attempts)
    alone = report.correlation.unpaired[row.place]
    return (alone.ref, ()) if alone.side == Side.CLIENT else (None, ((alone.ref, None),))


def _clock_between(report: Report, client_point: int, backend_point: int) -> Clock | None:
    """The estimate that carries times from one capture point to another; None without one."""
    for clock in report.correlation.clocks:
        if (clock.client_point, clock.backend_point) == (client_point, backend_point):
            return None if clock.refused else clock
    return None


def _hops(report: Report, row: Row) -> Iterator[_Hop]:
    front, behind = refs_of(report, row)
    if front is not None:
        trace = report.trace(Side.CLIENT, front.point)
        unanswered = trace.exchanges[front.id].response is None
        yield _Hop(Side.CLIENT, front, trace, unanswered, True, 0, 0)
    for ref, outcome in behind:
        trace = report.trace(Side.BACKEND, ref.point)
        how = outcome in _FAILED, outcome is AttemptOutcome.ANSWERED
        shift, half_width = (0, 0) if front is None else _shift(report, front, ref, trace)
        yield _Hop(Side.BACKEND, ref, trace, *how, shift, half_width)


def _shift(report: Report, front: Ref, ref: Ref, trace: Trace) -> tuple[int | None, int]:
    """(what carries the times of a backend exchange to the client capture, its error); None where
    nothing does.
    """
    clock = _clock_between(report, front.point, ref.point)
    if clock is None:
        return None, 0
    connection = trace.connections[trace.exchanges[ref.id].connection]
    return clock.delta_ns(connection.first_ns), clock.half_width_ns


def _events(hop: _Hop) -> Iterator[_Event]:
    yield from _opening(hop)
    exchange = hop.exchange
    request, response = exchange.request, exchange.response
    if request is not None:
        text = f"{request.method} {request.target}"
        yield _Event(True, text, request.first_frame, request.first_ns, _When.FIRST)
        if request.last_frame != request.first_frame:
            yield _Event(True, N("end of request"), request.last_frame, request.last_ns, _When.ANY)
    for interim in exchange.interim:
        yield _Event(False, str(interim.status), interim.frame, interim.time_ns, _When.ANY)
    if response is not None:
        text = f"{response.status or ''} {response.reason}".strip()
        when = _When.LAST if hop.answered else _When.ANY
        yield _Event(False, text, response.first_frame, response.first_ns, when)
        if response.last_frame != response.first_frame:
            yield _Event(
                False, N("end of response"), response.last_frame, response.last_ns, _When.ANY
            )
    yield from _end(hop)


def _opening(hop: _Hop) -> Iterator[_Event]:
    """The SYN of a connection that was opened for this exchange."""
    c = hop.connection
    if hop.exchange.ordinal == 1 and c.syn_frame is not None and c.syn_ns is not None:
        yield _Event(True, "SYN", c.syn_frame, c.syn_ns, _When.ANY)


def _end(hop: _Hop) -> Iterator[_Event]:
    """How the connection of an exchange without an answer ended."""
    if not hop.ended:
        return
    c = hop.connection
    for by_client, sent in ((True, c.from_client), (False, c.from_server)):
        for text, frame, at in (
            ("FIN", sent.fin_frame, sent.fin_ns),
            ("RST", sent.rst_frame, sent.rst_ns),
        ):
            if frame is not None and at is not None:
                yield _Event(by_client, text, frame, at, _When.ANY)


def _when(hop: _Hop, event: _Event, after_ns: int | None, answered_ns: int | None) -> _When:
    """Before, during or after what happens behind the balancer. Its time decides if it is free, and
    only by more than its error.
    """
    if event.when is not _When.ANY or after_ns is None:
        return event.when if hop.side is Side.CLIENT else _When.BETWEEN
    if after_ns < -hop.half_width_ns:
        return _When.FIRST
    late = answered_ns is not None and after_ns - hop.half_width_ns >= answered_ns
    return _When.LAST if late else _When.BETWEEN


def _step(hop: _Hop, event: _Event, after_ns: int | None) -> Step:
    ends = (
        (Lane.CLIENT, Lane.BALANCER) if hop.side is Side.CLIENT else (Lane.BALANCER, Lane.BACKEND)
    )
    sender, receiver = ends if event.by_client else ends[::-1]
    frame = hop.trace.ref(event.frame, event.at_ns)
    return Step(sender, receiver, event.text, frame, after_ns, hop.half_width_ns)
