"""What the balancer adds, in whole nanoseconds, and never without the clock's error."""

from __future__ import annotations

from dataclasses import replace
from statistics import median_low

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.comparison import Comparison
from lbtrace.comparison.latency import SENT_AGAIN, latency_of
from lbtrace.correlate import correlate
from lbtrace.model.http import Exchange, Mark
from lbtrace.model.net import Side
from lbtrace.model.pairing import AttemptOutcome, ClockRefusal, Correlation
from lbtrace.model.report import Latency
from lbtrace.options import Options
from tests.findings.simulated import ALB, four, judge_simulation, values, with_exchanges
from tests.laws import examples
from tests.simulator import Balancer, Clockwork, Recording, Simulation
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
