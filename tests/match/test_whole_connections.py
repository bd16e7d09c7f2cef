"""Connections that a balancer keeps apart: what stands alone on one tells whose the rest is."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from lbtrace.correlate import correlate
from lbtrace.match.legs import part_of
from lbtrace.match.model import match
from lbtrace.model.net import Side
from lbtrace.model.pairing import Clue, Correlation, Reason, Tier
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Recording, Simulation
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.scenarios.base import TWO
from tests.simulator.score import score


def busy(balancer: Balancer, seed: int, connections: int = 30, loss: float = 0.0) -> Recording:
    """Equal requests on many connections at once."""
    simulation = Simulation(
        seed=seed, balancer=balancer, backends=TWO, client_loss=loss, backend_loss=loss
    )
    dice = random.Random(seed)
    for k in range(connections):
        client = simulation.client(f"192.168.0.{5 + k % 5}")
        begin = dice.random() * 20 * connections
        for i in range(4):
            at_ms, think_ms = begin + 30 * i, 30 * dice.random()
            client.asks("GET", "/", at_ms=at_ms, connection=f"k{k}", think_ms=think_ms)
    return simulation.run()


def by_connection(found: Correlation) -> int:
    """Pairs that whole connections told."""
    return sum(reason.clue is Clue.WHOLE_CONNECTION for p in found.pairs for reason in p.reasons)


@pytest.mark.parametrize("name", ["whole-connections", "whole-connections-by-responses"])
def test_all_connections_are_paired_where_the_balancer_keeps_them_apart(name: str) -> None:
    recorded = SCENARIOS[name]().run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    counted, said = score(recorded, found)
    assert not said
    assert counted.mates_found == counted.mates == 30
    assert counted.right == counted.caused == 120
    assert by_connection(found)
    assert not found.unpaired


@pytest.mark.parametrize("seed", range(12))
def test_no_pair_is_wrong_and_nobody_is_paired_twice(seed: int) -> None:
    recorded = busy(Balancer(kind="l4-proxy"), seed, loss=0.01 * (seed % 2))
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    _, said = score(recorded, found)
    assert not said
    behind = [a.backend for p in found.pairs for a in p.attempts]
    assert len(behind) == len(set(behind))


@pytest.mark.parametrize("seed", range(6))
def test_a_balancer_with_a_pool_of_connections_keeps_none_apart(seed: int) -> None:
    recorded = busy(Balancer(kind="l7"), seed)
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    assert not by_connection(found)


def test_few_connections_show_no_habit() -> None:
    """Two connections: that each kept to its own may be chance."""
    recorded = busy(Balancer(kind="l4-proxy"), seed=3, connections=2)
    assert not by_connection(correlate(recorded.clients, recorded.backends, DEFAULT))


def test_a_connection_of_which_bytes_are_missing_is_left_as_it_was() -> None:
    recorded = busy(Balancer(kind="l4-proxy"), seed=5, loss=0.01)
    found = match(recorded.clients, recorded.backends, DEFAULT)
    state = found.pairs
    for c, why in state.reasons.items():
        if any(reason.clue is Clue.WHOLE_CONNECTION for reason in why):
            for facts, n in ((state.client, c), (state.backend, state.caused[c][0])):
                held = facts.connection_of(n)
                assert not held.from_client.missing
                assert not held.from_server.missing
                assert held.syns


@pytest.mark.parametrize("connection", [9, 24])
def test_a_set_that_somebody_was_left_out_of_stays_a_set(connection: int) -> None:
    """One backend connection is not in the capture: whose it was nobody can tell."""
    recorded = busy(Balancer(kind="l4-proxy"), seed=0)
    (back,) = recorded.backends
    fewer = part_of(back, {c.id for c in back.connections if c.id != connection}, Side.BACKEND)
    state = match(recorded.clients, [fewer], DEFAULT).pairs
    assert state.left_out
    assert set(state.left_out.values()) <= set(state.group.values())


def test_connections_that_can_be_exchanged_are_sets_of_their_exchanges() -> None:
    recorded = busy(Balancer(kind="l4-proxy"), seed=2)
    state = match(recorded.clients, recorded.backends, DEFAULT).pairs
    size = Counter(state.group.values())
    assert size
    for c, group in state.group.items():
        assert state.tier[c] is Tier.ORDER
        assert state.reasons[c] == (Reason(Clue.ONE_OF_ALIKE, str(size[group])),)
    for c, why in state.reasons.items():
        if why == (Reason(Clue.WHOLE_CONNECTION, ""),):
            assert state.tier[c] is Tier.TIME
            assert c not in state.group
