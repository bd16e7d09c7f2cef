"""What a balancer states of who asked: its own word, never the client's."""

from __future__ import annotations

import pytest

from lbtrace.match.connections import (
    askers,
    by_stated_port,
    in_order,
    named,
    sent_statements,
    stated,
)
from lbtrace.match.model import match
from lbtrace.match.pairing import Pairing
from lbtrace.model.pairing import Ref
from lbtrace.options import DEFAULT
from tests.match.states import unpaired
from tests.simulator import Balancer, Simulation

FORGED = "8.8.8.8"


def asked(balancer: Balancer, forged: bool = False, seen_as: str = "") -> Pairing:
    simulation = Simulation(seed=3, balancer=balancer)
    client = simulation.client("203.0.113.7", seen_as)
    for i in range(6):
        own = [("X-Forwarded-For", FORGED)] if forged else []
        client.asks("GET", f"/{i}", at_ms=90 * i, headers=own, connection=f"k{i % 3}")
    recorded = simulation.run()
    return unpaired(recorded.clients, recorded.backends)


@pytest.mark.parametrize(
    ("balancer", "where", "port"),
    [
        (Balancer(add=[("X-Forwarded-For", "{client}")]), "X-Forwarded-For", False),
        (Balancer(add=[("X-Forwarded-For", "{client}:{clientport}")]), "X-Forwarded-For", True),
        (Balancer(add=[("Forwarded", 'for="{client}:{clientport}"')]), "Forwarded", True),
        (Balancer(proxy=1), "PROXY", True),
        (Balancer(proxy=2), "PROXY", True),
    ],
    ids=["xff", "xff-port", "forwarded", "proxy-1", "proxy-2"],
)
def test_the_address_is_read_where_it_is_stated(balancer: Balancer, where: str, port: bool) -> None:
    pairs = asked(balancer)
    for told in stated(pairs.backend, sent_statements(pairs.client)):
        assert told is not None
        assert (told.address, told.where) == ("203.0.113.7", where)
        assert bool(told.port) is port


def test_what_the_client_sent_itself_is_no_statement() -> None:
    pairs = asked(Balancer(), forged=True)
    assert sent_statements(pairs.client) == {FORGED}
    assert stated(pairs.backend, sent_statements(pairs.client)) == [None] * len(pairs.backend)


def test_of_a_chain_the_last_address_counts() -> None:
    pairs = asked(Balancer(add=[("X-Forwarded-For", "{old}, {client}")]), forged=True)
    said = stated(pairs.backend, sent_statements(pairs.client))
    assert {told.address for told in said if told} == {"203.0.113.7"}


def test_a_port_names_the_connection_also_through_a_nat_that_kept_it() -> None:
    for seen_as in ("", "1.240.235.98"):
        pairs = asked(Balancer(add=[("X-Forwarded-For", "{client}:{clientport}")]), seen_as=seen_as)
        found = by_stated_port(pairs.client, stated(pairs.backend, set()))
        assert len(found) == len(pairs.backend)
        for b, ref in found.items():
            target = pairs.backend.exchange(b).request
            (c,) = (
                c
                for c in range(len(pairs.client))
                if (q := pairs.client.exchange(c).request) and target and q.target == target.target
            )
            assert pairs.client.connection_ref(c) == ref


def test_without_a_port_no_connection_is_named() -> None:
    pairs = asked(Balancer(add=[("X-Forwarded-For", "{client}")]))
    assert by_stated_port(pairs.client, stated(pairs.backend, set())) == {}


@pytest.mark.parametrize("address", ["93.184.216.34", "192.168.0.5"])
def test_a_client_is_named_if_nobody_is_left_over(address: str) -> None:
    """By a private address only where the captures show everybody: many networks share them."""
    simulation = Simulation(seed=4, balancer=Balancer(add=[("X-Forwarded-For", "{client}")]))
    client = simulation.client(address)
    for i in range(3):
        client.asks("GET", "/", at_ms=200 * i)
    recorded = simulation.run()
    state = match(recorded.clients, recorded.backends, DEFAULT).pairs
    said = stated(state.backend, set())
    assert named(state, said, private=True) == {0, 1, 2}
    assert named(state, said, private=False) == (set() if address[:3] == "192" else {0, 1, 2})
    assert askers(state, said) == [address] * 3
    state.remove(0)
    assert named(state, said, private=True) == set()


def test_exchanges_of_one_connection_pair_in_order_if_both_are_whole() -> None:
    pairs = asked(Balancer(kind="l4-proxy", proxy=2))
    found = by_stated_port(pairs.client, stated(pairs.backend, set()))
    ref = Ref(0, 0)
    mine = [c for c in range(len(pairs.client)) if pairs.client.connection_ref(c) == ref]
    theirs = [b for b, named_by in found.items() if named_by == ref]
    assert in_order(pairs.client, pairs.backend, mine, theirs) == list(
        zip(mine, theirs, strict=True)
    )
    assert in_order(pairs.client, pairs.backend, mine, theirs[:-1]) == []
