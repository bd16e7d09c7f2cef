"""Which source address can only be the client's own, as a NAT shows it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lbtrace.comparison import Comparison
from lbtrace.model.net import Endpoint
from lbtrace.model.pairing import AddressMapping, Correlation, HealthCheck, Topology
from tests.comparison.test_frames import comparison

PRIVATE, PUBLIC, OTHER = "192.168.0.5", "1.240.235.98", "9.9.9.9"
STATED = "x-forwarded-for"


def of(
    client: str,
    balancer: str,
    source: str,
    backend: str,
    mappings: tuple[AddressMapping, ...] = (),
    checker: str = "",
) -> Comparison:
    """One connection on each side, between these addresses, of one pair of exchanges."""
    whole = comparison(1)
    (front,), (back,) = whole.clients, whole.backends
    (a,), (b,) = front.connections, back.connections
    a = a._replace(client=Endpoint(client, 1), server=Endpoint(balancer, 80))
    b = b._replace(client=Endpoint(source, 2), server=Endpoint(backend, 8080))
    checks = (HealthCheck(checker, b.server, 0, "GET", "/", "", None, (), ()),) if checker else ()
    found = replace(
        whole.correlation,
        topology=replace(Topology(), mappings=mappings),
        health_checks=checks,
    )
    return Comparison([replace(front, connections=[a])], [replace(back, connections=[b])], found)


def mapping(client: str, seen_as: str, stated_by: str | None = None) -> AddressMapping:
    return AddressMapping(client, seen_as, stated_by, 1, 1)


ZERO = np.zeros(1, np.int64)


@pytest.mark.parametrize(
    ("client", "balancer", "source", "backend", "behind"),
    [
        (PRIVATE, "203.0.113.80", PUBLIC, "10.0.0.1", True),
        ("100.64.0.9", "203.0.113.80", PUBLIC, "10.0.0.1", True),  # RFC 6598
        (PRIVATE, "203.0.113.80", "10.0.0.7", "10.0.0.1", False),  # the source is private
        (OTHER, "203.0.113.80", PUBLIC, "10.0.0.1", False),  # the client is on the internet
        (PRIVATE, "203.0.113.80", PUBLIC, "8.8.8.8", False),  # so is the backend
        (PRIVATE, PUBLIC, PUBLIC, "10.0.0.1", False),  # the balancer itself
        (PRIVATE, "203.0.113.80", PRIVATE, "10.0.0.1", False),  # nothing was rewritten
    ],
)
def test_a_public_source_of_a_private_client(
    client: str, balancer: str, source: str, backend: str, behind: bool
) -> None:
    given = of(client, balancer, source, backend)
    assert given.behind_nat(ZERO, ZERO).tolist() == [behind]
    checked = of(client, balancer, source, backend, checker=source)
    assert not checked.behind_nat(ZERO, ZERO).any(), "health checks come from the balancer"


def test_what_the_balancer_states_says_so() -> None:
    stated = of(
        PRIVATE, "203.0.113.80", "10.0.0.7", "10.0.0.1", (mapping(PRIVATE, "10.0.0.7", STATED),)
    )
    assert stated.behind_nat(ZERO, ZERO).all()
    seen = of(PRIVATE, "203.0.113.80", "10.0.0.7", "10.0.0.1", (mapping(PRIVATE, "10.0.0.7"),))
    assert not seen.behind_nat(ZERO, ZERO).any(), "seen is not stated"
    another = of(
        PRIVATE, "203.0.113.80", "10.0.0.7", "10.0.0.1", (mapping(OTHER, "10.0.0.7", STATED),)
    )
    assert not another.behind_nat(ZERO, ZERO).any(), "stated of another client"


def test_every_address_of_a_client() -> None:
    given = of(PRIVATE, "203.0.113.80", "10.0.0.7", "10.0.0.1", (mapping(PRIVATE, PUBLIC, STATED),))
    assert given.addresses_of(PRIVATE) == {PRIVATE, PUBLIC}
    assert given.addresses_of(OTHER) == {OTHER}
    kept = of(PRIVATE, "203.0.113.80", PRIVATE, "10.0.0.1", (mapping(PRIVATE, PUBLIC, STATED),))
    assert kept.addresses_of(PRIVATE) == {PRIVATE}, "it reaches the backend under its own address"


@pytest.mark.parametrize(
    ("found", "nat"),
    [
        (mapping(PRIVATE, PUBLIC, STATED), True),
        (mapping(PRIVATE, PRIVATE, STATED), False),
        (mapping("2001:db8::1", "2001:DB8:0::1", STATED), False),
        (mapping(PRIVATE, "10.0.0.7", STATED), True),
        (mapping(PRIVATE, PUBLIC), True),  # the source itself shows it
        (mapping(PRIVATE, "127.0.0.1", STATED), False),  # a proxy on the balancer's own host
        (mapping(PRIVATE, "::1", STATED), False),
        (mapping(PRIVATE, OTHER), False),  # no connection comes from there
    ],
)
def test_mappings_that_mean_a_nat(found: AddressMapping, nat: bool) -> None:
    given = of(PRIVATE, "203.0.113.80", PUBLIC, "10.0.0.1", (found,))
    assert given.nat_mappings == ([found] if nat else [])


def test_the_balancers_own_addresses_are_no_nat() -> None:
    stated = mapping(PRIVATE, OTHER, STATED)
    given = of(PRIVATE, "203.0.113.80", PUBLIC, "10.0.0.1", (stated,))
    assert given.nat_mappings == [stated]
    for own in (
        replace(given.correlation.topology, balancer_back=(OTHER,)),
        replace(given.correlation.topology, fronts=(Endpoint(OTHER, 80),)),
    ):
        made = replace(given.correlation, topology=own)
        assert Comparison(given.clients, given.backends, made).nat_mappings == []
    assert of(PRIVATE, "1.1.1.1", PUBLIC, "10.0.0.1", (stated,), checker=OTHER).nat_mappings == []


def test_an_address_of_another_client_in_the_capture_is_no_nat() -> None:
    """One request was taken for the other's: what the balancer says is the other client."""
    stated = mapping(PRIVATE, OTHER, STATED)
    given = of(PRIVATE, "203.0.113.80", PUBLIC, "10.0.0.1", (stated,))
    (front,) = given.clients
    (held,) = front.connections
    another = held._replace(id=1, client=Endpoint(OTHER, 7))
    clients = [replace(front, connections=[held, another])]
    assert given.nat_mappings == [stated]
    assert Comparison(clients, given.backends, given.correlation).nat_mappings == []


def test_a_stated_address_that_a_nat_may_show() -> None:
    given = Comparison([], [], Correlation())
    assert given.may_be_behind_nat(PRIVATE, ["10.0.0.1", PUBLIC])
    assert not given.may_be_behind_nat(PRIVATE, ["10.0.0.1"])
    assert not given.may_be_behind_nat(PRIVATE, [])
    assert not given.may_be_behind_nat(OTHER, [PUBLIC])
