"""The steps of one exchange across the balancer: their order, times and frames."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.ladder import Lane, Step, ladder, ladder_alone
from lbtrace.listing import Row
from lbtrace.model.http import Interim
from lbtrace.model.net import Side
from lbtrace.model.pairing import (
    Attempt,
    AttemptOutcome,
    ClockRefusal,
    Confidence,
    Ref,
    Unpaired,
    UnpairedReason,
)
from lbtrace.model.report import Report
from lbtrace.model.trace import Trace
from tests.render import founding

MS = founding.MS
FIRST, UNPAIRED = Row(True, 0), Row(False, 0)
THERE, BACK = (Lane.BALANCER, Lane.BACKEND), (Lane.BACKEND, Lane.BALANCER)


def told(steps: tuple[Step, ...]) -> list[tuple[str, str, int]]:
    """(side, text, frame) of each step."""
    return [(step.frame.side.value, step.text, step.frame.number) for step in steps]


def with_outcomes(report: Report, *outcomes: AttemptOutcome) -> Report:
    """The first pair with so many attempts: the backend exchanges 1, 2, …"""
    first, *others = report.correlation.pairs
    attempts = tuple(Attempt(Ref(0, 1 + n), outcome) for n, outcome in enumerate(outcomes))
    pairs = (first._replace(attempts=attempts), *others)
    return replace(report, correlation=replace(report.correlation, pairs=pairs))


def with_clock(report: Report, **changes: object) -> Report:
    (clock,) = report.correlation.clocks
    clocks = (replace(clock, **changes),)  # type: ignore[arg-type]
    return replace(report, correlation=replace(report.correlation, clocks=clocks))


def with_backend(report: Report, **changes: object) -> Report:
    (trace,) = report.backends
    return replace(report, backends=(replace(trace, **changes),))  # type: ignore[arg-type]


def test_a_request_goes_there_and_its_response_comes_back() -> None:
    report = founding.report()
    steps = ladder(report, FIRST)
    assert told(steps) == [
        ("client", "SYN", 1),
        ("client", "GET /divide/25", 4),
        ("backend", "SYN", 11),
        ("backend", "GET /divide/25", 14),
        ("backend", "200 OK", 15),
        ("client", "200 OK", 6),
    ]
    assert [(step.sender, step.receiver) for step in steps] == [
        (Lane.CLIENT, Lane.BALANCER),
        (Lane.CLIENT, Lane.BALANCER),
        THERE,
        THERE,
        BACK,
        (Lane.BALANCER, Lane.CLIENT),
    ]


def test_times_behind_are_carried_over_with_their_error() -> None:
    report = founding.report()
    (clock,) = report.correlation.clocks
    steps = ladder(report, FIRST)
    request = founding.NOON + founding.AHEAD + 3 * MS
    behind = founding.NOON + 4 * MS + clock.delta_ns(founding.NOON + 2 * MS)
    assert [step.after_ns for step in steps[:2]] == [-3 * MS, 0]
    assert steps[3].after_ns == behind - request
    assert [bool(step.half_width_ns) for step in steps] == [False, False, True, True, True, False]
    assert steps[3].half_width_ns == clock.half_width_ns


def test_without_a_clock_there_is_an_order_and_no_time() -> None:
    report = with_clock(founding.report(), refused=ClockRefusal.NO_PAIR)
    steps = ladder(report, FIRST)
    assert told(steps) == told(ladder(founding.report(), FIRST))
    assert [step.after_ns is None for step in steps] == [False, False, True, True, True, False]
    assert not any(step.half_width_ns for step in steps)


@pytest.mark.parametrize("wrong", [-90 * MS, 90 * MS])
def test_an_order_that_cannot_have_been_is_not_told(wrong: int) -> None:
    report = founding.report()
    (clock,) = report.correlation.clocks
    off = with_clock(report, low_ns=clock.low_ns + wrong, high_ns=clock.high_ns + wrong)
    messages = [step for step in told(ladder(off, FIRST)) if step[1] != "SYN"]
    assert messages == [step for step in told(ladder(report, FIRST)) if step[1] != "SYN"]


def test_an_answer_that_came_too_late_stands_behind_that_of_the_client() -> None:
    report = with_outcomes(founding.report(), AttemptOutcome.TIMEOUT)
    (trace,) = report.backends
    exchanges = list(trace.exchanges)
    response = exchanges[1].response
    assert response is not None
    late = response._replace(first_ns=response.first_ns + 50 * MS)
    exchanges[1] = exchanges[1]._replace(response=late)
    steps = told(ladder(with_backend(report, exchanges=exchanges), FIRST))
    assert steps[-2:] == [("client", "200 OK", 6), ("backend", "200 OK", 15)]
    answered = with_outcomes(with_backend(report, exchanges=exchanges), AttemptOutcome.ANSWERED)
    assert told(ladder(answered, FIRST))[-1] == ("client", "200 OK", 6)


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [
        (AttemptOutcome.RESET, True),
        (AttemptOutcome.CLOSED, True),
        (AttemptOutcome.TIMEOUT, True),
        (AttemptOutcome.UNKNOWN, True),
        (AttemptOutcome.ANSWERED, False),
        (AttemptOutcome.SUPERSEDED, False),
    ],
)
def test_the_end_of_a_connection_is_shown_where_an_attempt_failed(
    outcome: AttemptOutcome, shown: bool
) -> None:
    report = with_outcomes(founding.report(), outcome)
    (trace,) = report.backends
    connections = list(trace.connections)
    at = founding.NOON + 3 * MS
    ends = connections[1].from_server._replace(fin_frame=13, fin_ns=at, rst_frame=22, rst_ns=at)
    connections[1] = connections[1]._replace(from_server=ends)
    steps = told(ladder(with_backend(report, connections=connections), FIRST))
    assert (("backend", "FIN", 13) in steps) is shown
    assert (("backend", "RST", 22) in steps) is shown


def test_the_end_of_a_connection_before_the_request_comes_first() -> None:
    report = with_outcomes(founding.report(), AttemptOutcome.RESET)
    (trace,) = report.backends
    connections = list(trace.connections)
    long_ago = connections[1].from_server._replace(fin_frame=12, fin_ns=founding.NOON - 500 * MS)
    connections[1] = connections[1]._replace(from_server=long_ago)
    assert told(ladder(with_backend(report, connections=connections), FIRST))[0] == (
        "backend",
        "FIN",
        12,
    )


def long_messages(trace: Trace, id_: int) -> Trace:
    """Request and response of an exchange end three frames after they begin."""
    exchanges = list(trace.exchanges)
    e = exchanges[id_]
    assert e.request is not None
    assert e.response is not None
    request = e.request._replace(last_frame=e.request.last_frame + 3, last_ns=e.request.last_ns + 2)
    response = e.response._replace(
        last_frame=e.response.last_frame + 3, last_ns=e.response.last_ns + 1
    )
    interim = (Interim(100, (), e.request.first_frame + 1, e.request.first_ns + 1),)
    exchanges[id_] = e._replace(request=request, response=response, interim=interim)
    return replace(trace, exchanges=exchanges)


def test_messages_of_several_frames_have_an_end_and_an_interim_response_its_step() -> None:
    steps = told(ladder_alone(long_messages(founding.client_trace(), 0), 0))
    assert steps == [
        ("client", "SYN", 1),
        ("client", "GET /divide/25", 4),
        ("client", "100", 5),
        ("client", "end of request", 7),
        ("client", "200 OK", 6),
        ("client", "end of response", 9),
    ]


def test_only_the_first_exchange_of_a_connection_has_its_syn() -> None:
    assert [step[1] for step in told(ladder(founding.report(), Row(True, 1)))].count("SYN") == 1


@pytest.mark.parametrize(
    ("side", "lanes"),
    [("client", {Lane.CLIENT, Lane.BALANCER}), ("backend", {Lane.BALANCER, Lane.BACKEND})],
)
def test_an_exchange_without_a_partner_has_its_own_side(side: str, lanes: set[Lane]) -> None:
    alone = Unpaired(side, Ref(0, 0), UnpairedReason.UNKNOWN, Confidence.HIGH)
    report = founding.report()
    report = replace(report, correlation=replace(report.correlation, pairs=(), unpaired=(alone,)))
    steps = ladder(report, UNPAIRED)
    assert {lane for step in steps for lane in step[:2]} == lanes
    assert all(step.after_ns is not None and not step.half_width_ns for step in steps)


def test_a_request_that_nobody_answered_shows_how_its_connection_ended() -> None:
    trace = founding.client_trace()
    exchanges, connections = list(trace.exchanges), list(trace.connections)
    exchanges[0] = exchanges[0]._replace(response=None)
    ended = connections[0].from_client._replace(fin_frame=8, fin_ns=trace.last_ns)
    connections[0] = connections[0]._replace(from_client=ended)
    steps = ladder_alone(replace(trace, exchanges=exchanges, connections=connections), 0)
    assert told(steps)[-1] == ("client", "FIN", 8)
    assert all(step.frame.side is Side.CLIENT for step in steps)
