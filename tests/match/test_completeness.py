"""What may be missing from the captures."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.match import match
from lbtrace.match.completeness import Strays, completeness, lossless
from lbtrace.match.timeline import timeline
from lbtrace.model.http import Exchange
from lbtrace.model.pairing import Completeness, Incomplete, Ref, SideCompleteness
from lbtrace.options import DEFAULT
from tests.simulator import Simulation
from tests.simulator.scenarios.base import TWO


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
    assert whole.client.complete
    assert whole.backend.complete


def test_a_side_that_lost_packets_is_not_complete() -> None:
    recorded = asked_often(loss=0.1).run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    assert not lossless(found.pairs.client)
    client = completeness(found.pairs, found.clocks).client
    assert not client.complete
    assert client.reason is Incomplete.REQUEST_MISSING
    assert client.exchange is not None
    assert recorded.clients[0].exchanges[client.exchange.id].request is None


def test_bytes_that_were_sent_and_not_captured_are_told_with_their_connection() -> None:
    recorded = asked_often().run()
    held = recorded.backends[0]
    connection = held.connections[0]
    holed = connection._replace(from_server=connection.from_server._replace(missing=100))
    recorded.backends[0] = replace(held, connections=[holed, *held.connections[1:]])
    found = match(recorded.clients, recorded.backends, DEFAULT)
    backend = completeness(found.pairs, found.clocks).backend
    assert backend == SideCompleteness(Incomplete.BYTES_MISSING, connection=Ref(0, 0))


def test_a_backend_that_was_not_captured_is_shown_by_a_request_without_partner() -> None:
    simulation = asked_often()
    simulation.backends, simulation.uncaptured = TWO, 1
    recorded = simulation.run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    backend = completeness(found.pairs, found.clocks).backend
    assert backend.reason is Incomplete.PARTNER_MISSING
    assert backend.exchange is not None
    assert not recorded.truth[backend.exchange]


def test_an_answer_whose_request_was_not_captured_shows_nothing_of_the_other_side() -> None:
    """A capture that begins late: its first answer looks like none, whoever gave it."""
    recorded = asked_often().run()
    front = recorded.clients[0]
    first = front.exchanges[0]._replace(request=None)
    late = replace(front, exchanges=[first, *front.exchanges[1:]])
    client, backend = match([late], recorded.backends, DEFAULT).completeness
    assert client.reason is Incomplete.REQUEST_MISSING
    assert backend.complete


def test_where_nothing_is_paired_nothing_is_complete() -> None:
    recorded = asked_often().run()
    found = match(recorded.clients, [], DEFAULT)
    assert completeness(found.pairs, found.clocks) == Completeness()
    assert not Completeness().client.complete


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


def test_a_backend_exchange_that_was_given_up_may_have_begun_at_any_time() -> None:
    """It took longer than the client waited, so it need not fit inside."""
    recorded = asked_often().run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    line = timeline(found.pairs, found.clocks)
    c = next(iter(found.pairs.caused))
    b = found.pairs.caused[c][0]
    waited = line.client_answered[c] - line.client_asked[c]
    line.backend_answered[b] = line.backend_asked[b] + 2 * waited
    assert not line.inside(c, b)
    assert Strays(1.0, 1e-9).odds(line, c, b) == 1e-9 * waited


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
    assert completeness(found.pairs, found.clocks).backend.complete


def _asking(e: Exchange, target: str) -> Exchange:
    assert e.request is not None
    return e._replace(request=e.request._replace(target=target))


@pytest.mark.parametrize(
    ("status", "own"),
    [(301, True), (302, True), (303, True), (307, True), (308, True), (502, True), (503, True),
     (504, True), (304, False), (404, False), (500, False)],
)  # fmt: skip
def test_an_answer_that_a_balancer_gives_itself_needs_no_backend(status: int, own: bool) -> None:
    """In the backends' name, so that nothing else shows whose it is."""
    recorded = asked_often().run()
    (front,), (back,) = recorded.clients, recorded.backends
    first = front.exchanges[20]
    assert first.response is not None
    asked = list(front.exchanges)
    asked[20] = first._replace(response=first.response._replace(status=status))
    without = [e for e in back.exchanges if e.id != recorded.truth[Ref(0, 20)][0].id]
    kept = [e._replace(id=n) for n, e in enumerate(without)]
    found = match([replace(front, exchanges=asked)], [replace(back, exchanges=kept)], DEFAULT)
    assert set(found.pairs.free_clients()) == {20}
    assert completeness(found.pairs, found.clocks).backend.complete == own
