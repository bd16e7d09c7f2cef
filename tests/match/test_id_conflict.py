"""What another client request says of itself is no part of this one's."""

from dataclasses import replace

from lbtrace.correlate import correlate
from lbtrace.match.id_conflict import wrong
from lbtrace.model.pairing import Confidence, Tier
from lbtrace.options import DEFAULT
from tests.match.states import unpaired
from tests.simulator import Balancer, Recording, Simulation


def two_alike() -> Recording:
    """Two requests for one target, each with a value of its own."""
    simulation = Simulation(seed=4, balancer=Balancer(add=[("X-Forwarded-For", "{client}")]))
    client = simulation.client("192.168.0.5")
    for i in range(2):
        client.asks("GET", "/m/1", at_ms=100 * i, headers=[("X-Correlation", f"zqag00000{i}")])
    return simulation.run()


def test_a_value_of_another_request_contradicts_a_pair_by_time() -> None:
    recorded = two_alike()
    for backend, expected in ((0, []), (1, [0])):
        state = unpaired(recorded.clients, recorded.backends)
        state.add(0, [backend], Tier.TIME, Confidence.MEDIUM, ())
        assert wrong(state) == expected


def test_a_request_behind_the_balancers_fin_reached_nobody() -> None:
    """The other capture has one exchange of its kind, at its time: another client's."""
    recorded = two_alike()
    (front,) = recorded.clients
    (back,) = recorded.backends
    late = front.exchanges[1]
    assert late.request is not None
    closed = front.connections[late.connection]
    closed = closed._replace(
        from_server=closed.from_server._replace(
            fin_frame=late.request.first_frame - 1, fin_ns=late.request.first_ns - 1
        )
    )
    connections = [closed if c.id == closed.id else c for c in front.connections]
    plain = [
        e._replace(request=e.request._replace(lines=e.request.lines[:3]))
        for e in back.exchanges
        if e.request is not None
    ]
    bare = [
        e._replace(request=e.request._replace(lines=e.request.lines[:3]))
        for e in front.exchanges
        if e.request is not None
    ]
    unread = [bare[0], bare[1]._replace(response=None)]
    for trace, paired in (
        (replace(front, exchanges=bare), 2),
        (replace(front, exchanges=unread, connections=connections), 1),
    ):
        found = correlate(
            [replace(trace)],
            [replace(back, exchanges=plain)],
            DEFAULT,
        )
        assert len(found.pairs) == paired


def test_an_id_that_passes_the_balancer_every_time_contradicts_a_pair_by_time() -> None:
    """The other client's request is missing from the capture, so nobody else is known to have sent
    the value.
    """
    simulation = Simulation(seed=4, balancer=Balancer())
    client = simulation.client("192.168.0.5")
    for i in range(5):
        client.asks(
            "GET",
            "/m/1",
            at_ms=100 * i,
            headers=[("X-Correlation", f"zqag00000{i}"), ("X-Same", "0123456789ab")],
        )
    recorded = simulation.run()
    (front,) = recorded.clients
    kept = [e for e in front.exchanges if e.id != 4]
    for sure, backend, expected in (
        (3, 4, [3]),
        (3, 3, []),
        (2, 4, []),
    ):  # of two pairs none is a habit
        state = unpaired([replace(front, exchanges=kept)], recorded.backends)
        for n in range(sure):
            state.add(n, [n], Tier.RARE_TOKEN, Confidence.HIGH, ())
        state.add(3, [backend], Tier.TIME, Confidence.MEDIUM, ())
        assert wrong(state) == expected
