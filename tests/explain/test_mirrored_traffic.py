"""A copy is told from another client's request by all that its backend is asked, never by one
exchange.
"""

from dataclasses import replace
from typing import Any

import pytest

from lbtrace.correlate import correlate
from lbtrace.model.http import Exchange, Request, Response
from lbtrace.model.pairing import (
    AttemptOutcome,
    Confidence,
    Correlation,
    Ref,
    UnpairedReason,
)
from lbtrace.options import DEFAULT
from tests.findings.simulated import judge_simulation, values
from tests.simulator import EPOCH_NS, MS, Balancer, Clockwork, Recording, Simulation
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.scenarios.base import TWO

STEPPING = Clockwork(0, 0, EPOCH_NS + 3_000 * MS, 50_000 * MS)


def seen(simulation: Simulation) -> tuple[Recording, Correlation]:
    recorded = simulation.run()
    return recorded, correlate(recorded.clients, recorded.backends, DEFAULT)


def copies(found: Correlation) -> set[tuple[int, int]]:
    return {u.ref for u in found.unpaired if u.reason is UnpairedReason.COPY}


def test_a_shadow_backend_gets_copies() -> None:
    recorded, found = seen(SCENARIOS["mirrored"]())
    assert copies(found) == recorded.copies
    assert {u.confidence for u in found.unpaired} == {Confidence.MEDIUM}
    assert {a.outcome for p in found.pairs for a in p.attempts} == {AttemptOutcome.ANSWERED}
    assert values(judge_simulation(SCENARIOS["mirrored"]()).one("retries.copies"))["count"] == 60


def test_a_client_that_was_not_captured_is_no_mirror() -> None:
    """It asks the same of another backend, but not at the same times."""
    simulation = Simulation(
        seed=3, balancer=Balancer(wander=False), backends=TWO, uncaptured_clients=1
    )
    mine, other = simulation.client("192.168.0.5"), simulation.client("192.168.0.6")
    for i in range(20):
        mine.asks("GET", f"/item/{i}", at_ms=100 * i, answer=b"mine %d" % i, connection="k")
        other.asks("GET", f"/item/{i}", at_ms=100 * i + 50, answer=b"other", connection="k")
    assert not copies(seen(simulation)[1])


def test_two_clients_that_ask_the_same_at_once_are_no_mirror() -> None:
    """The balancer states who asked."""
    simulation = Simulation(
        seed=3,
        balancer=Balancer(wander=False, add=[("X-Forwarded-For", "{client}")]),
        backends=TWO,
        uncaptured_clients=1,
    )
    mine, other = simulation.client("192.168.0.5"), simulation.client("192.168.0.6")
    for i in range(20):
        mine.asks("GET", f"/item/{i}", at_ms=100 * i, answer=b"mine %d" % i, connection="k")
        other.asks("GET", f"/item/{i}", at_ms=100 * i, answer=b"other", connection="k")
    assert not copies(seen(simulation)[1])


def two_legs() -> Simulation:
    """A balancer with an address on each backend network, and nothing that states who asked; every
    request with an id of its own.
    """
    simulation = SCENARIOS["mirrored"]()
    simulation.balancer.add, simulation.balancer.legs = [], {2: "172.31.99.1"}
    return simulation


def test_copies_may_come_from_another_address_of_the_balancer() -> None:
    recorded, found = seen(two_legs())
    assert copies(found) == recorded.copies


def test_another_source_address_is_no_other_client() -> None:
    """The balancer speaks to one backend from another address: nothing says that this is a
    client.
    """
    simulation = two_legs()
    simulation.client_loss = 0.05  # so that nothing can be called a copy
    _, found = seen(simulation)
    strangers = [u for u in found.unpaired if u.reason is UnpairedReason.OTHER_CLIENT]
    assert strangers
    assert {u.confidence for u in strangers} == {Confidence.LOW}


def test_copies_are_known_before_and_since_a_clock_was_set() -> None:
    simulation = SCENARIOS["mirrored"]()
    simulation.client_clock = STEPPING
    recorded, found = seen(simulation)
    assert found.clocks[0].step is not None
    assert copies(found) == recorded.copies


def _later(message: Request | Response, ns: int) -> dict[str, Any]:
    """The times of a message that came later."""
    return {name: getattr(message, name) + ns for name in ("first_ns", "head_ns", "last_ns")}


