"""Two backend captures, one without a clock: nothing on it is nested in time, and nothing longer
than its client waited is its cause.
"""

from lbtrace.correlate import correlate
from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import Confidence, Tier
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Simulation
from tests.simulator.wire import Clockwork

ONE, OTHER = Endpoint("172.31.11.95", 8080), Endpoint("172.31.11.96", 8080)


def test_a_point_without_a_clock_has_no_nesting() -> None:
    """Many targets on one backend; a single request on the other, like one that a client sends
    which was answered by a cache.
    """
    simulation = Simulation(
        seed=5,
        balancer=Balancer(wander=False),
        backends=(ONE, OTHER),
        separate_points=True,
        uncaptured_clients=1,
    )
    simulation.backend_clock = Clockwork(5_000_000_000)
    mine, stranger = simulation.client("192.168.0.5"), simulation.client("192.168.0.6")
    for i in range(1, 21):
        mine.asks("GET", f"/item/{i}", at_ms=100 * i, answer=b"item %d" % i, connection="k")
    recorded = simulation.run()
    del stranger
    alone = Simulation(seed=6, backends=(OTHER,), serve_us=(40_000, 50_000))
    alone.client("192.168.0.7").asks("GET", "/item/9", answer=b"item 9")
    other = alone.run().backends[0]
    found = correlate(recorded.clients, [recorded.backends[0], other], DEFAULT)
    assert not [
        p
        for p in found.pairs
        if p.attempts[-1].backend.point == 1 and p.confidence is not Confidence.LOW
    ]
    assert not [p for p in found.pairs if p.attempts[-1].backend.point == 1 and p.tier is Tier.TIME]
