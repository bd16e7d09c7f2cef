"""Sets: who their members are, and what was fixed beside them."""

from __future__ import annotations

from collections import Counter

import pytest

from lbtrace.correlate import correlate
from lbtrace.model.pairing import Confidence, Correlation, PairSet
from lbtrace.options import DEFAULT
from tests.simulator import Simulation
from tests.simulator.random_simulations import random_simulation
from tests.simulator.roles import Recording
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.scenarios.base import TWO


def both(simulation: Simulation) -> tuple[Recording, Correlation]:
    recorded = simulation.run()
    return recorded, correlate(recorded.clients, recorded.backends, DEFAULT)


def of_group(found: Correlation, group: int) -> PairSet:
    (one,) = (s for s in found.sets if s.group == group)
    return one


def assert_whole(found: Correlation) -> None:
    """Each pair of a group is in the set of its group, and nothing is in two sets."""
    assert sorted({p.group for p in found.pairs if p.group is not None}) == [
        s.group for s in found.sets
    ]
    for p in found.pairs:
        if p.group is not None:
            mine = of_group(found, p.group)
            assert p.client in mine.clients
            assert {a.backend for a in p.attempts} <= set(mine.backends)
    clients = Counter(c for s in found.sets for c in s.clients)
    backends = Counter(b for s in found.sets for b in s.backends)
    assert set(clients.values()) | set(backends.values()) <= {1}
    alone = {p.client for p in found.pairs if p.group is None}
    assert not alone & set(clients)
    assert all(found.pairs[i].group is None for s in found.sets for i in s.fixed)


@pytest.mark.parametrize("seed", range(40))
def test_every_pair_of_a_group_is_in_one_set_and_nothing_is_in_two(seed: int) -> None:
    _, found = both(random_simulation(seed, most=60))
    assert_whole(found)


@pytest.mark.parametrize(
    "name", ["crowd-8", "several-client-captures-identical", "two-points-identical"]
)
def test_crowds_hold_the_true_partners_of_their_members(name: str) -> None:
    recorded, found = both(SCENARIOS[name]())
    assert_whole(found)
    assert found.sets
    for s in found.sets:
        caused = {b for c in s.clients for b in recorded.truth[c]}
        sure = min(p.confidence for p in found.pairs if p.group == s.group)
        if sure is not Confidence.LOW:
            assert set(s.backends) <= caused


def test_pairs_that_every_assignment_has_are_fixed() -> None:
    """Eight connections ask the same. At the edges of the crowd only one exchange fits."""
    recorded, found = both(SCENARIOS["crowd-8"]())
    fixed = {i for s in found.sets for i in s.fixed}
    assert fixed
    for i in fixed:
        assert {a.backend for a in found.pairs[i].attempts} <= set(
            recorded.truth[found.pairs[i].client]
        )


def test_who_is_left_without_a_partner_is_a_member_too() -> None:
    """One of two backends was captured: which of the equal requests it got is open."""
    simulation = Simulation(seed=4, backends=TWO, uncaptured=1)
    for k in range(8):
        simulation.client(f"192.168.0.{5 + k}").asks("GET", "/", at_ms=k / 100)
    recorded, found = both(simulation)
    unpaired = {u.ref for u in found.unpaired if u.side == "client"}
    assert len(unpaired) == sum(not bs for bs in recorded.truth.values()) > 0
    assert unpaired <= {c for s in found.sets for c in s.clients}


def test_without_a_choice_there_is_no_set() -> None:
    _, found = both(SCENARIOS["large"]())
    assert len(found.sets) == 0
