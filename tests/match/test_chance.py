"""Any traffic × any balancer × offset and drift × loss: a pair is the truth or is declared
interchangeable, never confidently wrong.
"""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lbtrace.correlate import correlate
from lbtrace.model.pairing import Confidence
from lbtrace.options import DEFAULT, Options
from tests.laws import examples
from tests.simulator import Simulation
from tests.simulator.random_simulations import random_simulation
from tests.simulator.score import score
from tests.simulator.wire import Clockwork


@given(st.integers(0, 5000))
@example(259)  # a client that left, and another's failed try long after
@example(327)  # a hedge whose answer is not in the capture
@example(369)  # a mirror of its own clock
@example(524)  # a client's own X-Forwarded-For, and its request is not in the capture
@example(807)  # copies of a request of a client that was not captured
@example(1368)  # a client that is stated by an address nobody knows
@example(1840)  # source NAT: the balancer's address is no client's
@example(3337)  # a shadow that answers otherwise, and the answer is not in the capture
@example(3693)  # an answer from the cache, and copies: as many in front as behind
@example(3896)  # many alike at once, and the client capture ended early: no copies
@example(2467)  # a client capture that ended early, a backend capture that began late
@examples(60)
def test_never_confidently_wrong(seed: int) -> None:
    recorded = random_simulation(seed, most=60).run()
    _, said = score(recorded, correlate(recorded.clients, recorded.backends, DEFAULT))
    assert not said


def test_a_copy_that_came_late_is_no_try_of_a_request_beside_it() -> None:
    """A mirror beside refusals: the copies of requests that were answered lie inside others that
    the balancer refused.
    """
    recorded = random_simulation(123).run()
    _, said = score(recorded, correlate(recorded.clients, recorded.backends, DEFAULT))
    assert not said


@pytest.mark.parametrize(
    "seed",
    [
        5657,  # the balancer refused a request, and another client's began just before that
        5658,  # a value that occurs twice, and only the wrong two of the exchanges were captured
    ],
)
def test_never_confidently_wrong_of_many(seed: int) -> None:
    recorded = random_simulation(seed).run()
    _, said = score(recorded, correlate(recorded.clients, recorded.backends, DEFAULT))
    assert not said


@given(st.integers(0, 5000))
@examples(25)
def test_clock_interval_holds_the_truth(seed: int) -> None:
    simulation = random_simulation(seed, most=60)
    simulation.backend_clock.step_ns = 0
    if (
        simulation.client_loss or simulation.uncaptured
    ):  # the copy that answered may not be in the capture, and the other bounds too tightly
        simulation.balancer.hedge, simulation.balancer.mirror = 0, ""
    recorded = simulation.run()
    for known in correlate(recorded.clients, recorded.backends, DEFAULT).clocks:
        if known.refused or known.pairs < 3:
            continue
        truth = recorded.clocks[known.client_point, known.backend_point]
        slack = abs(
            truth[1] - truth[0]
        )  # a drift too small to be needed is inside the interval only somewhere
        assert known.low_ns - slack <= max(truth)
        assert min(truth) <= known.high_ns + slack


@given(st.integers(0, 5000))
@examples(15)
def test_a_stated_offset_is_believed(seed: int) -> None:
    simulation = random_simulation(seed, most=60)
    simulation.client_clock.drift_ppb = 0
    recorded = simulation.run()
    found = correlate(
        recorded.clients, recorded.backends, Options(clock_offset_ns=recorded.clocks[0, 0][0])
    )
    assert all(k.stated and k.low_ns == k.high_ns == recorded.clocks[0, 0][0] for k in found.clocks)
    assert not score(recorded, found)[1]


def test_one_request_on_each_side_that_share_nothing_are_no_pair() -> None:
    one, other = Simulation(seed=6), Simulation(seed=7, client_clock=Clockwork(10**15))
    one.client("192.168.0.5").asks("GET", "/")
    other.client("192.168.0.6").asks("GET", "/test.txt")
    found = correlate(one.run().clients, other.run().backends, DEFAULT)
    assert not found.pairs
    assert all(k.refused for k in found.clocks)


def test_one_request_on_each_side_that_look_alike_are_a_guess() -> None:
    one, other = Simulation(seed=6), Simulation(seed=7, client_clock=Clockwork(10**15))
    one.client("192.168.0.5").asks("GET", "/")
    other.client("192.168.0.6").asks("GET", "/")
    found = correlate(one.run().clients, other.run().backends, DEFAULT)
    assert all(p.confidence is Confidence.LOW for p in found.pairs)
    assert all(k.refused for k in found.clocks)
