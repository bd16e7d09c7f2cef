"""Which of the addresses that a balancer states is the captured client's."""

from __future__ import annotations

import random

from lbtrace.match import match
from lbtrace.match.client_identity import known
from lbtrace.match.connections import stated
from lbtrace.match.pairing import Pairing
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Simulation
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.scenarios.base import XFF

OFFICE, OTHER = "198.51.100.1", "198.51.100.2"


def asked(seen_as: str = OFFICE, requests: int = 12) -> tuple[Pairing, list[str]]:
    """The pairs of a client with ids of its own, and who asked as the balancer states it."""
    simulation = Simulation(seed=3, balancer=Balancer(add=[XFF]))
    client = simulation.client("192.168.0.5", seen_as)
    dice = random.Random(4)
    for i in range(requests):
        ids = [("X-Request-Id", f"{dice.getrandbits(128):032x}")]
        client.asks("GET", "/", at_ms=70 * i, headers=ids)
    recorded = simulation.run()
    pairs = match(recorded.clients, recorded.backends, DEFAULT).pairs
    said = stated(pairs.backend, set())
    return pairs, [s.address if s is not None else "" for s in said]


def test_a_client_that_is_stated_by_its_own_address_is_known() -> None:
    pairs, told = asked(seen_as="192.168.0.5")
    assert known(pairs, told) == {"192.168.0.5": "192.168.0.5"}


def test_pairs_that_agree_on_another_address_show_a_nat() -> None:
    pairs, told = asked()
    assert known(pairs, told) == {"192.168.0.5": OFFICE}


def test_pairs_that_disagree_show_nothing() -> None:
    pairs, told = asked()
    assert known(pairs, [OTHER, *told[1:]]) == {}


def test_two_pairs_may_be_chance_and_three_are_not() -> None:
    for requests, expected in ((2, {}), (3, {"192.168.0.5": OFFICE})):
        assert known(*asked(requests=requests)) == expected


def test_what_nobody_states_is_not_known() -> None:
    pairs, told = asked()
    assert known(pairs, [""] * len(told)) == {}


def test_of_two_offices_with_the_same_requests_the_one_that_fits_in_time_is_the_clients() -> None:
    recorded = SCENARIOS["two-behind-nat"]().run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    said = found.stated
    for c, bs in found.pairs.caused.items():
        assert found.pairs.client.client_address(c) == "192.168.0.5"
        assert {told.address for b in bs if (told := said[b])} == {OFFICE}


def test_a_client_on_the_balancers_own_machine_is_stated_as_such() -> None:
    """Everything over one loopback interface; a remote client is never stated so."""
    simulation = Simulation(seed=3, balancer=Balancer(add=[XFF]))
    client = simulation.client("127.0.0.1")
    for i in range(4):
        client.asks("GET", f"/{i}", at_ms=70 * i)
    recorded = simulation.run()
    found = match(recorded.clients, recorded.backends, DEFAULT)
    assert {s.address for s in found.stated if s is not None} == {"127.0.0.1"}
    assert not any(stated(found.pairs.backend, set()))
