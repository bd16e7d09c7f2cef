"""The rounds of the matching, and what they begin with."""

from dataclasses import replace

from lbtrace.match import match
from lbtrace.match.model import _telling
from lbtrace.model.pairing import Confidence, ConnectionBasis, ConnectionPair, Ref
from lbtrace.options import DEFAULT, Options
from lbtrace.tables.sides import both_sides
from tests.simulator import Balancer, Clockwork, Recording, Simulation

SAME = ConnectionPair(Ref(0, 0), Ref(0, 0), ConnectionBasis.SAME_PACKETS, Confidence.CERTAIN)


def three_connections() -> Recording:
    simulation = Simulation(seed=2, balancer=Balancer(keep_alive=False))
    client = simulation.client("192.168.0.5")
    for i in range(3):
        client.asks("GET", f"/{i}", at_ms=100 * i)
    return simulation.run()


def test_a_syn_that_was_turned_back_tells_nothing_of_the_traffic() -> None:
    recorded = three_connections()
    front = recorded.clients[0]
    silent = front.connections[0]
    silent = silent._replace(
        from_client=silent.from_client._replace(bytes=0),
        from_server=silent.from_server._replace(bytes=0),
    )
    refused = replace(front, connections=[silent, *front.connections[1:]], exchanges=[])
    tables = both_sides([refused], recorded.backends)
    assert _telling([SAME], *tables) == []


def test_packets_that_carried_something_tell_how_traffic_is_handled() -> None:
    recorded = three_connections()
    assert _telling([SAME], *both_sides(recorded.clients, recorded.backends)) == [SAME]


def test_the_clocks_that_are_reported_are_those_that_the_pairs_nest_under() -> None:
    simulation = Simulation(seed=5, client_clock=Clockwork(7_000_000_000))
    for k in range(4):
        client = simulation.client(f"192.168.0.{5 + k}")
        for i in range(6):
            client.asks("GET", "/", at_ms=30 * i + k, connection="kept")
    recorded = simulation.run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    assert not found.clocks[0, 0].refused
    assert all(found.line.inside(c, b) for c, bs in found.pairs.caused.items() for b in bs)


def test_a_stated_clock_is_used_as_it_is() -> None:
    recorded = three_connections()
    found = match(recorded.clients, recorded.backends, Options(clock_offset_ns=5))
    assert (found.clocks[0, 0].low_ns, found.clocks[0, 0].high_ns) == (5, 5)