def _moved(e: Exchange, ns: int) -> Exchange:
    """An exchange that came later."""
    assert e.request is not None
    assert e.response is not None
    return e._replace(
        request=e.request._replace(**_later(e.request, ns)),
        response=e.response._replace(**_later(e.response, ns)),
    )


def test_a_copy_that_is_sent_after_the_answer_bounds_no_clock() -> None:
    """The balancer answers the client first and then sends the copy on: it began later than any try
    could.
    """
    simulation = Simulation(
        seed=5, balancer=Balancer(mirror="same"), backends=TWO, separate_points=True
    )
    client = simulation.client("192.168.0.5")
    for i in range(12):
        client.asks(
            "POST", f"/{i}", body=b'{"order": "%08d"}' % (i * 7919), at_ms=150 * i, answer=b"stored"
        )
    recorded = simulation.run()
    main, mirror = recorded.backends
    later = 60_000_000

    copies = {b.id for b in recorded.copies if b.point == 1}
    assert copies
    late = replace(
        mirror,
        exchanges=[_moved(e, later) if e.id in copies else e for e in mirror.exchanges],
    )
    for known in correlate(recorded.clients, [main, late], DEFAULT).clocks:
        assert (
            known.refused
            or known.low_ns
            <= recorded.clocks[known.client_point, known.backend_point][0]
            <= known.high_ns
        )


def mirrored_apart(later_ns: int, requests: int = 60) -> tuple[set[tuple[int, int]], set[Ref]]:
    """A mirror with a capture of its own, whose clock is so much ahead → the copies that were
    found, and those that there are.
    """
    simulation = Simulation(
        seed=5, balancer=Balancer(mirror="other"), backends=TWO, separate_points=True
    )
    client = simulation.client("192.168.0.5")
    for i in range(requests):
        client.asks("GET", f"/{i % 7}", at_ms=40 * i, answer=b"answer %d" % i)
    recorded = simulation.run()
    mirror = recorded.backends[next(iter(recorded.copies)).point]
    moved = [_moved(e, later_ns) for e in mirror.exchanges]
    backends = [replace(t, exchanges=moved) if t is mirror else t for t in recorded.backends]
    return copies(correlate(recorded.clients, backends, DEFAULT)), recorded.copies


@pytest.mark.parametrize("later_ns", [0, 4 * MS, -4 * MS])
def test_a_capture_of_nothing_but_copies_has_the_clock_of_its_neighbours(later_ns: int) -> None:
    found, there = mirrored_apart(later_ns)
    assert found == there


@pytest.mark.parametrize("later_ns", [100 * MS, -100 * MS, 3_600_000 * MS])
def test_what_is_in_step_at_another_time_may_be_another_client(later_ns: int) -> None:
    assert not mirrored_apart(later_ns)[0]


@pytest.mark.parametrize(("requests", "few"), [(4, True), (5, False)])
def test_few_in_step_may_be_chance(requests: int, few: bool) -> None:
    found, there = mirrored_apart(0, requests)
    assert found == (set() if few else there)


def test_an_attempt_at_a_mirror_is_a_copy_and_no_retry() -> None:
    """Every request goes to the last backend too, whose answers nobody gets."""
    balancer = Balancer(add=[("X-Request-Id", "{fresh}")], mirror="other")
    simulation = Simulation(seed=6, balancer=balancer, backends=TWO)
    client = simulation.client("192.168.0.5")
    for i in range(8):
        client.asks("POST", f"/order/{i}", at_ms=100 * i, body=b"order=%d" % i * 8)
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    outcomes = [a.outcome for p in found.pairs for a in p.attempts]
    assert outcomes.count(AttemptOutcome.COPY) == 8
    assert AttemptOutcome.SUPERSEDED not in outcomes
    copied = {
        a.backend for p in found.pairs for a in p.attempts if a.outcome is AttemptOutcome.COPY
    }
    assert copied == recorded.copies


def test_a_server_whose_answers_are_sometimes_used_is_no_mirror() -> None:
    """First attempts that failed with 500, and were sent again."""
    balancer = Balancer(add=[("X-Request-Id", "{fresh}")], retry=0.5, fail="500")
    simulation = Simulation(seed=6, balancer=balancer, backends=TWO)
    client = simulation.client("192.168.0.5")
    for i in range(20):
        client.asks("GET", f"/item/{i}", at_ms=100 * i)
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    assert any(len(p.attempts) > 1 for p in found.pairs)
    assert all(a.outcome is not AttemptOutcome.COPY for p in found.pairs for a in p.attempts)
