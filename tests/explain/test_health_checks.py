"""What is a check of the balancer's, and what only looks like one."""

from lbtrace.correlate import correlate
from lbtrace.model.pairing import Confidence, Correlation
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Simulation
from tests.simulator.random_simulations import random_simulation
from tests.simulator.scenarios.base import XFF
from tests.simulator.score import score

AGENT = ("User-Agent", "SiteMonitor/2.0 (uptime probe)")


def monitored(balancer: Balancer) -> Correlation:
    """Clients, and a monitor on the internet that no client capture shows, at an even pace."""
    simulation = Simulation(seed=9, balancer=balancer, uncaptured_clients=1)
    client = simulation.client("198.51.100.7")
    for i in range(40):
        client.asks("GET", f"/item/{i}", at_ms=130 * i)
    monitor = simulation.client("203.0.113.50")
    for i in range(6):
        monitor.asks("GET", "/status", at_ms=1000 * i, headers=[AGENT])
    recorded = simulation.run()
    return correlate(recorded.clients, recorded.backends, DEFAULT)


def test_a_monitor_that_the_balancer_names_is_no_check() -> None:
    assert monitored(Balancer(add=[XFF], keep_alive=False)).health_checks == ()


def test_a_monitor_that_shares_connections_with_clients_is_no_check() -> None:
    assert monitored(Balancer(keep_alive=True)).health_checks == ()


def test_a_user_agent_alone_decides_nothing() -> None:
    """Two requests: no pace, nothing but the name."""
    simulation = Simulation(
        seed=9, balancer=Balancer(keep_alive=False), uncaptured_clients=1, client_loss=0.0
    )
    client = simulation.client("198.51.100.7")
    for i in range(12):
        client.asks("GET", f"/item/{i}", at_ms=130 * i)
    for i in range(2):
        simulation.client("203.0.113.50").asks("GET", "/", at_ms=700 * i, headers=[AGENT])
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    assert all(k.confidence is Confidence.LOW for k in found.health_checks)


def test_checks_are_found_beside_clients() -> None:
    balancer = Balancer(add=[XFF], check_ms=1000)
    assert [k.confidence for k in monitored(balancer).health_checks] == [Confidence.HIGH]


def test_a_field_that_a_few_clients_send_is_not_the_balancers() -> None:
    """A client polls at an even pace, with a capture that begins later; some requests of others
    have an X-Forwarded-For of their own.
    """
    recorded = random_simulation(2961).run()
    assert not score(recorded, correlate(recorded.clients, recorded.backends, DEFAULT))[1]
