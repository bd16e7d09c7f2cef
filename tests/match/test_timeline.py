"""Everything on one clock, with what the clocks leave open on the safe side."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.match.exchange_times import FAR
from lbtrace.match.timeline import long_enough, timeline
from lbtrace.model.pairing import Clock, ClockRefusal
from tests.match.states import unpaired
from tests.simulator import Simulation


def asked() -> Simulation:
    simulation = Simulation(seed=6)
    client = simulation.client("192.168.0.5")
    for i in range(8):
        client.asks("GET", f"/{i}", at_ms=100 * i)
    return simulation


RECORDED = asked().run()
STATE = unpaired(RECORDED.clients, RECORDED.backends)
TRUE = [(c.id, bs[-1].id) for c, bs in RECORDED.truth.items()]


@given(st.integers(0, 10**8), st.integers(0, 10**8))
def test_the_true_partner_lies_inside_under_every_clock_that_allows_the_truth(
    less_ns: int, more_ns: int
) -> None:
    line = timeline(STATE, {(0, 0): Clock(0, 0, -less_ns, more_ns)})
    assert line.known
    for c, b in TRUE:
        assert line.timed(c, b)
        assert line.inside(c, b)
        assert line.began_inside(c, b)


@given(st.integers(60_000_000, 10**10))
def test_no_partner_lies_inside_under_an_offset_that_is_longer_than_the_wait(off_ns: int) -> None:
    for delta in (off_ns, -off_ns):
        line = timeline(STATE, {(0, 0): Clock(0, 0, delta, delta)})
        assert not any(line.inside(c, b) for c, b in TRUE)


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_what_lies_inside_under_a_clock_lies_inside_under_a_wider_one(
    width_ns: int, more_ns: int
) -> None:
    narrow = timeline(STATE, {(0, 0): Clock(0, 0, -width_ns, width_ns)})
    wide = timeline(STATE, {(0, 0): Clock(0, 0, -width_ns - more_ns, width_ns + more_ns)})
    for c in range(len(STATE.client)):
        for b in range(len(STATE.backend)):
            assert wide.inside(c, b) or not narrow.inside(c, b)
            assert narrow.began_inside(c, b) or not narrow.inside(c, b)


def test_without_a_clock_time_excludes_nobody() -> None:
    line = timeline(STATE, {(0, 0): Clock(0, 0, refused=ClockRefusal.NO_PAIR)})
    assert not line.known
    for c in range(len(STATE.client)):
        for b in range(len(STATE.backend)):
            assert line.inside(c, b)
            assert not line.timed(c, b)
    count = len(STATE.backend)
    assert line.backend_asked == [FAR] * count
    assert line.backend_answered == line.backend_began == [-FAR] * count


def test_a_client_waits_no_shorter_than_its_backend_took() -> None:
    for c, b in TRUE:
        assert long_enough(STATE, c, b)
        took = int(STATE.backend.reply[b] - STATE.backend.start[b])
        waited = int(STATE.client.reply[c] - STATE.client.start[c])
        assert not long_enough(STATE, c, b, slack=took - waited - 1)
        assert long_enough(STATE, c, b, slack=took - waited)
