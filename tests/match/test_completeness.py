"""What may be missing from the captures."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.match import match
from lbtrace.match.completeness import Strays, completeness, lossless
from lbtrace.match.timeline import timeline
from lbtrace.model.http import Exchange
from lbtrace.options import DEFAULT
from tests.simulator import Simulation


def asked_often(loss: float = 0.0) -> Simulation:
    simulation = Simulation(seed=5, client_loss=loss)
    client = simulation.client("192.168.0.5")
    for i in range(40):
        client.asks("GET", "/", at_ms=100 * i, connection="kept")
    return simulation


def test_both_sides_are_complete_when_nothing_is_missing_and_nothing_is_left() -> None:
    recorded = asked_often().run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    whole = completeness(found.pairs, found.clocks)
    assert whole.client
    assert whole.backend


def test_a_side_that_lost_packets_is_not_complete() -> None:
    recorded = asked_often(loss=0.1).run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    assert not lossless(found.pairs.client)
    assert not completeness(found.pairs, found.clocks).client


@given(st.floats(0, 1), st.floats(0, 1e-6), st.integers(0, 10_000_000))
def test_a_coincidence_is_likelier_the_more_is_missing_and_the_longer_the_wait(
    missing: float, rate: float, longer_ns: int
) -> None:
    recorded = asked_often().run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    line = timeline(found.pairs, found.clocks)
    c = next(iter(found.pairs.caused))
    b = found.pairs.caused[c][0]
    strays = Strays(missing, rate)
    odds = strays.odds(line, c, b)
    line.client_answered[c] += longer_ns
    assert strays.odds(line, c, b) >= odds >= 0
    assert replace(strays, unpartnered=min(2 * missing, 1)).odds(line, c, b) >= odds


def test_requests_to_other_servers_leave_the_backend_side_complete() -> None:
    """The captured client also asks a server that has nothing to do with the balancer."""
    recorded = asked_often().run()
    front = recorded.clients[0]
    other = front.connections[0].server._replace(address="203.0.113.80")
    elsewhere = front.connections[0]._replace(id=len(front.connections), server=other)
    asked = [
        e._replace(id=len(front.exchanges) + i, connection=elsewhere.id)
        for i, e in enumerate(front.exchanges[:5])
    ]
    both = replace(
        front,
        connections=[*front.connections, elsewhere],
        applications=[*front.applications, front.applications[0]],
        exchanges=[*front.exchanges, *(_asking(e, f"/update/{e.id}") for e in asked)],
    )
    found = match([both], recorded.backends, DEFAULT)
    assert completeness(found.pairs, found.clocks).backend


def _asking(e: Exchange, target: str) -> Exchange:
    assert e.request is not None
    return e._replace(request=e.request._replace(target=target))
