"""What the balancer adds, in whole nanoseconds, and never without the clock's error."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from statistics import median_low

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lbtrace.comparison import Comparison
from lbtrace.comparison.latency import (
    CLOCK_SET,
    NO_CLOCK,
    NOT_WHOLE,
    PIPELINED,
    SENT_AGAIN,
    SEVERAL_ATTEMPTS,
    TOLD_NS,
    _worth,
    excluded,
    latency_of,
    on_client_clock,
)
from lbtrace.correlate import correlate
from lbtrace.model.http import Exchange, Mark
from lbtrace.model.net import Side
from lbtrace.model.pairing import AttemptOutcome, Clock, ClockRefusal, ClockStep, Correlation
from lbtrace.model.report import Latency
from lbtrace.model.trace import SET_BACK, SET_FORWARD, Diagnostic
from lbtrace.options import Options
from tests.findings.simulated import ALB, four, judge_simulation, values, with_exchanges
from tests.laws import examples
from tests.simulator import EPOCH_NS, Balancer, Clockwork, Recording, Simulation
from tests.simulator.scenarios import SCENARIOS
from tests.verdict.recorded import comparisons

SECOND = 1_000_000_000
XFF = ("X-Forwarded-For", "{client}")


def total_ns(exchange: Exchange) -> int:
    """From the first byte of the request to the last byte of the response."""
    assert exchange.request is not None
    assert exchange.response is not None
    return exchange.response.last_ns - exchange.request.first_ns


def perform(simulation: Simulation) -> tuple[Recording, Correlation, Latency | None]:
    recorded = simulation.run()
    correlation = correlate(recorded.clients, recorded.backends, Options())
    return (
        recorded,
        correlation,
        Comparison(recorded.clients, recorded.backends, correlation).latency,
    )


@given(offset=st.integers(-3_600_000, 3_600_000), seed=st.integers(0, 1000))
@examples(15)
def test_the_difference_of_totals_needs_no_clock(offset: int, seed: int) -> None:
    """Whatever the clocks show, what was added is the same; and both halves add up to it within the
    clock's error.
    """
    simulation, away = four(ALB), four(ALB)
    simulation.seed = away.seed = seed
    away.backend_clock = Clockwork(offset_ns=offset * 1_000_000)
    here = perform(simulation)[2]
    there = perform(away)[2]
    assert here is not None
    assert there is not None
    assert here.added_median_ns == there.added_median_ns
    assert here.added_max_ns == there.added_max_ns
    if there.forward_median_ns is not None:
        assert there.half_width_ns is not None
        assert there.half_width_ns > 0


def test_the_median_is_a_value_that_occurred() -> None:
    recorded, correlation, measured = perform(four(ALB))
    front, back = recorded.clients[0].exchanges, recorded.backends[0].exchanges
    differences = [
        total_ns(front[p.client.id]) - total_ns(back[p.attempts[-1].backend.id])
        for p in correlation.pairs
    ]
    assert measured is not None
    assert measured.added_median_ns == median_low(differences)
    assert measured.added_max_ns == max(differences)
    assert measured.count == 4


def test_a_repeated_segment_is_no_latency() -> None:
    recorded = four(ALB).run()
    e = recorded.clients[0].exchanges[0]
    assert e.request is not None
    late = e._replace(request=e.request._replace(marks=(Mark.RETRANSMITTED,)))
    recorded.clients[0] = with_exchanges(recorded.clients[0], e0=late)
    correlation = correlate(recorded.clients, recorded.backends, Options())
    measured = Comparison(recorded.clients, recorded.backends, correlation).latency
    assert measured is not None
    assert measured.count == 3


def test_an_answer_from_before_its_request_is_a_clock_that_was_set_back() -> None:
    recorded, correlation, _ = perform(four(ALB))
    e = recorded.clients[0].exchanges[0]
    assert e.response is not None
    early = e._replace(response=e.response._replace(last_ns=e.response.last_ns - 2_000_000_000))
    recorded.clients[0] = with_exchanges(recorded.clients[0], e0=early)
    measured = Comparison(recorded.clients, recorded.backends, correlation).latency
    assert measured is not None
    assert measured.count == 3


@pytest.mark.parametrize(("where", "count"), [("before", 4), ("within", 3), ("behind", 4)])
@pytest.mark.parametrize("slug", [SET_BACK, SET_FORWARD])
def test_an_exchange_in_which_the_clock_was_set_has_no_time(
    where: str, count: int, slug: str
) -> None:
    recorded, correlation, _ = perform(four(ALB))
    e = recorded.clients[0].exchanges[0]
    assert e.request is not None
    assert e.response is not None
    frame = {
        "before": e.request.first_frame,
        "within": e.response.last_frame,
        "behind": e.response.last_frame + 1,
    }[where]
    said = Diagnostic(slug, "", 1, frame)
    recorded.clients[0] = replace(recorded.clients[0], diagnostics=(said,))
    measured = Comparison(recorded.clients, recorded.backends, correlation).latency
    assert measured is not None
    assert measured.count == count
    assert (CLOCK_SET, 4 - count) in measured.left_out or count == 4


@pytest.mark.parametrize(("longer_ms", "count"), [(900, 4), (1100, 3)])
def test_a_client_had_no_response_long_before_the_backend_had_sent_it(
    longer_ms: int, count: int
) -> None:
    recorded, correlation, _ = perform(four(ALB))
    number = correlation.pairs[0].attempts[-1].backend.id
    e = recorded.backends[0].exchanges[number]
    assert e.response is not None
    late = e._replace(response=e.response._replace(last_ns=e.response.last_ns + longer_ms * 10**6))
    recorded.backends[0] = with_exchanges(recorded.backends[0], **{f"e{number}": late})
    measured = Comparison(recorded.clients, recorded.backends, correlation).latency
    assert measured is not None
    assert measured.count == count


@pytest.mark.parametrize(("by_ms", "longer_ms", "count"), [
    (4000, 2100, 3), (-4000, 2100, 3), (4000, 1900, 4), (900, 800, 4),
])  # fmt: skip
def test_what_is_longer_by_half_a_step_of_the_clocks_spans_it(
    by_ms: int, longer_ms: int, count: int
) -> None:
    recorded, correlation, _ = perform(four(ALB))
    e = recorded.clients[0].exchanges[0]
    assert e.response is not None
    late = e._replace(response=e.response._replace(last_ns=e.response.last_ns + longer_ms * 10**6))
    recorded.clients[0] = with_exchanges(recorded.clients[0], e0=late)
    (clock,) = correlation.clocks
    step = ClockStep(by_ms * 10**6, 0)
    set_once = replace(correlation, clocks=(replace(clock, step=step),))
    measured = Comparison(recorded.clients, recorded.backends, set_once).latency
    assert measured is not None
    assert measured.count == count


def test_without_pairs_there_is_none() -> None:
    assert perform(Simulation())[2] is None


def test_it_is_said_with_the_round_trip() -> None:
    said = judge_simulation(four(ALB)).one("added-latency.total")
    assert int(values(said)["median"]) > 0
    assert "round_trip" in values(said)


def test_interchangeable_pairs_have_an_average_and_no_percentile() -> None:
    """Eight connections that ask the same at once: who waited how long for whom is open, the sum is
    not.
    """
    recorded = SCENARIOS["crowd-8"]().run()
    comparison = Comparison(
        recorded.clients,
        recorded.backends,
        correlate(recorded.clients, recorded.backends, Options()),
    )
    measured_ones = comparison.timed
    grouped = measured_ones.where(~measured_ones.alone) or comparison.pairs.where(
        ~comparison.pairs.alone
    )
    measured = latency_of(comparison, grouped)
    assert measured is not None
    assert measured.average
    assert measured.forward_median_ns is None
    true = [
        total_ns(m.client) - total_ns(recorded.backends[b.point].exchanges[b.id])
        for m in grouped
        for b in recorded.truth[m.client_ref]
    ]
    assert measured.added_median_ns == measured.added_max_ns == sum(true) // len(true)
    assert measured.sending == (0, 0)
    slowest = max(total_ns(m.client) for m in grouped)
    assert slowest in {total_ns(m.client) for m in grouped if m.place == measured.slowest_pair}


def test_a_way_takes_neither_less_than_nothing_nor_more_than_both() -> None:
    recorded = SCENARIOS["hour-offset"]().run()
    comparison = Comparison(
        recorded.clients,
        recorded.backends,
        correlate(recorded.clients, recorded.backends, Options()),
    )
    measured = comparison.latency
    assert measured is not None
    assert measured.forward_median_ns is not None
    assert measured.return_median_ns is not None
    assert 0 <= measured.forward_median_ns <= measured.added_max_ns
    assert 0 <= measured.return_median_ns <= measured.added_max_ns


def slow(upload_ms: float, streams: bool = False) -> Simulation:
    """Four uploads that the client sends for so long, and two requests without a body."""
    simulation = Simulation(seed=9, balancer=Balancer(add=[XFF], streams=streams))
    client = simulation.client("192.168.0.5")
    for n in range(4):
        body = b"up %d" % n
        client.asks("POST", f"/{n}", at_ms=4000 * n, body=body, upload_ms=upload_ms)
    client.asks("GET", "/x", at_ms=17_000)
    client.asks("GET", "/y", at_ms=17_500)
    return simulation


@given(upload_ms=st.integers(1, 3000), streams=st.booleans())
@examples(12)
def test_what_the_client_spends_on_sending_is_not_added(upload_ms: int, streams: bool) -> None:
    """The balancer adds as much to a slow upload as to a quick one, whether it waits for all of it
    or not; what is taken off is said.
    """
    _, _, quick = perform(slow(0))
    _, _, measured = perform(slow(upload_ms, streams))
    assert quick is not None
    assert measured is not None
    assert measured.added_max_ns == quick.added_max_ns
    assert measured.added_median_ns == quick.added_median_ns
    assert quick.sending.pairs == 0
    assert measured.sending == ((0, 0) if streams else (4, upload_ms * 1_000_000))
    if measured.forward_median_ns is not None:
        assert measured.forward_median_ns <= measured.added_max_ns


def test_a_slow_reader_is_taken_off_as_far_as_its_window_was_closed() -> None:
    recorded = four(ALB).run()
    e = recorded.clients[0].exchanges[0]
    assert e.response is not None
    late = e.response._replace(last_ns=e.response.last_ns + 5 * SECOND)
    trace = with_exchanges(recorded.clients[0], e0=e._replace(response=late))
    first = trace.connections[0]
    reader = first.from_client._replace(
        window_closed_ns=e.response.first_ns + 1, window_closed_for_ns=4 * SECOND
    )
    connections = [first._replace(from_client=reader), *trace.connections[1:]]
    recorded.clients[0] = replace(trace, connections=connections)
    correlation = correlate(recorded.clients, recorded.backends, Options())
    measured = Comparison(recorded.clients, recorded.backends, correlation).latency
    assert measured is not None
    assert measured.reading == (1, 4 * SECOND)
    assert SECOND <= measured.added_max_ns < 2 * SECOND


def test_every_pair_is_timed_or_left_out_for_a_reason() -> None:
    for name in ("retry-500", "crowd-8", "bad-gateway", "keep-alive-race"):
        recorded = SCENARIOS[name]().run()
        correlation = correlate(recorded.clients, recorded.backends, Options())
        comparison = Comparison(recorded.clients, recorded.backends, correlation)
        measured = comparison.latency
        assert measured is not None
        assert measured.count + sum(n for _, n in measured.left_out) == len(comparison.pairs)
        assert all(n > 0 for _, n in measured.left_out)


def test_the_reason_for_leaving_a_pair_out_is_named() -> None:
    recorded = four(ALB).run()
    e = recorded.clients[0].exchanges[0]
    assert e.request is not None
    late = e._replace(request=e.request._replace(marks=(Mark.RETRANSMITTED,)))
    recorded.clients[0] = with_exchanges(recorded.clients[0], e0=late)
    correlation = correlate(recorded.clients, recorded.backends, Options())
    measured = Comparison(recorded.clients, recorded.backends, correlation).latency
    assert measured is not None
    assert measured.left_out == ((SENT_AGAIN, 1),)


@examples(60)
@given(comparisons())
def test_what_was_added_pair_by_pair(comparison: Comparison) -> None:
    """Held against a reader of one pair at a time."""
    timed = list(comparison.timed)
    measured = comparison.latency
    if not timed or timed[0].found.group is not None:
        assert (measured is None) == (not timed)
        return
    assert measured is not None
    added, sending, ways, widths = [], [], [], []
    for pair in timed:
        (front, back), longer = pair.requests, total_ns(pair.client) - total_ns(pair.backend)
        more = (front.last_ns - front.first_ns) - (back.last_ns - back.first_ns)
        more = min(more, longer)
        sending.append(more if more >= 1_000_000 else 0)
        added.append(longer - sending[-1])
        clock = comparison.clock(pair.client_ref.point, pair.backend_ref.point)
        if clock is not None:
            asked = back.first_ns + clock.delta_ns(back.first_ns)
            passed = asked - front.first_ns - sending[-1]
            whole = max(added[-1], 0)
            ways.append((min(max(passed, 0), whole), whole - min(max(passed, 0), whole)))
            widths.append(clock.half_width_ns)
    ordered = sorted(added)
    assert measured.count == len(timed)
    assert measured.added_median_ns == median_low(added)
    assert measured.added_p95_ns == ordered[-(-len(added) * 95 // 100) - 1]
    assert measured.added_max_ns == ordered[-1]
    assert measured.client_median_ns == median_low(total_ns(p.client) for p in timed)
    assert measured.backend_median_ns == median_low(total_ns(p.backend) for p in timed)
    slowest = [p.place for p, ns in zip(timed, added, strict=True) if ns == ordered[-1]]
    assert measured.slowest_pair == max(slowest)
    assert (measured.sending.pairs, measured.sending.longest_ns) == (
        sum(ns > 0 for ns in sending),
        max(sending),
    )
    if ways:
        assert measured.forward_median_ns == median_low(forward for forward, _ in ways)
        assert measured.return_median_ns == median_low(back for _, back in ways)
        assert measured.half_width_ns == max(widths)
    else:
        assert (measured.forward_median_ns, measured.half_width_ns) == (None, None)


@examples(60)
@given(comparisons())
def test_which_pairs_are_timed(comparison: Comparison) -> None:
    """Answered at the first attempt, whole on both sides, nothing sent twice."""

    def tells(exchange: Exchange) -> bool:
        asked, answered = exchange.request, exchange.response
        marks = {
            *exchange.marks,
            *(asked.marks if asked else ()),
            *(answered.marks if answered else ()),
        }
        return (
            asked is not None
            and answered is not None
            and answered.body.complete
            and not marks & UNTIMED
        )

    expected = [
        p
        for p in comparison.pairs
        if p.outcome is AttemptOutcome.ANSWERED
        and len(p.found.attempts) == 1
        and tells(p.client)
        and tells(p.backend)
    ]
    if any(p.found.group is None for p in expected):
        expected = [p for p in expected if p.found.group is None]
    assert [p.place for p in comparison.timed] == [p.place for p in expected]
    left = sum(count for _, count in comparison.untimed)
    assert left + len(expected) == len(comparison.pairs)


UNTIMED = {
    Mark.RETRANSMITTED,
    Mark.RESYNCED,
    Mark.LOST,
    Mark.RESET,
    Mark.CAPTURE_ENDED,
    Mark.HEAD_TRUNCATED,
    Mark.PAIRED_BY_ORDER,
    Mark.PIPELINED,
}


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        (Mark.RETRANSMITTED, SENT_AGAIN),
        (Mark.PIPELINED, PIPELINED),
        (Mark.RESYNCED, NOT_WHOLE),
        (Mark.PAIRED_BY_ORDER, NOT_WHOLE),
    ],
)
def test_the_first_reason_that_applies_is_told(mark: Mark, reason: str) -> None:
    recorded, correlation, _ = perform(four(ALB))
    first, second, third, fourth = recorded.clients[0].exchanges
    assert first.request is not None
    assert second.response is not None
    assert third.response is not None
    marked = {
        "e0": first._replace(request=first.request._replace(marks=(mark,))),
        "e1": second._replace(response=second.response._replace(marks=(mark,))),
        "e2": third._replace(
            response=third.response._replace(body=third.response.body._replace(complete=False))
        ),
    }
    clients = [with_exchanges(recorded.clients[0], **marked)]
    measured = Comparison(clients, recorded.backends, correlation).latency
    assert measured is not None
    assert measured.count == 1
    left = {reason: 2} | {NOT_WHOLE: 1 + 2 * (reason == NOT_WHOLE)}
    assert dict(measured.left_out) == left
    several = [p._replace(attempts=(p.attempts[0], *p.attempts)) for p in correlation.pairs[:1]]
    tried = replace(correlation, pairs=[*several, *correlation.pairs[1:]])
    measured = Comparison(clients, recorded.backends, tried).latency
    assert measured is not None
    assert dict(measured.left_out)[SEVERAL_ATTEMPTS] == 1
    assert fourth.id == 3


TIMES = st.integers(0, 5000).map(lambda ms: ms * 1_000_000)


@cache
def an_upload() -> tuple[Recording, Correlation]:
    return perform(four(Balancer(add=[XFF]), targets=("/up",)))[:2]


@examples(200)
@given(upload=TIMES, early=TIMES, download=TIMES, closed=TIMES, passed_on=TIMES, sent=TIMES)
def test_never_more_is_taken_off_than_was_added(
    upload: int, early: int, download: int, closed: int, passed_on: int, sent: int
) -> None:
    """A backend may answer before it has the whole upload. Then the client sends and reads at the
    same time, and neither time may be taken off twice.
    """
    recorded, found = an_upload()
    (front,), (back,) = (trace.exchanges for trace in (recorded.clients[0], recorded.backends[0]))
    spoken = []
    for e, asked, begins, answered in (
        (front, upload, upload - min(early, upload), download),
        (back, passed_on, passed_on, sent),
    ):
        assert e.request is not None
        assert e.response is not None
        t = e.request.first_ns
        spoken.append(
            e._replace(
                request=e.request._replace(last_ns=t + asked),
                response=e.response._replace(first_ns=t + begins, last_ns=t + begins + answered),
            )
        )
    trace = with_exchanges(recorded.clients[0], e0=spoken[0])
    first = trace.connections[0]
    assert spoken[0].response is not None
    reader = first.from_client._replace(
        window_closed_ns=spoken[0].response.first_ns, window_closed_for_ns=closed
    )
    connections = [first._replace(from_client=reader), *trace.connections[1:]]
    clients = [replace(trace, connections=connections)]
    backends = [with_exchanges(recorded.backends[0], e0=spoken[1])]
    comparison = Comparison(clients, backends, found)
    longer = total_ns(spoken[0]) - total_ns(spoken[1])
    assume(longer > -1_000_000_000)  # else a clock was set meanwhile
    sending, reading = (
        int(column[0]) for column in excluded(comparison, comparison.timed, np.array([longer]))
    )
    assert 0 <= sending <= max(upload - passed_on, 0)
    assert 0 <= reading <= min(closed, max(download - sent, 0))
    assert sending + reading <= max(longer, 0)
    assert all(taken == 0 or taken >= TOLD_NS for taken in (sending, reading))
    measured = comparison.latency
    assert measured is not None
    assert measured.added_max_ns == longer - sending - reading


CLOCKS = st.builds(
    Clock,
    st.integers(0, 2),
    st.integers(0, 1),
    low_ns=st.integers(-(10**15), 10**15),
    drift_ppb=st.integers(-500_000, 500_000),
    reference_ns=st.integers(EPOCH_NS - 10**12, EPOCH_NS + 10**12),
    refused=st.sampled_from([None, None, ClockRefusal.CONTRADICTED]),
)


@cache
def of_several() -> Comparison:
    """Three client captures, and what they ask is on two backends, captured apart."""
    simulation = SCENARIOS["several-client-captures"]()
    simulation.separate_points = True
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, Options())
    return Comparison(recorded.clients, recorded.backends, found)


@examples(60)
@given(st.lists(CLOCKS, max_size=8), st.integers(0, 3))
def test_a_time_is_carried_by_the_clock_of_its_pair_and_wrong_by_half_its_width(
    clocks: list[Clock], width: int
) -> None:
    of = of_several()
    wide = tuple(replace(c, high_ns=c.low_ns + width) for c in clocks)
    of = replace(of, correlation=replace(of.correlation, clocks=wide), tables=of.sides)
    asked = of.sides[1].requests.first_ns[of.pairs.backend]
    shown, wrong = on_client_clock(of, of.pairs, asked)
    assert {(p.client_ref.point, p.backend_ref.point) for p in of.pairs} == {
        (i, j) for i in range(3) for j in range(2)
    }
    for pair, time, carried, half in zip(of.pairs, asked, shown, wrong, strict=True):
        clock = of.clock(pair.client_ref.point, pair.backend_ref.point)
        if clock is None:
            assert half == NO_CLOCK, "which is no width"
            assert carried == time
        else:
            assert half == clock.half_width_ns >= 0
            assert carried == time + clock.delta_ns(int(time))
    assert NO_CLOCK < 0


def test_a_clock_that_was_refused_is_none() -> None:
    recorded, correlation, measured = perform(four(ALB))
    assert measured is not None
    assert measured.forward_median_ns is not None
    refused = tuple(replace(c, refused=next(iter(ClockRefusal))) for c in correlation.clocks)
    of = Comparison(recorded.clients, recorded.backends, replace(correlation, clocks=refused))
    assert of.clock(0, 0) is None
    assert of.latency is not None
    assert of.latency.forward_median_ns is None
    assert of.latency.added_median_ns == measured.added_median_ns
    assert of.clock(0, 1) is None


def test_two_captures_of_nothing_are_not_the_same_capture() -> None:
    empty = Simulation().run()
    assert Comparison(empty.clients, empty.backends, Correlation()).same_captures == []
    recorded = four(ALB).run()
    twin = [replace(t, side=Side.BACKEND) for t in recorded.clients]
    assert len(Comparison(recorded.clients, twin, Correlation()).same_captures) == 1
    one = recorded.clients[0]
    later = replace(one, side=Side.BACKEND, connections=list(one.connections)[1:])
    assert Comparison([one], [later], Correlation()).same_captures == []


def test_less_than_a_millisecond_is_not_taken_off() -> None:
    times = np.array([0, 1, 999_999, 1_000_000, 1_000_001])
    assert _worth(times).tolist() == [0, 0, 0, 1_000_000, 1_000_001]
