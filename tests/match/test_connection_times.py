"""TLS that is passed on: nothing can be read, and the clock is known all the same."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.correlate import correlate
from lbtrace.match.connection_times import bounds
from lbtrace.model.pairing import ClockRefusal, Confidence, ConnectionBasis, ConnectionPair, Ref
from lbtrace.options import DEFAULT
from lbtrace.tables.sides import both_sides
from tests.laws import examples
from tests.simulator import Balancer, Recording, Simulation
from tests.simulator.wire import Clockwork


def passed_on(offset_ns: int = 0, seed: int = 4, clients: int = 6) -> Recording:
    """TLS through a layer 4 proxy, several requests on each connection."""
    simulation = Simulation(
        seed=seed, balancer=Balancer(kind="tls-pass"), client_clock=Clockwork(offset_ns)
    )
    for k in range(clients):
        client = simulation.client(f"192.168.0.{5 + k}")
        for i in range(3):
            client.asks("GET", "/", at_ms=40 * k + 9 * i, connection="kept")
    return simulation.run()


@given(st.integers(-(10**13), 10**13), st.integers(0, 1000))
@examples(30)
def test_the_clock_of_connections_that_were_passed_on_holds_the_truth(
    offset_ns: int, seed: int
) -> None:
    recorded = passed_on(offset_ns, seed)
    (clock,) = correlate(recorded.clients, recorded.backends, DEFAULT).clocks
    assert clock.refused is None
    assert clock.low_ns <= offset_ns <= clock.high_ns
    assert clock.pairs == 6
    assert clock.half_width_ns < 5_000_000


def test_what_never_arrived_bounds_nothing() -> None:
    """The client's last bytes did not reach the backend: its last payload there is an older one."""
    recorded = passed_on()
    back = recorded.backends[0]
    shorter = [
        c._replace(
            from_client=c.from_client._replace(
                bytes=c.from_client.bytes - 40,
                last_payload_ns=(c.from_client.last_payload_ns or 0) - 1_000_000_000,
            )
        )
        for c in back.connections
    ]
    found = correlate(recorded.clients, [replace(back, connections=shorter)], DEFAULT)
    assert found.clocks[0].refused is None
    assert found.clocks[0].low_ns <= 0 <= found.clocks[0].high_ns


def test_bytes_that_were_sent_again_bound_nothing() -> None:
    recorded = passed_on()
    front = recorded.clients[0]
    again = [
        c._replace(from_server=c.from_server._replace(retransmissions=1)) for c in front.connections
    ]
    found = correlate([replace(front, connections=again)], recorded.backends, DEFAULT)
    assert found.clocks[0].refused is ClockRefusal.NO_PAIR


def test_a_guess_bounds_nothing() -> None:
    recorded = passed_on()
    front, back = both_sides(recorded.clients, recorded.backends)
    pair = ConnectionPair(Ref(0, 0), Ref(0, 0), ConnectionBasis.TIME, Confidence.MEDIUM)
    assert bounds(front, back, [pair]) == {}
    assert bounds(front, back, [pair._replace(confidence=Confidence.CERTAIN)]).keys() == {(0, 0)}


def test_one_connection_that_was_passed_on_is_enough() -> None:
    """The same ClientHello is no likeness."""
    recorded = passed_on(clients=1)
    (clock,) = correlate(recorded.clients, recorded.backends, DEFAULT).clocks
    assert clock.refused is None
